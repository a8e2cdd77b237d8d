"""Where the entity list comes from: the spec itself, a CSV or YAML file, or an invented world."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlubench.authoring.questions.sets import ClassSet
from mlubench.authoring.spec import EntityEntry
from mlubench.authoring.stage import Context
from mlubench.authoring.user_files import read_csv, read_yaml_value
from mlubench.core.errors import UsageError, all_errors
from mlubench.data.inhabitants import invented

_NEEDED_COLUMNS = ("name", "class")
_COLUMNS = {*_NEEDED_COLUMNS, "aliases", "wikipedia"}
_LONGEST_MESSAGE = 2000  # characters; a list of thousands can be wrong in every line
_EntityList = TypeAdapter(list[EntityEntry])


def entity_entries(ctx: Context, classes: Mapping[str, ClassSet]) -> list[EntityEntry]:
    """The entities as they were written down or drawn, not checked yet.

    Raises UsageError for a file that holds no list of entities.
    """
    source = ctx.spec.entities
    if source.given is not None:
        return source.given
    if source.world is not None:
        drawn = invented(ctx.spec.seed, source.world)
        return [
            EntityEntry.model_validate({"name": who.title, "class": who.cls, "facts": facts})
            for who, facts in drawn
        ]
    assert source.file is not None  # the spec's own check
    path = ctx.outside(source.file)
    if path.suffix.lower() == ".csv":
        return _validated(path, _from_csv(path, classes))
    return _validated(path, _from_yaml(path))


def _from_yaml(path: Path) -> object:
    """The list, whether it stands alone or under `entities`."""
    value = read_yaml_value(path)
    if isinstance(value, dict) and set(value) == {"entities"}:
        return value["entities"]
    return value


def _from_csv(path: Path, classes: Mapping[str, ClassSet]) -> list[dict[str, object]]:
    """Columns name, class, aliases (between semicolons), wikipedia, and one for each question id.

    The question `name` has no column for its fact: the column of that name is the entity's own.
    """
    question_ids: set[str] = set()
    for known in classes.values():
        question_ids.update(known.questions)
    fact_columns = question_ids - _COLUMNS
    rows = read_csv(path, _NEEDED_COLUMNS, lambda c: c in _COLUMNS or c in fact_columns)
    return [_entry(row.cells, fact_columns) for row in rows]


def _entry(cells: dict[str, str], fact_columns: set[str]) -> dict[str, object]:
    aliases = [alias.strip() for alias in cells.get("aliases", "").split(";")]
    facts = {column: text for column, text in cells.items() if column in fact_columns and text}
    return {
        "name": cells.get("name", ""),
        "class": cells.get("class", ""),
        "aliases": [alias for alias in aliases if alias],
        "wikipedia": cells.get("wikipedia") or None,
        "facts": facts,
    }


def _validated(path: Path, value: object) -> list[EntityEntry]:
    try:
        return _EntityList.validate_python(value)
    except ValidationError as error:
        raise UsageError(
            f"{path}: {all_errors(error)[:_LONGEST_MESSAGE]}",
            "Each entity has a name, a class, and facts by question id.",
        ) from None
