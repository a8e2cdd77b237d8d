"""Finds everything that is wrong with benchmark data, where `read` stops at the first."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mlubench.core.errors import MlubenchError
from mlubench.core.spelling import path_below
from mlubench.data.check_pictures import broken_pictures
from mlubench.data.overlaps import Standing, find_overlaps
from mlubench.data.pictures import MISSING
from mlubench.data.records import Problem, Record, parse, problems, short
from mlubench.data.release import fold, load_list, split_files, task_folders, task_name
from mlubench.data.same_pictures import forgotten_and_kept, look_at_all, same_pictures
from mlubench.types import Entity, Split

Severity = Literal["error", "warning"]

# Every kind of finding and what it means. `shape`, `marker`, `path` and `text` come from the rule for one record.
KINDS = {
    "folder": "the folder of a task is missing or badly named",
    "file": "an annotation file is missing or cannot be read",
    "shape": "a record is not laid out as it must be",
    "marker": "a record has no <image> marker, or too many",
    "path": "a picture path leaves its folder, or names no class and entity; or an entity is named wrongly",
    "text": "a question or answer is empty or no Unicode text",
    "duplicate": "the same question about the same picture again",
    "contradiction": "one question about one entity has two answers",
    "overlap": "an entity, however spelt, must be both forgotten and kept, or is there twice",
    "same-picture": "one picture, maybe compressed anew, is of two entities or twice of one",
    "no-pictures": "the whole picture folder is absent",
    "missing": "a picture is missing",
    "unreadable": "a picture is there and cannot be used",
}
_SHOWN = 5  # folders named in one message


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    # One of `KINDS`.
    kind: str
    # An error keeps the data from being used or makes its scores wrong; a warning is only worth a look.
    severity: Severity
    file: str
    # Counts from 0 within `file`. None: the finding is about the file as a whole.
    record: int | None
    message: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a good record stands."""

    task: str
    split: Split
    file: str
    index: int
    record: Record = field(repr=False)

    @property
    def entity(self) -> Entity:
        return self.record.entity

    def __str__(self) -> str:
        return f"{self.file} record {self.index}"

    def finding(self, kind: str, severity: Severity, message: str) -> Finding:
        return Finding(kind, severity, self.file, self.index, message)


def check(root: Path, images: Path | None = None) -> list[Finding]:
    """Everything wrong with the release at `root` and its pictures under `images` (default: `root`).

    Never raises for what files and folders hold. Every picture is decoded once. No error among the findings (warnings
    aside) means that `release.read` takes the data.
    """
    findings: list[Finding] = []
    places: list[_Place] = []
    try:
        folders = task_folders(root)
    except (MlubenchError, OSError) as error:
        return [_clean(Finding("folder", "error", str(root), None, str(error)))]
    for folder in folders:
        _check_folder(folder, root, places, findings)
    findings += _duplicates(places) + _contradictions(places) + _overlaps(places)
    findings += _pictures(images or root, places)
    findings += _same_pictures(images or root, places)
    return [_clean(finding) for finding in findings]


def _clean(finding: Finding) -> Finding:
    """Without half surrogate pairs, which file names can hold and no terminal or JSON file takes."""
    return replace(
        finding,
        file=_without_surrogates(finding.file),
        message=_without_surrogates(finding.message),
    )


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _check_folder(folder: Path, root: Path, places: list[_Place], findings: list[Finding]) -> None:
    try:
        name = task_name(folder, root)
    except MlubenchError as error:
        findings.append(Finding("folder", "error", str(folder), None, error.what))
        return
    for split, path in split_files(folder).items():
        try:
            raws = load_list(path)
        except ValueError as error:
            findings.append(Finding("file", "error", str(path), None, str(error)))
            continue
        for index, raw in enumerate(raws):
            found: list[Problem] = problems(raw)
            for problem in found:
                findings.append(Finding(problem.kind, "error", str(path), index, problem.message))
            if not found:  # what is wrong in itself is compared with nothing
                places.append(_Place(name, split, str(path), index, parse(raw)))


