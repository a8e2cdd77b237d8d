"""Ask an archived model about a task, keep every answer, and have the answers judged."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlubench.config import EvaluateConfig
from mlubench.lifelong.learners import Learner
from mlubench.lifelong.rundir import RunDir, append_lines, read_lines, write_lines
from mlubench.models import ranks
from mlubench.registry import JUDGES, resolve
from mlubench.types import METRIC_OF, Judge, Question, Route, Sample, Task

Known = dict[tuple[str, tuple[str, ...]], str]  # (sample id, experts) -> answer, of a learner that is frozen
Asked = list[tuple[Sample, Route | None]]


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


def answer_cell(path: Path, samples: Sequence[Sample], learner: Learner, *, batch: int, known: Known) -> None:
    """Write one line a sample to `path`, batch by batch, so that a killed run goes on where it was.

    Batches are made the same way whether the run was interrupted or not, so the answers are the same too.
    """
    asked = list(zip(samples, learner.routes(samples), strict=True))
    part = path.with_name(path.name + ".part")
    rows = ranks.agreed(lambda: _begun(part))
    new = [(s, r) for s, r in asked if _refused(r) or (s.id, _experts(r)) not in known]
    chunks = [chunk for chunk in _chunks(new, batch, learner.mixed) if not all(s.id in rows for s, _ in chunk)]
    for turn in range(0, len(chunks), ranks.world()):
        here = chunks[turn : turn + ranks.world()]
        # A sharded model needs all processes, also one that has nothing to answer.
        mine = here[ranks.rank() % len(here)]
        answered = ranks.gathered([_row(s, r, text) for (s, r), text in _answers(learner, mine)])
        found = [row for rows_of_one in answered[: len(here)] for row in rows_of_one]
        rows |= {row["id"]: row for row in found}
        ranks.written(lambda: append_lines(part, found))  # noqa: B023 - called at once
    for sample, route in asked:
        key = sample.id, _experts(route)
        if sample.id not in rows:
            rows[sample.id] = _row(sample, route, known[key])
        if learner.frozen and not _refused(route):
            known[key] = rows[sample.id]["response"]
    ranks.written(lambda: write_lines(path, [rows[s.id] for s in samples]))
    ranks.written(part.unlink)


def _begun(part: Path) -> dict[str, dict[str, Any]]:
    """What a killed process had answered; the file is left without a line that it had not finished."""
    part.parent.mkdir(parents=True, exist_ok=True)
    rows = read_lines(part)
    write_lines(part, rows)
    return {row["id"]: row for row in rows}


def _answers(learner: Learner, chunk: Asked) -> Iterator[tuple[tuple[Sample, Route | None], str]]:
    return zip(chunk, learner.answer([s for s, _ in chunk], [r for _, r in chunk]), strict=True)


def known_answers(path: Path) -> Known:
    """What a finished file of answers says, for a learner whose answers depend on query and experts alone."""
    return {
        (row["id"], tuple(row["route"]["experts"]) if row["route"] else ()): row["response"]
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


def _row(sample: Sample, route: Route | None, response: str) -> dict[str, Any]:
    return {
        "id": sample.id,
        "split": sample.split,
        "task": sample.task,
        "image": sample.image,
        "entity": sample.entity.key,
        "question": sample.question,
        "truth": sample.truth,
        "response": response,
        "fact": sample.fact,
        "phrasing": sample.phrasing,
        "route": asdict(route) if route is not None else None,
    }


def make_judge(name: str, references: Iterable[tuple[str, str]]) -> Judge:
    """The judge of that name. It may read all (class, truth) pairs, to tell what is specific from what is common."""
    judge: Judge = resolve("judge", JUDGES, name)(sorted(set(references)))
    return judge


def question_of(row: dict[str, Any]) -> Question:
    """What the judge is shown of one line of answers."""
    metric = METRIC_OF["forget" if row["split"] == "forget" else "retain"]
    return Question(metric, row["entity"], row["question"], row["truth"], row["response"])


def judge_cell(answers: Path, verdicts: Path, judge: Judge) -> None:
    """Write one verdict a line of answers, unless they are there."""
    if verdicts.is_file():
        return
    rows = read_lines(answers)
    questions = [question_of(row) for row in rows]
    found = judge.judge(questions)
    write_lines(
        verdicts,
        [
            {"id": row["id"], "metric": q.metric, "score": v.score, "why": v.why}
            for row, q, v in zip(rows, questions, found, strict=True)
        ],
    )


def judge_run(run: RunDir, name: str) -> None:
    """Judge every cell answered so far. No model is run; the references are the truths of all answers of the base."""
    files = sorted((run.root / "answers").glob("*/*-U*.jsonl"))
    references = [
        (row["entity"].split("/")[0], row["truth"])
        for path in files
        if path.parent.name == "base"
        for row in read_lines(path)
    ]
    judge = make_judge(name, references)
    for path in files:
        task, after = path.stem.rsplit("-U", 1)
        judge_cell(path, run.verdicts(name, path.parent.name, task, after), judge)
