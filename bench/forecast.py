"""How far forecasts are off: what `mlubench run --dry-run --card` works out, beside what was measured on such a card.

The measured figures are those of docs/performance.md, by `training_large.py` and `serving.py` on one H200: a LLaVA of
7B shape with random weights, 576 tokens a picture, batch 4 (training) and 32 (answering), LoRA r = 32 on the language part.
No card and no weights are needed here.

    python bench/forecast.py --json
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from mlubench.experiment.plan.forecast.answering import AnswerCounts
from mlubench.experiment.plan.forecast.cards import UTILISATION, find_card, seconds_of
from mlubench.experiment.plan.forecast.counts import Counts
from mlubench.experiment.plan.forecast.pictures import PictureSize, picture_load
from mlubench.experiment.plan.forecast.texts import TextLengths
from mlubench.models.quiet import quiet
from mlubench.models.sizes import Shape, published_shape, trained_bytes, with_adapter
from mlubench.settings.model import ModelConfig
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.unlearning.methods.base import make_method
from mlubench.unlearning.table import LOSSES

CARD = "h200"
# The longest prompt, answer and refusal of the drawn world that was trained on, by its own tokenizer.
LENGTHS = TextLengths(prompt=29, answer=27, refusal=23, reply=16, source="bench/training_large.py")
LORA = LoraConfig(r=32, alpha=32)
TRAINING = TrainConfig(lr=1e-4, batch=4, lora=LORA)
ANSWERING_ROWS = 32


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """A row of docs/performance.md."""

    method: str
    checkpointing: bool
    # Whether features of pictures were kept from an earlier look.
    kept: bool
    seconds: float
    gibibytes: float


# Ours where the reference has looked at the pictures before, else the plain step ("as described").
STEPS = (
    MeasuredStep("ga", False, False, 0.361, 35.7),
    MeasuredStep("po", False, False, 0.332, 35.6),
    MeasuredStep("po", True, False, 0.460, 15.7),
    MeasuredStep("npo", False, True, 0.300, 35.5),
    MeasuredStep("kl", False, True, 0.642, 56.0),
    MeasuredStep("dpo", False, True, 0.418, 35.9),
)
# Milliseconds a query of 16 new tokens, without an adapter and with one in the base's precision.
BASE_MS = 34.3
ADAPTER_MS = 47.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, forecast and measured."""

    what: str
    unit: str
    forecast: float
    measured: float

    @property
    def off(self) -> float:
        """Of the measured figure, how much the forecast is more."""
        return self.forecast / self.measured - 1


def rows() -> Iterator[Row]:
    shape = published_shape(ModelConfig(path="llava-1.5-7b-hf", dtype="bfloat16"))
    assert shape is not None
    assert shape.image_processor is not None
    picture = picture_load(shape.mllm, shape.image_processor, PictureSize(336, 336))
    counts = Counts(shape, LENGTHS, picture)
    for measured in STEPS:
        yield from step_rows(shape, counts, measured)
    base = counts.answers(ANSWERING_ROWS, None, trained=False)
    adapter = counts.answers(ANSWERING_ROWS, TRAINING, trained=False)
    yield Row("an answer of the base", "ms", _milliseconds(base), BASE_MS)
    yield Row("an answer with an adapter", "ms", _milliseconds(adapter), ADAPTER_MS)


def step_rows(shape: Shape, counts: Counts, measured: MeasuredStep) -> Iterator[Row]:
    method = make_method(measured.method, LOSSES.resolve(measured.method), {})
    settings = TRAINING.model_copy(update={"gradient_checkpointing": measured.checkpointing})
    count = counts.step(method, settings, kept=measured.kept)
    with with_adapter(shape, LORA, "language") as mllm:
        adapter = 4 * trained_bytes(mllm)
    name = measured.method + (", gradient checkpointing" if measured.checkpointing else "")
    seconds = seconds_of(count, find_card(CARD), UTILISATION)
    gibibytes = (shape.bytes + adapter + count.peak_bytes) / 2**30
    yield Row(f"{name}: a step", "s", seconds, measured.seconds)
    yield Row(f"{name}: peak memory", "GiB", gibibytes, measured.gibibytes)


def _milliseconds(counts: AnswerCounts) -> float:
    card = find_card(CARD)
    prompt = seconds_of(counts.prompt, card, UTILISATION)
    steps = (LENGTHS.reply - 1) * seconds_of(counts.step, card, UTILISATION)
    return 1000 * (prompt + steps) / ANSWERING_ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="It is quick anyway.")
    args = parser.parse_args()
    quiet()
    found = []
    for row in rows():
        found.append({**asdict(row), "off": round(row.off, 3)})
        if not args.json:
            print(
                f"| {row.what} | {row.forecast:.3g} | {row.measured:.3g} {row.unit} | {row.off:+.0%} |"
            )
    if args.json:
        print(json.dumps({"card": CARD, "utilisation": UTILISATION, "rows": found}))


if __name__ == "__main__":
    main()