def _duplicates(places: list[_Place]) -> list[Finding]:
    first: dict[tuple[str, str], _Place] = {}  # by picture, or entity, and question
    findings = []
    for place in places:
        before = first.setdefault((place.record.shown, place.record.question), place)
        if before is place:
            continue
        question = short(place.record.question)
        shown = short(place.record.shown)
        message = f"asks {question} about {shown} again, as {before} does"
        findings.append(place.finding("duplicate", "warning", message))
    return findings


def _contradictions(places: list[_Place]) -> list[Finding]:
    """Two answers to one question: an error about one picture; about two pictures of an entity it may be meant so."""
    about_picture: dict[tuple[str, str], _Place] = {}
    about_entity: dict[tuple[str, str], _Place] = {}
    findings = []
    for place in places:
        record = place.record
        entity = record.entity.key
        earlier: list[tuple[_Place, Severity]] = [
            (about_picture.setdefault((record.shown, record.question), place), "error"),
            (about_entity.setdefault((entity, record.question), place), "warning"),
        ]
        for before, severity in earlier:
            if fold(before.record.truth) != fold(record.truth):
                # One finding a record: the error where there is one.
                message = (
                    f"answers {short(record.question)} about {entity} with {short(record.truth)}, "
                    f"but {before} with {short(before.record.truth)}"
                )
                findings.append(place.finding("contradiction", severity, message))
                break
    return findings


def _overlaps(places: list[_Place]) -> list[Finding]:
    firsts: dict[Standing, _Place] = {}
    for place in places:
        firsts.setdefault(Standing(place.entity, place.task, place.split), place)
    findings = []
    for overlap in find_overlaps(firsts):
        # The finding is shown where the entity comes again, as the other findings are.
        last = firsts[overlap.standings[-1]]
        severity: Severity = "error" if overlap.is_error else "warning"
        findings.append(last.finding("overlap", severity, overlap.message))
    return findings


def _pictures(root: Path, places: list[_Place]) -> list[Finding]:
    """One finding for each picture that cannot be used, at the first record that names it."""
    first: dict[str, _Place] = {}
    for place in places:
        if place.record.image:
            first.setdefault(place.record.image, place)
    folders = sorted({image.split("/")[0] for image in first})
    if first and not any(_is_dir(path_below(root, folder)) for folder in folders):
        named = ", ".join(map(short, folders[:_SHOWN]))
        message = (
            f"none of {len(first)} pictures is there: no folder {named}; "
            "name another with --images, or draw stand-ins with `mlubench data render`"
        )
        return [Finding("no-pictures", "error", str(root), None, message)]
    findings = []
    for image, problem in broken_pictures(root, sorted(first)):
        kind = "missing" if problem == MISSING.what else "unreadable"
        findings.append(first[image].finding(kind, "error", f"{short(image)} {problem}"))
    return findings


def _same_pictures(root: Path, places: list[_Place]) -> list[Finding]:
    """A picture under a forgotten and a kept entity is an error; any other that is there twice, a warning."""
    places_of: dict[str, list[_Place]] = {}
    for place in places:
        if place.record.image:
            places_of.setdefault(place.record.image, []).append(place)
    findings = []
    twice: dict[Entity, list[str]] = {}  # pictures that only one entity has
    for images in same_pictures(look_at_all(root, sorted(places_of))):
        shown = [place for image in images for place in places_of[image]]
        entities = sorted({place.entity for place in shown})
        if len(entities) == 1:
            twice.setdefault(entities[0], []).extend(images)
            continue
        where = ", ".join(map(short, images[:_SHOWN]))
        named = " and ".join(entity.key for entity in entities[:_SHOWN])
        if forgotten_and_kept(shown):
            message = f"one picture is of {named}, to be forgotten and to be kept: {where}"
            findings.append(shown[-1].finding("same-picture", "error", message))
        else:
            message = f"one picture is of {named}: {where}"
            findings.append(shown[-1].finding("same-picture", "warning", message))
    for entity, images in twice.items():
        where = ", ".join(map(short, images[:_SHOWN]))
        message = (
            f"{entity.key} has {len(images)} pictures that are there twice, so that what was trained "
            f"may be tested: {where}"
        )
        findings.append(places_of[images[-1]][0].finding("same-picture", "warning", message))
    return findings


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that this file system cannot hold
        return False
