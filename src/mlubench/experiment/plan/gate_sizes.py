"""What the gate takes on disk: it is archived beside each expert, and grows by what each task brings."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from mlubench.data.background import count_teaching
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.making import gate_class
from mlubench.lumoe.gates.metric import encoder_named
from mlubench.lumoe.gates.task_pictures import new_in_each
from mlubench.models.features import encoder_width
from mlubench.models.sizes import Shape
from mlubench.settings.run import Config
from mlubench.types import Background, Benchmark


def gate_bytes(
    config: Config, shape: Shape, benchmark: Benchmark | None, order: Sequence[str]
) -> int:
    """Of the gates of all archives. Without a benchmark what requests bring is left out.

    Raises MlubenchError for a `gates.encoder` that holds no vision model, UsageError for a folder of other things that
    is absent.
    """
    source = _background(config, benchmark)
    nothing = Foreseen(
        features=shape.hidden,
        row=encoder_width(encoder_named(config.gates, drawn=source == "drawn"), shape.mllm),
        things=count_teaching(source, config.gates.background),
        guises=config.gates.guises,
    )
    gate = gate_class(config.gate)
    if benchmark is None:
        return len(order) * gate.saved_bytes(nothing)
    return sum(gate.saved_bytes(known) for known in _after_each(benchmark, nothing))


def _after_each(benchmark: Benchmark, nothing: Foreseen) -> list[Foreseen]:
    """What is known after each task."""
    entities = []
    pictures = []
    for _, forget, retain in new_in_each(benchmark.tasks):
        entities.append(len(forget) + len(retain))
        pictures.append(sum(len(samples) for samples in forget.values()))
    totals = zip(accumulate(entities), accumulate(pictures), strict=True)
    return [replace(nothing, entities=some, pictures=shown) for some, shown in totals]


def _background(config: Config, benchmark: Benchmark | None) -> Background:
    """Where pictures of other things come from. A benchmark that is not drawn yet does not say."""
    settings = config.benchmark
    if settings.kind == "world" or settings.draw:
        return "drawn"
    if settings.kind == "real":
        return "real"
    return benchmark.background if benchmark is not None else ""
