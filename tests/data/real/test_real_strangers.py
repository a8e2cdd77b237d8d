"""Things of the background: those that a base learns to decline, and those that it never sees."""

from pathlib import Path

from mlubench.data.pictures import open_picture
from mlubench.data.real.entities import read_background, read_entities
from mlubench.data.real.strangers import (
    SIZE,
    stranger_picture,
    taught_strangers,
    unseen_strangers,
    write_strangers,
)


def test_strangers_to_be_declined_are_told_from_those_never_seen() -> None:
    assert not set(taught_strangers()) & set(unseen_strangers())
    assert len(taught_strangers()) + len(unseen_strangers()) == len(read_background())


def test_no_stranger_is_in_a_task() -> None:
    assert not set(read_background()) & {entity.entity for entity in read_entities()}


def test_each_has_its_whole_picture(tmp_path: Path) -> None:
    write_strangers(tmp_path)
    files = {stranger_picture(tmp_path, entity) for entity in unseen_strangers()}
    assert files == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {open_picture(path).size for path in files} == {(SIZE, SIZE)}
