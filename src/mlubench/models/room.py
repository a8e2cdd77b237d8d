"""Whether texts fit into a model's positions, weighed by their bytes and measured only where that leaves a doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlubench.core.errors import DataError
from mlubench.models.chat_template import adds_special_tokens
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Sample

# What a tokenizer may add to a text whose every byte is a token.
_MARGIN = 8


@dataclass(frozen=True, slots=True)
class Use:
    """What is done with a sample: the answers that are read behind its prompt, and the tokens that are to come there."""

    sample: Sample
    image: Path | None
    answers: tuple[str, ...]
    new_tokens: int = 0


def require_room(mllm: MLLM, uses: Sequence[Use]) -> None:
    """Raises DataError that names the first record whose prompt and answer have more tokens than the model has positions.

    A model that is trained beyond them learns nothing that it could use, and takes memory by the square of the length.
    """
    ruler = _Ruler(mllm, uses)
    over = [use for use in uses if not ruler.fits(use)]
    if not over:
        return
    sample = over[0].sample
    count = len({use.sample.id for use in over})
    raise DataError(
        f"{count} record(s) are too long for the model, which has {mllm.positions:,} positions "
        f"(first: {sample.id}, {sample.image}, {sample.question[:40]!r}: {ruler.tokens(over[0]):,} tokens)",
        "Shorten it or leave it out, or take a model with more positions.",
    )


class _Ruler:
    """Measures prompts and answers. What plainly fits is only weighed by its bytes, as no token is less than one."""

    def __init__(self, mllm: MLLM, uses: Sequence[Use]) -> None:
        self.mllm = mllm
        self.uses = uses
        # The template and the longest end of an answer.
        self.frame = len(mllm.prompt("?").encode()) + max(map(len, mllm.ends)) + _MARGIN

    def fits(self, use: Use) -> bool:
        longest = max([_bytes(answer) for answer in use.answers], default=0)
        most = self.frame + self._picture + _bytes(use.sample.question)
        if most + max(longest, use.new_tokens) <= self.mllm.positions:
            return True
        return self.tokens(use) <= self.mllm.positions

    def tokens(self, use: Use) -> int:
        """How many tokens the prompt and the longest of what stands behind it have."""
        question = use.sample.question
        with_image = use.image is not None
        behind = [use.new_tokens]
        for answer in use.answers:
            behind.append(len(self.mllm.answer_ids(question, answer, with_image=with_image)))
        if use.image is not None and not use.image.is_file():
            # A plan may be made before the pictures are there.
            return self._text_tokens(question) + max(behind)
        prompt = self.mllm.encode([Query(use.image, question)])["input_ids"]
        return int(prompt.shape[1]) + max(behind)

    @cached_property
    def _picture(self) -> int:
        """About the most tokens that a picture takes: those of the largest file. 0 where no picture is there."""
        files = {use.image for use in self.uses if use.image is not None and use.image.is_file()}
        if not files:
            return 0
        largest = max(sorted(files), key=lambda file: file.stat().st_size)
        prompt = self.mllm.encode([Query(largest, "?")])["input_ids"]
        return int(prompt.shape[1]) - self._text_tokens("?")

    def _text_tokens(self, question: str) -> int:
        text = self.mllm.prompt(question)
        special = adds_special_tokens(self.mllm.tokenizer, text)
        return len(self.mllm.tokenizer(text, add_special_tokens=special)["input_ids"])


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))
