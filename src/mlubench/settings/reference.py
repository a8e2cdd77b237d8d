"""Every setting of a run with its default and what it means, read from the settings' own classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mlubench.settings.run import Config


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, as it is given on the command line: `-s NAME=VALUE`."""

    # Its path, as `train.lora.r`.
    name: str
    # As JSON holds it.
    default: Any
    # What it means, and the choices that it has.
    meaning: str


def setting_rows() -> list[SettingRow]:
    """All settings, in the order of the classes."""
    return list(_rows(Config(), ""))


def _rows(group: BaseModel, above: str) -> Iterator[SettingRow]:
    fields = type(group).model_fields
    defaults = group.model_dump(mode="json")
    for name, field in fields.items():
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{above}{name}.")
            continue
        meaning = field.description or ""
        choices = _choices(group, name)
        if choices:
            meaning = f"{meaning} One of: {', '.join(choices)}."
        yield SettingRow(f"{above}{name}", defaults[name], meaning)


def _choices(group: BaseModel, name: str) -> list[str]:
    """The values that a setting may take, where these are few and named."""
    schema = type(group).model_json_schema()["properties"][name]
    return [str(choice) for choice in schema.get("enum", [])]
