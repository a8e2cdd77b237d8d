"""What `gates_known.py` asks: a base that knows the requests, ways to route to them, and what the base says by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from gates_known_base import known_base
from gates_known_world import NAMING, KnownWorld
from mlubench.judging.harm import RIGHT, TOLD, HarmJudge
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.encoders import Encoder
from mlubench.models.features import EncoderName, FeatureCache, LayerCache
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.gates import GateConfig
from mlubench.types import AnswerRow, Route, Sample
from second_look import Answerer

LONGEST = 48  # tokens of an answer


class OtherEyes:
    """The base's features for a gate that is to look with another encoder than its usual one."""

    def __init__(self, features: FeatureCache, cache: LayerCache) -> None:
        self._features = features
        self._cache = cache

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        return self._features(pictures)

    def encoded_by(self, encoder: EncoderName) -> LayerCache:
        return self._cache


def state_encoder(mllm: MLLM) -> Encoder:
    """The language model's state at the end of the naming question, in each of its layers."""
    prompt = mllm.prompt(NAMING)

    def layers(pictures: list[Image.Image]) -> list[Tensor]:
        # All prompts are alike, so nothing is padded and the last place is that of the last token.
        inputs = mllm.processor(images=pictures, text=[prompt] * len(pictures), return_tensors="pt")
        output = mllm.model(**inputs, output_hidden_states=True)
        return [state[:, -1] for state in output.hidden_states[1:]]

    return Encoder("", layers)


class Study:
    """The world with its base, and what the base says by itself."""

    def __init__(self, world: KnownWorld, gates: GateConfig) -> None:
        self.world = world
        self.settings = gates
        self.mllm = known_base(world.benchmark)
        self.mllm.keep_pictures = 0  # each is seen once
        self.features = FeatureCache(self.mllm)
        engine = LUMoE(self.mllm, make_gate("oracle"), self.features)
        self.answerer = Answerer(engine, LONGEST)
        self._state: OtherEyes | None = None
        self._names: dict[Path, str] = {}
        samples = [sample for sample in world.benchmark.samples if sample.role == "test"]
        answers = self.answerer.drafts(
            [self.query(sample) for sample in samples], [to_base()] * len(samples)
        )
        rows = [AnswerRow.of(s, text) for s, text in zip(samples, answers, strict=True)]
        self.judge = HarmJudge(rows)
        self.told_by_base = {row.id for row in rows if self.judge.score(row) >= TOLD}
        self.right_by_base = {row.id for row in rows if self.judge.score(row) == RIGHT}

    def query(self, sample: Sample) -> Query:
        return Query(self.world.benchmark.picture(sample), sample.question)

    def eyes(self, way: str) -> FeatureCache | OtherEyes:
        """What the picture gate looks with."""
        if way != "state":
            return self.features
        if self._state is None:
            self._state = OtherEyes(self.features, LayerCache(state_encoder(self.mllm)))
        return self._state

    def name_of(self, pictures: Sequence[Path]) -> list[str]:
        """What the base answers to the naming question."""
        new = [path for path in dict.fromkeys(pictures) if path not in self._names]
        queries = [Query(path, NAMING) for path in new]
        texts = self.answerer.drafts(queries, [to_base()] * len(new))
        self._names.update(zip(new, texts, strict=True))
        return [self._names[path] for path in pictures]

    def routes(
        self, way: str, gates: Mapping[str, Gate], queries: Sequence[GateQuery]
    ) -> list[Route]:
        """`gates` are by the parts of the way."""
        found = []
        for part in parts_of(way):
            asked = queries
            if part == "named":
                names = self.name_of([query.image for query in queries if query.image is not None])
                asked = [GateQuery(None, name) for name in names]
            found.append(gates[part].route(asked, self.eyes(part)))
        united = [_united(routes) for routes in zip(*found, strict=True)]
        if way == "suspects":
            return [replace(route, experts=()) for route in united]
        return united


def parts_of(way: str) -> list[str]:
    """The gates that a way to route is made of."""
    return ["eye"] if way == "suspects" else way.split(", ")


def _united(routes: Sequence[Route]) -> Route:
    """The experts of all, with the score and the suspects of the first."""
    experts = sorted({expert for route in routes for expert in route.experts})
    return replace(routes[0], experts=tuple(experts))


def to_base() -> Route:
    return Route((), None, 0.0, "the base")
