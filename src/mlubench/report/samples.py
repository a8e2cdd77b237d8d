"""Picks twenty test samples with every method's answers and verdicts, so that people can judge for themselves."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest
from mlubench.core.reading import read_json
from mlubench.report.answer_files import AnswerFiles
from mlubench.report.labels import label
from mlubench.report.thumbnails import picture_or_why
from mlubench.runs.folder import BASE, NOTHING_UNLEARNED, RunDir
from mlubench.runs.results import Results, RunFacts
from mlubench.types import AnswerRow, Entity, Route, Split

# How many samples are shown. All methods answer the same ones.
SHOWN: dict[Split, int] = {"forget": 10, "retain": 10}
# Another one would show other samples.
SEED = 0
NOTE = (
    f"{SHOWN['forget']} test samples that must be forgotten and {SHOWN['retain']} that must stay, spread over classes "
    f"and tasks, and drawn with seed {SEED} by a hash of their ids: not chosen by hand, nor by what was answered. Each "
    "method answers right after the task was unlearned, and again after the last task. Under an answer: the judge's score "
    "(0, 1 or 2), and why."
)
_LONGEST = 600  # characters of an answer
_REFUSAL = "a fixed refusal"


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What one method says at one archive."""

    label: str
    archive: str  # `UB`; empty for the base
    text: str | None  # None where the run holds no such answer
    route: str
    verdict: str = ""  # score and why; empty where there is none


@dataclass(frozen=True, slots=True)
class Example:
    """One test sample and all answers to it, that of the base first."""

    task: str
    split: Split
    title: str
    cls: str
    question: str
    truth: str
    picture: str  # a data URI; empty where there is none
    no_picture: str  # why there is none
    answers: list[ShownAnswer]


@dataclass(frozen=True, slots=True)
class Examples:
    """The samples to show, in the order of the sequence, and what could not be read on the way."""

    shown: list[Example]
    notes: list[str]


def pick_examples(folder: RunDir, results: Results) -> Examples:
    """SHOWN samples of each split, spread over classes, tasks and entities; in the order of the sequence.

    The hashes of their ids decide, so nobody chose the flattering ones and every report of a run shows the same.
    """
    files = AnswerFiles(folder, results.judges[0])
    image_root = _image_root(folder)
    candidates = []
    for task in results.tasks:
        candidates += [(task, answer) for answer in _candidates(files, results, task)]
    chosen = _choose(candidates)
    shown = []
    for task in results.tasks:
        for of_task, answer in chosen:
            if of_task == task:
                shown.append(_example(files, results, image_root, task, answer))
    notes = []
    missing = sum(bool(example.no_picture) for example in shown)
    if missing:
        notes.append(
            f"{missing} of {len(shown)} pictures could not be shown; the reason stands in their place."
        )
    if files.broken_lines:
        notes.append(
            f"{files.broken_lines} lines of the answer files could not be read and were left out."
        )
    if files.broken_verdicts:
        notes.append(
            f"{files.broken_verdicts} files of verdicts could not be read; answers stand without them."
        )
    return Examples(shown, notes)


def _image_root(folder: RunDir) -> Path | None:
    """The folder of pictures; None where the run does not say."""
    try:
        root = read_json(folder.facts_file, RunFacts).image_root
    except MlubenchError:
        return None
    if not root:
        return None
    # A relative path is meant from the run; joining leaves an absolute one as it is.
    return folder.root / root


def _candidates(files: AnswerFiles, results: Results, task: str) -> Iterable[AnswerRow]:
    """The task's samples, from the first answer file that has any: all files of a task hold the same ones."""
    cells = [(BASE, task, NOTHING_UNLEARNED)]
    cells += [(method, task, task) for method in results.methods]
    for cell in cells:
        found = files.of(*cell)
        if found:
            return found.values()
    return []


def _choose(candidates: Iterable[tuple[str, AnswerRow]]) -> list[tuple[str, AnswerRow]]:
    """Of (task, sample) those to show, forget samples first."""
    ordered = sorted(candidates, key=lambda c: digest(ascii([SEED, c[0], c[1].id])))
    # How often each class, task and entity was chosen already.
    used: Counter[str] = Counter()
    chosen: list[tuple[str, AnswerRow]] = []
    for split, wanted in SHOWN.items():
        pool = [candidate for candidate in ordered if candidate[1].split == split]
        for _ in range(min(wanted, len(pool))):
            # The rarest so far; of equals the first by its hash.
            best = min(pool, key=lambda candidate: _times_used(used, *candidate))
            pool.remove(best)
            used.update(_strata(*best))
            chosen.append(best)
    return chosen


def _strata(task: str, sample: AnswerRow) -> tuple[str, str, str]:
    """What a sample counts for: its entity, and its class and task within its split."""
    return (
        f"entity {sample.entity}",
        f"class {sample.split} {sample.cls}",
        f"task {sample.split} {task}",
    )


def _times_used(used: Counter[str], task: str, sample: AnswerRow) -> tuple[int, int, int]:
    entity, cls, of_task = _strata(task, sample)
    return used[cls], used[of_task], used[entity]


def _example(
    files: AnswerFiles, results: Results, image_root: Path | None, task: str, sample: AnswerRow
) -> Example:
    entity = Entity.from_key(sample.entity)
    picture, no_picture = picture_or_why(image_root, sample.image)
    base = files.of(BASE, task, NOTHING_UNLEARNED)
    verdict = files.verdict(sample, BASE, task, NOTHING_UNLEARNED)
    answers = [_shown_answer(BASE, "", base.get(sample.id), verdict)]
    for method in results.methods:
        for after in _archives(results, method, task):
            answer = files.of(method, task, after).get(sample.id)
            verdict = files.verdict(sample, method, task, after)
            answers.append(_shown_answer(method, f"U{after}", answer, verdict))
    return Example(
        task=task,
        split=sample.split,
        title=entity.title or entity.cls,
        cls=entity.cls,
        question=sample.question,
        truth=sample.truth,
        picture=picture,
        no_picture=no_picture,
        answers=answers,
    )


def _archives(results: Results, method: str, task: str) -> list[str]:
    """The archives to show a task's sample at: the first that was tested on it, and the last one of the method."""
    last = results.last_archive(method)
    if last != task and (task, last) in results.steps():
        return [task, last]
    return [task]


def _shown_answer(method: str, archive: str, answer: AnswerRow | None, verdict: str) -> ShownAnswer:
    if answer is None:
        return ShownAnswer(label(method), archive, None, "")
    text = answer.response
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
    way = _describe_route(answer.route)
    if answer.second_look is not None:
        instead = _who(answer.second_look.experts)
        way += f"; second look: {instead} answered instead: {answer.second_look.why}"
    return ShownAnswer(label(method), archive, text, way, verdict)


def _describe_route(route: Route | None) -> str:
    """A routed answer's way in a few words; empty for models that have no gate."""
    if route is None:
        return ""
    who = _who(route.experts)
    if route.refused:
        who = _REFUSAL
    elif not route.experts:
        who = "the untouched base"
    because = f": {route.why}" if route.why else ""
    return f"answered by {who}{because}"


def _who(experts: tuple[str, ...]) -> str:
    return f"expert {' + '.join(experts)}" if experts else _REFUSAL
