"""Which experts a vLLM server has, and under which names.

Every load has a name that was never used before: a server may keep what it computed under an old one. And no expert is
asked before the server has shown that it answers as the expert does here: a server may ignore weights that it does not
know, and would then tell what is to be refused.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, file_sha256
from mlubench.judging.rouge import rouge_l
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.mixing import WeightedExperts
from mlubench.lumoe.experts.compress import read_deltas, weighted_sum, write_adapter
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.models.query import Query
from mlubench.models.sampling import GREEDY
from mlubench.serving.vllm.client import Client
from mlubench.serving.vllm.messages import as_messages
from mlubench.types import Route

log = logging.getLogger(__name__)

# Asked of a grey picture: what an expert says to them is compared with what the server says.
PROBES = (
    "What does this picture show?",
    "Please describe what you see.",
    "When was this made, and by whom?",
    "What is this known for?",
)
_PROBE_TOKENS = 24
# How alike, by ROUGE-L, the answers of the same base have to be here and there. Another precision changes a few words.
_SAME_BASE = 0.5


@dataclass(eq=False)
class Adapters:
    """The adapters that are loaded for an engine's experts."""

    engine: LUMoE
    client: Client
    # The server's name for the base.
    base: str
    # Where sums of experts are written, and the picture of the probes. The server must be able to read it.
    folder: Path
    # By the experts and factors of a route.
    _names: dict[WeightedExperts, str] = field(default_factory=dict)
    # One load at a time: two requests may need the same expert at once.
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check_base(self) -> None:
        """Raises MlubenchError where the server has another base than the engine."""
        models = await self.client.models()
        if self.base not in models:
            raise MlubenchError(
                f"the vLLM server has no model {self.base!r}",
                f"It has: {', '.join(models) or 'none'}. Name its base by --vllm-model.",
            )
        here = await self._here(())
        there = await self._there(self.base)
        alike = [rouge_l(said, meant) for said, meant in zip(there, here, strict=True)]
        if sum(alike) / len(alike) < _SAME_BASE:
            raise MlubenchError(
                f"{self.base!r} on the vLLM server answers otherwise than the base of the experts",
                "Serve the model that the experts were trained on.",
            )

    async def name_of(self, experts: WeightedExperts) -> str:
        """The server's name for these experts, which it has loaded and shown to have. Without any: the base's.

        Raises MlubenchError where the server does not have what was saved.
        """
        if not experts:
            return self.base
        missing = [name for name, _ in experts if name not in self.engine.experts]
        if missing:
            raise MlubenchError(
                f"expert {missing[0]!r} has trained more than a vLLM server takes",
                "Serve it without --vllm.",
            )
        async with self._loading:
            if experts not in self._names:
                self._names[experts] = await self._loaded(experts)
        return self._names[experts]

    async def unload_all(self) -> None:
        """Take all adapters off the server, as before the store is read anew."""
        names = list(self._names.values())
        self._names = {}
        for name in names:
            await self._unload(name)

    async def _loaded(self, experts: WeightedExperts) -> str:
        folder = await asyncio.to_thread(self._folder_of, experts)
        content = digest([file_sha256(folder / WEIGHTS), experts])
        name = f"mlubench-{content}-{secrets.token_hex(4)}"
        await self.client.load(name, folder)
        try:
            await self._verify(name, experts)
        except MlubenchError:
            await self._unload(name)
            raise
        return name

    async def _unload(self, name: str) -> None:
        try:
            await self.client.unload(name)
        except MlubenchError as error:
            # It is asked by nobody any more, and only takes room there.
            log.warning("%s", error)

    def _folder_of(self, experts: WeightedExperts) -> Path:
        """The folder of an expert, or of the sum of several."""
        folders = [self.engine.experts.folder(name) for name, _ in experts]
        if len(folders) == 1:
            return folders[0]
        deltas = [read_deltas(folder) for folder in folders]
        total = weighted_sum(deltas, [factor for _, factor in experts])
        out = self.folder / f"sum-{secrets.token_hex(8)}"
        out.mkdir()
        write_adapter(total, folders[0], out)
        return out

    async def _verify(self, name: str, experts: WeightedExperts) -> None:
        """Hold the server's answers against those that the experts give here."""
        by_base = await self._here(())
        by_experts = await self._here(tuple(expert for expert, _ in experts))
        there = await self._there(name)
        told = 0
        for said, base, expert in zip(there, by_base, by_experts, strict=True):
            if expert == base:
                continue
            told += 1
            if rouge_l(said, expert) <= rouge_l(said, base):
                raise MlubenchError(
                    "the vLLM server answers as if an expert that it has loaded were not there",
                    "Look at its log: weights that it does not know are left out, as those of another scope.",
                )
        if not told:
            raise MlubenchError(
                "no probe tells whether the vLLM server has an expert, since it answers them as the base does",
                "Serve it without --vllm.",
            )

    def _queries(self) -> list[Query]:
        grey = self.folder / "grey.png"
        if not grey.is_file():
            Image.new("RGB", (224, 224), (128, 128, 128)).save(grey)
        return [Query(grey, question) for question in PROBES]

    async def _here(self, experts: Sequence[str]) -> list[str]:
        queries = self._queries()
        routes = [Route(tuple(experts), None, 0.0, "a probe")] * len(queries)
        return await asyncio.to_thread(
            self.engine.drafts, queries, routes, max_new_tokens=_PROBE_TOKENS
        )

    async def _there(self, model: str) -> list[str]:
        answers = []
        for query in self._queries():
            messages = as_messages(self.engine.mllm, query)
            generated = await self.client.answer(
                model, messages, tokens=_PROBE_TOKENS, sampling=GREEDY
            )
            answers.append(generated.text)
        return answers
