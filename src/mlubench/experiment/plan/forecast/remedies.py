"""Which settings make a run fit a card, worked out from what was counted: no pass is counted anew."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlubench.experiment.plan.forecast.parts import MemoryNeed, MethodForecast, Remedy
from mlubench.settings.run import Config


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to need less."""

    settings: tuple[str, ...]
    checkpointing: bool
    # Bytes of the base.
    weights: int
    # Whether training may take smaller batches, which is another training.
    smaller_batches: bool


def find_remedy(
    config: Config, methods: Sequence[MethodForecast], room: float, quantised: int | None
) -> Remedy | None:
    """The first way to fit into `room` bytes: what changes no result comes first. None where nothing helps.

    `quantised` is what the base takes in four bits; None where it cannot be, or is quantised already.
    """
    for way in _ways(methods, quantised):
        remedy = _tried(config, methods, room, way)
        if remedy is not None:
            return remedy
    return None


def _ways(methods: Sequence[MethodForecast], quantised: int | None) -> Iterator[_Way]:
    weights = methods[0].training.weights
    # Smaller batches of answers alone may do.
    yield _Way((), False, weights, smaller_batches=False)
    settings: tuple[str, ...] = ()
    if not all(method.checkpointing for method in methods):
        settings = ("train.gradient_checkpointing=true",)
        yield _Way(settings, True, weights, smaller_batches=False)
    yield _Way(settings, True, weights, smaller_batches=True)
    if quantised is not None:
        settings = ("model.quantization=4bit", *settings)
        yield _Way(settings, True, quantised, smaller_batches=False)
        yield _Way(settings, True, quantised, smaller_batches=True)


def _tried(
    config: Config, methods: Sequence[MethodForecast], room: float, way: _Way
) -> Remedy | None:
    """The remedy with the largest batches that fit; None where not even one row does."""
    trained = []
    for method in methods:
        need = method.training
        if way.checkpointing and method.checkpointed is not None:
            need = method.checkpointed
        batch = config.train.for_method(method.name).batch
        trained.append((replace(need, weights=way.weights), batch))
    answered = []
    for method in methods:
        answered.append((replace(method.answering, weights=way.weights), config.evaluate.batch))
    train_batch = _rows_that_fit(trained, room)
    answer_batch = _rows_that_fit(answered, room)
    largest = max(batch for _, batch in trained)
    if train_batch == 0 or answer_batch == 0:
        return None
    if train_batch < largest and not way.smaller_batches:
        return None
    settings = list(way.settings)
    if train_batch < largest:
        settings.append(f"train.batch={train_batch}")
    if answer_batch < config.evaluate.batch:
        settings.append(f"evaluate.batch={answer_batch}")
    return Remedy(tuple(settings), _most(trained, train_batch), _most(answered, answer_batch))


def _rows_that_fit(needs: Sequence[tuple[MemoryNeed, int]], room: float) -> int:
    """The largest batch with which all of these fit, each given with its own batch; 0 where one row is too much."""
    fitting = []
    for need, batch in needs:
        over = need.total - room
        rows = batch
        if over > 0:
            rows = batch - math.ceil(over / max(need.row, 1))
        fitting.append(max(rows, 0))
    return min(fitting)


def _most(needs: Sequence[tuple[MemoryNeed, int]], rows: int) -> int:
    """Bytes of the one that needs most, in batches of at most `rows`."""
    return max(need.total - max(batch - rows, 0) * need.row for need, batch in needs)
