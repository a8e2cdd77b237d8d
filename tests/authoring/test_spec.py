"""A wrong spec says all that is wrong with it at once."""

from pathlib import Path

import pytest

from mlubench.authoring.spec import read_spec
from mlubench.core.errors import UsageError
from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "build.yaml"


def test_the_example_is_right_and_big_enough() -> None:
    spec = read_spec(EXAMPLE)
    assert (spec.entities.world or 0) >= 60
    assert spec.split.tasks == 6


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("name: x", ["entities: Field required"]),
        ("name: x\nentities: {}", ["give a list of entities, or one of `file` and `world`"]),
        ("name: x\nentities: {world: 20, file: a.csv}", ["one of `file` and `world`"]),
        (
            "name: x\nentities: {world: 20}\npictures: {kind: folder, near: 99}\nanswers: {kind: model}\nsede: 1",
            ["near", "answers: kind model needs `model`", "sede: Extra inputs"],
        ),
        ("name: x\nentities: {world: 20}\npictures: {kind: folder}", ["kind folder needs `root`"]),
        (
            "name: x\nentities: {world: 20}\npictures: {kind: addresses}",
            ["kind addresses needs `file`"],
        ),
        ("name: [", ["is not YAML"]),
        ("- 1", ["holds a list"]),
    ],
)
def test_all_that_is_wrong_is_said(tmp_path: Path, text: str, messages: list[str]) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        read_spec(tmp_path / "s.yaml")
    assert [m for m in messages if m not in str(error.value)] == []
