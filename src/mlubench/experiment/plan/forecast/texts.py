"""How long prompts and answers are, in tokens: by the tokenizer where it is here, else by their bytes, else assumed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlubench.data.refusals import REFUSALS
from mlubench.models.chat_template import prompt_text
from mlubench.types import Benchmark, Sample

if TYPE_CHECKING:
    from transformers import ProcessorMixin

# Records that are looked at.
SAMPLE = 500
# A token of English is about four bytes.
BYTES_A_TOKEN = 4
# What a chat template puts around a question. Published ones have 10 to 45 tokens.
TEMPLATE_TOKENS = 40
# Of the official annotations, in bytes: the longest question, the longest answer, and the answer that is longer than nine
# of ten.
OFFICIAL_QUESTION = 105
OFFICIAL_ANSWER = 733
OFFICIAL_NINTH = 454


@dataclass(frozen=True, slots=True)
class TextLengths:
    """In tokens."""

    # The longest prompt, without a picture's tokens.
    prompt: int
    # The longest answer, with its end.
    answer: int
    # The longest refusal, with its end.
    refusal: int
    # An answer that is longer than nine of ten: about the longest of a batch, for which its other rows wait.
    reply: int
    # Where these are from, as people read it.
    source: str


def text_lengths(benchmark: Benchmark | None, processor: "ProcessorMixin | None") -> TextLengths:
    """Of the benchmark's records, or of the official annotations where it is not here."""
    if processor is None:
        tokens: Callable[[str], int] = _by_bytes
        frame = TEMPLATE_TOKENS
        how = f"{BYTES_A_TOKEN} bytes a token"
    else:
        tokens = _by_tokenizer(processor)
        frame = tokens(prompt_text(processor, "?", with_image=False))
        how = "its tokenizer"
    refusal = max(tokens(text) for text in REFUSALS) + 1
    if benchmark is None:
        return TextLengths(
            prompt=frame + OFFICIAL_QUESTION // BYTES_A_TOKEN,
            answer=OFFICIAL_ANSWER // BYTES_A_TOKEN + 1,
            refusal=refusal,
            reply=OFFICIAL_NINTH // BYTES_A_TOKEN + 1,
            source="assumed as in the official annotations",
        )
    samples = _some(benchmark.samples)
    answers = sorted(tokens(sample.truth) for sample in samples)
    ninth = answers[int(0.9 * (len(answers) - 1))]
    return TextLengths(
        prompt=frame + max(tokens(sample.question) for sample in samples),
        answer=answers[-1] + 1,
        refusal=refusal,
        reply=ninth + 1,
        source=f"of {len(samples):,} records, by {how}",
    )


def _some(samples: Sequence[Sample]) -> list[Sample]:
    return random.Random(0).sample(list(samples), min(SAMPLE, len(samples)))


def _by_bytes(text: str) -> int:
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def _by_tokenizer(processor: "ProcessorMixin") -> Callable[[str], int]:
    def tokens(text: str) -> int:
        return len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    return tokens
