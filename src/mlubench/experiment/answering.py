"""Ask an archived model about a task, and keep every answer."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from mlubench.core import processes
from mlubench.core.lines import append_lines, read_lines, write_lines
from mlubench.settings.run import EvaluateConfig
from mlubench.types import PROBABILITY, Route, Sample, Task

Said = dict[
    str, Any
]  # of a line of answers what the model makes of it: `response` and, where asked for, PROBABILITY
Known = dict[
    tuple[str, tuple[str, ...]], Said
]  # by sample id and experts, of a learner that is frozen
Asked = list[tuple[Sample, Route | None]]


class Learner(Protocol):
    """A method in the sequence. `frozen` says that an answer depends on query and experts alone, whatever came later.

    `mixed` says that a batch may hold rows for any experts. On a sharded base it may not: there all processes have to make
    the same number of passes.
    """

    name: str
    frozen: bool
    mixed: bool

    def at(self, done: list[str]) -> None:
        """Be the state archived after these tasks."""

    def learn(self, task: Task) -> None:
        """Unlearn the task from the present state and archive the outcome."""

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]: ...

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]: ...

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> Sequence[float | None]:
        """How probable each sample's truth is to the model that answers it; None where no model does."""


def tested(task: Task, limit: int | None) -> list[Sample]:
    """The task's test samples; with a limit, at most so many a split, dealt round the facts and each fact's phrasings."""
    chosen: list[Sample] = []
    for split in (task.forget, task.retain):
        rows = sorted((s for s in split if s.role == "test"), key=lambda s: s.id)
        by_phrasing = _turns(rows, lambda s: (s.fact, s.phrasing))
        by_fact = _turns([s for _, s in by_phrasing], lambda s: s.fact)
        chosen += [s for _, s in by_fact[:limit]]
    return chosen


def tested_after(config: EvaluateConfig, order: Sequence[str], after: str) -> list[str]:
    """The tasks that the archive made after `after` is tested on."""
    return list(order) if config.tasks == "all" else list(order[: order.index(after) + 1])


def _turns(rows: Sequence[Sample], key: Callable[[Sample], Hashable]) -> list[tuple[int, Sample]]:
    """The samples with the round in which each is dealt, one a round from every group, round by round."""
    counts: Counter[Hashable] = Counter()
    dealt = []
    for sample in rows:
        dealt.append((counts[key(sample)], sample))
        counts[key(sample)] += 1
    return sorted(dealt, key=lambda x: x[0])


def answer_cell(
    path: Path,
    samples: Sequence[Sample],
    learner: Learner,
    *,
    batch: int,
    known: Known,
    probability: bool = False,
) -> None:
    """Write one line a sample to `path`, batch by batch, so that a killed run goes on where it was.

    With `probability` each line also says how probable the truth is to the model that answered. Batches are made the same
    way whether the run was interrupted or not, so the answers are the same too.
    """
    asked = list(zip(samples, learner.routes(samples), strict=True))
    part = path.with_name(path.name + ".part")
    rows = processes.agreed(lambda: _begun(part))
    new = [(s, r) for s, r in asked if _refused(r) or (s.id, _experts(r)) not in known]
    chunks = [
        chunk
        for chunk in _chunks(new, batch, learner.mixed)
        if not all(s.id in rows for s, _ in chunk)
    ]
    for turn in range(0, len(chunks), processes.world()):
        here = chunks[turn : turn + processes.world()]
        # A sharded model needs all processes, also one that has nothing to answer.
        mine = here[processes.rank() % len(here)]
        answered = processes.gathered(_rows(learner, mine, probability))
        found = [row for rows_of_one in answered[: len(here)] for row in rows_of_one]
        rows |= {row["id"]: row for row in found}
        processes.written(lambda: append_lines(part, found))  # noqa: B023 - called at once
    for sample, route in asked:
        key = sample.id, _experts(route)
        if sample.id not in rows:
            rows[sample.id] = _row(sample, route, known[key])
        if learner.frozen and not _refused(route):
            known[key] = _said(rows[sample.id])
    processes.written(lambda: write_lines(path, [rows[s.id] for s in samples]))
    processes.written(part.unlink)


def _begun(part: Path) -> dict[str, dict[str, Any]]:
    """What a killed process had answered; the file is left without a line that it had not finished."""
    part.parent.mkdir(parents=True, exist_ok=True)
    rows = read_lines(part)
    write_lines(part, rows)
    return {row["id"]: row for row in rows}


def _rows(learner: Learner, chunk: Asked, probability: bool) -> list[dict[str, Any]]:
    samples, routes = [s for s, _ in chunk], [r for _, r in chunk]
    said: list[Said] = [{"response": text} for text in learner.answer(samples, routes)]
    if probability:
        said = [
            {**one, PROBABILITY: chance}
            for one, chance in zip(said, learner.truth_probabilities(samples, routes), strict=True)
        ]
    return [_row(s, r, one) for (s, r), one in zip(chunk, said, strict=True)]


def _said(row: dict[str, Any]) -> Said:
    return {key: row[key] for key in ("response", PROBABILITY) if key in row}


def known_answers(path: Path) -> Known:
    """What a finished file of answers says, for a learner whose answers depend on query and experts alone."""
    return {
        (row["id"], tuple(row["route"]["experts"]) if row["route"] else ()): _said(row)
        for row in read_lines(path)
        if not (row["route"] or {}).get("refused")  # a text that says nothing of the model
    }


def _experts(route: Route | None) -> tuple[str, ...]:
    return route.experts if route is not None else ()


def _refused(route: Route | None) -> bool:
    """Whether the answer is the fixed refusal of a gate that failed, not the model's own."""
    return route is not None and route.refused


def _chunks(asked: Asked, size: int, mixed: bool) -> Iterator[Asked]:
    """Batches of answers alike in experts and length, so that few rows wait for the longest.

    Where batches are not `mixed`, all rows of one have the same experts.
    """
    rows = sorted(asked, key=lambda x: (_experts(x[1]), len(x[0].truth), x[0].id))
    while rows:
        chunk = [x for x in rows[:size] if mixed or _experts(x[1]) == _experts(rows[0][1])]
        yield chunk
        rows = rows[len(chunk) :]


def _row(sample: Sample, route: Route | None, said: Said) -> dict[str, Any]:
    return {
        "id": sample.id,
        "split": sample.split,
        "task": sample.task,
        "image": sample.image,
        "entity": sample.entity.key,
        "question": sample.question,
        "truth": sample.truth,
        "response": said["response"],
        "fact": sample.fact,
        "phrasing": sample.phrasing,
        "route": asdict(route) if route is not None else None,
        **{key: value for key, value in said.items() if key == PROBABILITY},
    }
