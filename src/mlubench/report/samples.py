"""Picks a few test samples of each task with every method's answers, so that people can judge for themselves."""

import base64
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest
from mlubench.core.reading import read_json
from mlubench.core.spelling import path_below
from mlubench.report.labels import label
from mlubench.runs.folder import BASE, NOTHING_UNLEARNED, RunDir
from mlubench.runs.results import Results, RunFacts
from mlubench.runs.rows import parse_answer
from mlubench.types import AnswerRow, Entity, Route, Split

# How many samples of a task are shown.
SHOWN: dict[Split, int] = {"forget": 2, "retain": 1}
_LONGEST = 600  # characters of an answer
_SIDE = 200  # pixels of a thumbnail


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What one method says at one archive."""

    label: str
    archive: str  # `UB`; empty for the base
    text: str | None  # None where the run holds no such answer
    route: str


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


AnswersById = dict[str, AnswerRow]


class _AnswerFiles:
    """The answer files of one run, each read once. A broken line is counted: it should not cost the whole report."""

    def __init__(self, folder: RunDir) -> None:
        self._folder = folder
        self._cells: dict[tuple[str, str, str], AnswersById] = {}
        self.broken_lines = 0

    def of(self, method: str, task: str, after: str) -> AnswersById:
        """Sample id -> its answer; nothing where the run has no such file."""
        cell = (method, task, after)
        if cell not in self._cells:
            self._cells[cell] = self._read(self._folder.answers(*cell))
        return self._cells[cell]

    def _read(self, path: Path) -> AnswersById:
        if not path.is_file():
            return {}
        found: AnswersById = {}
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    answer = parse_answer(_without_half_characters(line))
                except (ValueError, RecursionError):
                    self.broken_lines += 1
                else:
                    found[answer.id] = answer
        return found


def _without_half_characters(line: str) -> object:
    """The line's JSON. Its escapes may spell halves of characters, which no page can hold: each becomes `?`."""
    text = json.dumps(json.loads(line), ensure_ascii=False)
    return json.loads(text.encode(errors="replace"))


def pick_examples(folder: RunDir, results: Results) -> Examples:
    """Two forget samples and one retain sample per task, of different entities where there are enough.

    The order of the hashes of their ids decides, so nobody chose the flattering ones and every report of a run
    shows the same.
    """
    files = _AnswerFiles(folder)
    image_root = _image_root(folder)
    shown = []
    for task in results.tasks:
        for answer in _choose(task, _candidates(files, results, task)):
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


def _candidates(files: _AnswerFiles, results: Results, task: str) -> Iterable[AnswerRow]:
    """The task's samples, from the first answer file that has any: all files of a task hold the same ones."""
    cells = [(BASE, task, NOTHING_UNLEARNED)]
    cells += [(method, task, task) for method in results.methods]
    for cell in cells:
        found = files.of(*cell)
        if found:
            return found.values()
    return []


def _choose(task: str, candidates: Iterable[AnswerRow]) -> list[AnswerRow]:
    ordered = sorted(candidates, key=lambda answer: digest(ascii([task, answer.id])))
    chosen: list[AnswerRow] = []
    used: set[str] = set()
    for split, wanted in SHOWN.items():
        pool = [answer for answer in ordered if answer.split == split]
        for _ in range(min(wanted, len(pool))):
            # An entity that was shown already only where no other is left.
            answer = next((a for a in pool if a.entity not in used), pool[0])
            pool.remove(answer)
            used.add(answer.entity)
            chosen.append(answer)
    return chosen


def _example(
    files: _AnswerFiles, results: Results, image_root: Path | None, task: str, sample: AnswerRow
) -> Example:
    entity = Entity.from_key(sample.entity)
    picture, no_picture = _picture(image_root, sample.image)
    base = files.of(BASE, task, NOTHING_UNLEARNED)
    answers = [_shown_answer(BASE, "", base.get(sample.id))]
    for method in results.methods:
        for after in _archives(results, method, task):
            answer = files.of(method, task, after).get(sample.id)
            answers.append(_shown_answer(method, f"U{after}", answer))
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


def _shown_answer(method: str, archive: str, answer: AnswerRow | None) -> ShownAnswer:
    if answer is None:
        return ShownAnswer(label(method), archive, None, "")
    text = answer.response
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
    return ShownAnswer(label(method), archive, text, _describe_route(answer.route))


def _describe_route(route: Route | None) -> str:
    """A routed answer's way in a few words; empty for models that have no gate."""
    if route is None:
        return ""
    if route.refused:
        who = "a fixed refusal"
    elif route.experts:
        who = f"expert {' + '.join(route.experts)}"
    else:
        who = "the untouched base"
    because = f": {route.why}" if route.why else ""
    return f"answered by {who}{because}"


def _picture(image_root: Path | None, image: str) -> tuple[str, str]:
    """A thumbnail as a data URI, or why there is none. Only files below the run's picture folder are opened."""
    if image_root is None:
        return "", "the run does not say where its pictures are"
    inside = PurePosixPath(image)
    if not image or inside.is_absolute() or ".." in inside.parts:
        return "", f"not a path inside the picture folder: {image or 'none'}"
    path = path_below(image_root, str(inside))
    # Only where there are pictures to draw: Pillow takes a while to load.
    from mlubench.data.pictures import UnusablePictureError

    try:
        return _thumbnail(path), ""
    except UnusablePictureError as error:
        return "", f"picture {image} {error.problem.what}"


def _thumbnail(path: Path) -> str:
    from mlubench.data.pictures import opened
    from mlubench.data.pixels import plain_rgb

    with opened(path) as picture:
        # Decode a large JPEG at a fraction of its size.
        picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        image = plain_rgb(picture)
    image.thumbnail((_SIDE, _SIDE))
    # A photograph is smaller as JPEG, a drawing as PNG.
    encoded = []
    for kind, options in (("jpeg", {"quality": 82}), ("png", {"optimize": True})):
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        encoded.append((len(buffer.getvalue()), kind, buffer.getvalue()))
    _, kind, data = min(encoded)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
