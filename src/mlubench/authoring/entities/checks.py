"""Checks entities: usable names, known classes and facts, and no two that can be confused."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from mlubench.authoring.problems import raise_problems
from mlubench.authoring.rows import EntityRow
from mlubench.authoring.spelling import normalised
from mlubench.data.records import IMAGE_FOLDER, path_problem, short

_MOST_BYTES = 200  # of a name, so that any file system takes it as a folder

QuestionIds = Mapping[str, Collection[str]]  # class -> ids of its questions


def path_name(name: str) -> str:
    """The name as a folder is called: composed letters, spaces as underscores, as officially."""
    return re.sub(r"\s+", "_", unicodedata.normalize("NFC", name).strip())


def check_entities(rows: list[EntityRow], question_ids: QuestionIds) -> None:
    """Raises DataError that lists every bad name, class and fact, and every name of two."""
    problems = []
    for row in rows:
        problems += [f"{short(row.key)} {problem}" for problem in _problems(row, question_ids)]
    problems += _shared_names(rows)
    raise_problems("wrong entities", problems, "Mend the entity list; see docs/building.md.")


def _problems(row: EntityRow, question_ids: QuestionIds) -> Iterator[str]:
    yield from _name_problems(row)
    yield from _class_problems(row, question_ids)
    for id_, fact in row.facts.items():
        if not fact.strip():
            yield f"has an empty fact for {id_}"
    for alias in row.aliases:
        if _is_unusable(alias):
            yield f"has an empty alias or one with control characters: {short(alias)}"
    if row.wikipedia is not None and _is_unusable(row.wikipedia):
        yield f"has the impossible Wikipedia title {short(row.wikipedia)}"


def _name_problems(row: EntityRow) -> Iterator[str]:
    key_class, _, key_name = row.key.partition("/")
    if not row.name:
        yield "has no name"
    elif key_class != row.cls or key_name != path_name(row.name):
        yield f"should have the key {short(f'{row.cls}/{path_name(row.name)}')}"
    if "/" in row.name or "/" in row.cls:
        yield "holds a / in its name or class"
    else:
        problem = path_problem(f"{IMAGE_FOLDER}/{row.key}/1.jpg")
        if problem:
            yield f"cannot be part of a picture's path: it {problem}"
    if len(key_name.encode()) > _MOST_BYTES:
        yield f"has a name of more than {_MOST_BYTES} bytes"


def _class_problems(row: EntityRow, question_ids: QuestionIds) -> Iterator[str]:
    if row.cls not in question_ids:
        near = get_close_matches(row.cls, question_ids, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(question_ids))}"
        yield f"is of the unknown class {short(row.cls)} ({hint})"
        return
    unasked = set(row.facts) - set(question_ids[row.cls])
    for id_ in sorted(unasked):
        yield f"has a fact for {short(id_)}, no question of its class"


def _is_unusable(text: str) -> bool:
    """Empty, or with control characters (Cc) or lone surrogates (Cs)."""
    return not text.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def _shared_names(rows: Iterable[EntityRow]) -> Iterator[str]:
    """Names and aliases that read alike and belong to two entities, of whatever class."""
    owners: dict[str, EntityRow] = {}
    for row in rows:
        for text in (row.name, *row.aliases):
            owner = owners.setdefault(normalised(text), row)
            if owner is row:
                continue
            both_are_names = text == row.name and normalised(owner.name) == normalised(text)
            problem = "is there twice" if both_are_names else "clash"
            yield f"{short(text)} {problem}: {short(owner.key)} and {short(row.key)}"
