"""Picks a few test samples of each task with every method's answers, so that people can judge for themselves."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, read_json
from mlubench.report.board import step_name
from mlubench.report.reading import BASE, Results, label
from mlubench.types import Entity

FORGET, RETAIN = 2, 1
_LONGEST = 600
_SIDE = 200
# Formats that photographs come in; a file that claims to be anything else is not opened.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one method said at one archive; `text` is None when the run holds no such answer."""

    label: str
    archive: str
    text: str | None
    route: str


@dataclass(frozen=True, slots=True)
class Example:
    """One test sample with its picture as a data URI (or why there is none) and all answers, base first."""

    task: str
    split: str
    title: str
    cls: str
    question: str
    truth: str
    picture: str
    no_picture: str
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Examples:
    """The samples to show, in the order of the sequence, and what could not be read on the way."""

    shown: list[Example]
    notes: list[str]


Records = dict[str, dict[str, Any]]


class _Files:
    """The answer files of one run, each read once."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._read: dict[tuple[str, str], Records] = {}
        self.broken = 0

    def records(self, method: str, step: str) -> Records:
        """Sample id -> its line. Lines that are no JSON objects with an id are counted, not guessed at."""
        if (method, step) not in self._read:
            self._read[method, step] = self._load(
                self._run_dir / "answers" / method / f"{step}.jsonl"
            )
        return self._read[method, step]

    def _load(self, path: Path) -> Records:
        if not path.is_file():
            return {}
        found: Records = {}
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    found[str(record["id"])] = record
                except (ValueError, KeyError, TypeError, RecursionError):
                    self.broken += bool(line.strip())
        return found


def pick_examples(run_dir: Path, results: Results) -> Examples:
    """Two forget samples and one retain sample per task, of different entities where there are enough.

    The order of the hashes of their ids decides, so nobody chose the flattering ones and every report of a run
    shows the same.
    """
    files, root = _Files(run_dir), _image_root(run_dir)
    shown = []
    for task in results.tasks:
        for record in _choose(task, _candidates(files, results, task)):
            shown.append(_example(files, results, root, task, record))
    notes = []
    if any(example.no_picture for example in shown):
        missing = sum(bool(example.no_picture) for example in shown)
        notes.append(
            f"{missing} of {len(shown)} pictures could not be shown; the reason stands in their place."
        )
    if files.broken:
        notes.append(
            f"{files.broken} lines of the answer files could not be read and were left out."
        )
    return Examples(shown, notes)


def _image_root(run_dir: Path) -> Path | None:
    try:
        root = read_json(run_dir / "run.json").get("image_root")
    except (MlubenchError, AttributeError):
        return None
    # A relative root is meant from the run; joining leaves an absolute one as it is.
    return run_dir / root if isinstance(root, str) and root else None


def _candidates(files: _Files, results: Results, task: str) -> Records:
    """The task's samples, from the first answer file that has any: all files of a task hold the same ones."""
    steps = [(BASE, step_name(task, "0")), *((m, step_name(task, task)) for m in results.methods)]
    return next((found for step in steps if (found := files.records(*step))), {})


def _choose(task: str, candidates: Records) -> list[dict[str, Any]]:
    ordered = sorted(candidates.values(), key=lambda record: digest(ascii([task, record["id"]])))
    chosen: list[dict[str, Any]] = []
    used: set[str] = set()
    for split, wanted in (("forget", FORGET), ("retain", RETAIN)):
        pool = [record for record in ordered if record.get("split") == split]
        for _ in range(min(wanted, len(pool))):
            record = next((r for r in pool if str(r.get("entity")) not in used), pool[0])
            pool.remove(record)
            used.add(str(record.get("entity")))
            chosen.append(record)
    return chosen


def _example(
    files: _Files, results: Results, root: Path | None, task: str, record: dict[str, Any]
) -> Example:
    id_ = str(record["id"])
    entity = Entity.from_key(str(record.get("entity", "")))
    picture, no_picture = _picture(root, str(record.get("image", "")))
    answers = [_answer(files, BASE, "", step=step_name(task, "0"), id_=id_)]
    for method in results.methods:
        for after in _archives(results, method, task):
            answers.append(
                _answer(files, method, f"U{after}", step=step_name(task, after), id_=id_)
            )
    return Example(
        task=task,
        split=str(record.get("split", "")),
        title=entity.title or entity.cls,
        cls=entity.cls,
        question=str(record.get("question", "")),
        truth=str(record.get("truth", "")),
        picture=picture,
        no_picture=no_picture,
        answers=answers,
    )


def _archives(results: Results, method: str, task: str) -> list[str]:
    """The archives to show a task's sample at: the first that was tested on it, and the last one of the method."""
    last = results.last_archive(method)
    later = [
        after for step, after in results.steps() if step == task and after == last and after != task
    ]
    return [task, *later]


def _answer(files: _Files, method: str, archive: str, *, step: str, id_: str) -> Answer:
    found = files.records(method, step).get(id_)
    if found is None:
        return Answer(label(method), archive, None, "")
    text = str(found.get("response", ""))
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
    return Answer(label(method), archive, text, _route(found.get("route")))


def _route(route: Any) -> str:
    """A routed answer's way in a few words; empty for models that have no gate."""
    if not isinstance(route, dict):
        return ""
    experts = route.get("experts") or []
    way = (
        f"expert {' + '.join(map(str, experts))}"
        if isinstance(experts, list) and experts
        else "the untouched base"
    )
    if route.get("refused"):
        way = "a fixed refusal"
    why = str(route.get("why") or "")
    return f"answered by {way}" + (f": {why}" if why else "")


def _picture(root: Path | None, image: str) -> tuple[str, str]:
    """A thumbnail as a data URI, or why there is none. Only files below the run's picture folder are opened."""
    inside = PurePosixPath(image)
    if root is None:
        return "", "the run does not say where its pictures are"
    if not image or inside.is_absolute() or ".." in inside.parts:
        return "", f"not a path inside the picture folder: {image or 'none'}"
    path = root / inside
    try:
        return (_thumbnail(path), "") if path.is_file() else ("", f"picture not found: {image}")
    except Exception as error:  # noqa: BLE001 - a broken picture fails in as many ways as there are formats
        return "", f"picture cannot be read ({type(error).__name__}): {image}"


def _thumbnail(path: Path) -> str:
    from PIL import Image, ImageOps

    with Image.open(path, formats=_FORMATS) as opened:
        opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    spelled = []
    for kind, options in (("jpeg", {"quality": 82}), ("png", {"optimize": True})):
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        spelled.append((len(buffer.getvalue()), kind, buffer.getvalue()))
    _, kind, data = min(spelled)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
