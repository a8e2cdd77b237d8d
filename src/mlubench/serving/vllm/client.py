"""What is asked of a vLLM server: its models, an adapter more or less, an answer. One connection pool for all.

Source of the paths: vLLM's documentation of its OpenAI-compatible server and of LoRA adapters, loaded at run time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.sampling import Sampling
from mlubench.serving.vllm.messages import Message

MISSING = UsageError("the package openai is missing", "Run: pip install 'mlubench[serve]'.")


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer of the server."""

    text: str
    # Whether it ended by itself, and not at the limit of tokens.
    complete: bool
    prompt_tokens: int


class Client:
    """Raises MlubenchError for whatever the server does not do, with the server's own words."""

    def __init__(self, address: str, key: str | None = None, *, seconds: float = 120.0) -> None:
        """`address` ends in the version, as http://127.0.0.1:8001/v1. `seconds` are given to each call."""
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise MISSING from None
        self.address = address
        # What fails is the caller's to ask again: here nobody waits in vain.
        self._client = AsyncOpenAI(
            base_url=address, api_key=key or "none", timeout=seconds, max_retries=0
        )

    async def models(self) -> list[str]:
        """The names by which the server answers: those of its base, and of its adapters."""
        found = await self._call("list its models", self._client.models.list())
        return [model.id for model in found.data]

    async def load(self, name: str, folder: Path) -> None:
        """Have the server load an adapter. It reads the folder itself, so the path must mean the same there."""
        body = {"lora_name": name, "lora_path": str(folder)}
        asked = self._client.post("/load_lora_adapter", body=body, cast_to=str)
        await self._call(
            f"load the adapter {folder.name}",
            asked,
            "Start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, give it --max-lora-rank of the"
            " largest expert, and let it read the same folders.",
        )

    async def unload(self, name: str) -> None:
        asked = self._client.post("/unload_lora_adapter", body={"lora_name": name}, cast_to=str)
        await self._call("unload an adapter", asked)

    async def answer(
        self, model: str, messages: Sequence[Message], *, tokens: int, sampling: Sampling
    ) -> Generated:
        """The answer of the base or of an adapter, of so many tokens at most."""
        asked = self._client.chat.completions.create(
            model=model,
            # The types of the client are unions of a dozen parts each; ours are two of them.
            messages=messages,  # type: ignore[arg-type]
            max_tokens=tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
        )
        found = await self._call("answer", asked)
        (choice,) = found.choices
        usage = found.usage
        return Generated(
            choice.message.content or "",
            choice.finish_reason != "length",
            usage.prompt_tokens if usage is not None else 0,
        )

    async def close(self) -> None:
        await self._client.close()

    async def _call(self, what: str, asked: Any, hint: str | None = None) -> Any:
        import openai

        try:
            return await asked
        except openai.OpenAIError as error:
            raise MlubenchError(
                f"the vLLM server at {self.address} does not {what}: {error}",
                hint or "Look at its log.",
            ) from None
