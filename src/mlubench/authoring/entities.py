"""Stage 1: who or what the benchmark is about, checked so that no two of them can be taken for each other."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlubench.authoring.folding import folded, refuse
from mlubench.authoring.question_sets import question_sets
from mlubench.authoring.rows import EntityRow, read_rows, write_rows
from mlubench.authoring.spec import EntityEntry
from mlubench.authoring.stages import Context, Stage
from mlubench.authoring.tables import read_csv, read_tree
from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import file_sha256
from mlubench.data.records import IMAGE_FOLDER, path_problem, short
from mlubench.data.world import WORLD_VERSION, invented

OUTPUT = "entities.jsonl"
_COLUMNS = ("name", "class")
_MORE_COLUMNS = ("aliases", "wikipedia")
_MOST_BYTES = 200  # of a name, so that any file system takes it
_Entries = TypeAdapter(list[EntityEntry])

Questions = Mapping[str, Collection[str]]  # class -> ids of its questions


def path_name(name: str) -> str:
    """The name as a folder is called: composed letters, spaces as underscores, as in the official layout."""
    return re.sub(r"\s+", "_", unicodedata.normalize("NFC", name).strip())


def load_entities(ctx: Context) -> list[EntityRow]:
    """The rows of entities.jsonl as they are now, mended or not. Raises DataError that lists all that is wrong."""
    rows = read_rows(ctx.root / OUTPUT, EntityRow)
    check_entities(rows, question_ids(ctx))
    return rows


def question_ids(ctx: Context) -> Questions:
    return {cls: set(one.questions) for cls, one in question_sets(ctx).items()}


def check_entities(rows: list[EntityRow], questions: Questions) -> None:
    """Raises DataError that lists every bad name, class and fact, and every name that two entities answer to."""
    problems = [
        f"{short(row.key)} {problem}" for row in rows for problem in _problems(row, questions)
    ]
    refuse(
        "wrong entities",
        [*problems, *_clashes(rows)],
        "Mend the entity list; see docs/building.md.",
    )


def _problems(row: EntityRow, questions: Questions) -> Iterator[str]:
    cls, _, name = row.key.partition("/")
    if not row.name:
        yield "has no name"
    elif cls != row.cls or name != path_name(row.name):
        yield f"should have the key {short(f'{row.cls}/{path_name(row.name)}')}"
    if "/" in row.name or "/" in row.cls:
        yield "holds a / in its name or class"
    elif wrong := path_problem(f"{IMAGE_FOLDER}/{row.key}/1.jpg"):
        yield f"cannot be part of a picture's path: it {wrong}"
    if len(name.encode()) > _MOST_BYTES:
        yield f"has a name of more than {_MOST_BYTES} bytes"
    if row.cls not in questions:
        near = get_close_matches(row.cls, questions, n=1)
        known = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(questions))}"
        yield f"is of the unknown class {short(row.cls)} ({known})"
    else:
        yield from (
            f"has a fact for {short(id_)}, no question of its class"
            for id_ in _unasked(row, questions)
        )
    yield from (
        f"has an empty fact for {id_}" for id_, fact in row.facts.items() if not fact.strip()
    )
    yield from (
        f"has an empty alias or one with control characters: {short(a)}"
        for a in row.aliases
        if _bad(a)
    )
    if row.wikipedia is not None and _bad(row.wikipedia):
        yield f"has the impossible Wikipedia title {short(row.wikipedia)}"


def _unasked(row: EntityRow, questions: Questions) -> list[str]:
    return sorted(set(row.facts) - set(questions[row.cls]))


def _bad(text: str) -> bool:
    return not text.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def _clashes(rows: Iterable[EntityRow]) -> Iterator[str]:
    """Names and aliases that are alike after folding and belong to two entities, of whatever class."""
    owners: dict[str, EntityRow] = {}
    for row in rows:
        for text in (row.name, *row.aliases):
            first = owners.setdefault(folded(text), row)
            if first is not row:
                what = (
                    "is there twice"
                    if text == row.name and folded(first.name) == folded(text)
                    else "clash"
                )
                yield f"{short(text)} {what}: {short(first.key)} and {short(row.key)}"


def _entries(ctx: Context) -> list[EntityEntry]:
    source = ctx.spec.entities
    if source.given is not None:
        return source.given
    if source.world is not None:
        people = invented(ctx.spec.seed, source.world)
        return [
            EntityEntry.model_validate({"name": w.title, "class": w.cls, "facts": facts})
            for w, facts in people
        ]
    assert source.file is not None  # the spec's own check
    path = ctx.outside(source.file)
    return _validated(
        path, _from_csv(path, ctx) if path.suffix.lower() == ".csv" else _from_yaml(path)
    )


def _from_yaml(path: Path) -> Any:
    tree = read_tree(path)
    return tree.get("entities") if isinstance(tree, dict) and set(tree) == {"entities"} else tree


def _from_csv(path: Path, ctx: Context) -> list[dict[str, Any]]:
    """Columns name, class, aliases (between semicolons), wikipedia, and one for each question id that has facts.

    The fact `name` has no column: the column of that name is the entity's own.
    """
    own = {*_COLUMNS, *_MORE_COLUMNS}
    ids = set().union(*question_ids(ctx).values()) - own
    rows = read_csv(path, _COLUMNS, lambda column: column in own | ids)
    return [
        {
            "name": cells.get("name", ""),
            "class": cells.get("class", ""),
            "aliases": [a.strip() for a in cells.get("aliases", "").split(";") if a.strip()],
            "wikipedia": cells.get("wikipedia") or None,
            "facts": {id_: fact for id_, fact in cells.items() if id_ in ids and fact},
        }
        for _, cells in rows
    ]


def _validated(path: Path, raw: Any) -> list[EntityEntry]:
    try:
        return _Entries.validate_python(raw)
    except ValidationError as error:
        wrong = all_errors(error)
        raise UsageError(
            f"{path}: {wrong[:2000]}", "Each entity has a name, a class, and facts by question id."
        ) from None


def _make(ctx: Context) -> None:
    entries = _entries(ctx)
    if not entries:
        raise UsageError("the entity list is empty", "Name at least one entity.")
    rows = [
        EntityRow(key=f"{e.cls}/{path_name(e.name)}", cls=e.cls, **e.model_dump(exclude={"cls"}))
        for e in entries
    ]
    check_entities(rows, question_ids(ctx))
    write_rows(ctx.root / OUTPUT, rows)


def _settings(ctx: Context) -> Any:
    source = ctx.spec.entities
    file = (
        file_sha256(path) if source.file and (path := ctx.outside(source.file)).is_file() else None
    )
    world = [WORLD_VERSION, ctx.spec.seed] if source.world else None
    classes = {cls: sorted(ids) for cls, ids in question_ids(ctx).items()}
    return {
        "spec": source.model_dump(mode="json"),
        "file": file,
        "world": world,
        "classes": classes,
    }


def _plan(ctx: Context) -> str:
    source = ctx.spec.entities
    if source.given is not None:
        return f"check {len(source.given)} entities of the spec"
    return (
        f"read {source.file}"
        if source.file
        else f"draw {source.world} entities of an invented world"
    )


STAGE = Stage("entities", (OUTPUT,), (), _settings, _make, _plan)
