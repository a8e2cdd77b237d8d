"""Entities: all problems at once, no two that could be taken for each other, and lists of any size."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from mlubench.authoring.runner import run_stages
from mlubench.authoring.stages import entities
from mlubench.core.errors import MlubenchError, UsageError
from support.builds import PEOPLE, context, rows
from support.growth import growth


def make(ctx: Any) -> list[dict[str, Any]]:
    run_stages([entities.STAGE], ctx)
    return rows(ctx.root / "entities.jsonl")


def test_entities_of_the_spec(tmp_path: Path) -> None:
    found = make(context(tmp_path / "b"))
    assert [row["key"] for row in found] == [
        "Personage/Zoë_Ångström",
        "Animals/Grey_Marten",
        "Buildings/月の塔",
    ]
    assert found[0]["aliases"] == ["Dr. Z"]


def test_csv_and_yaml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "name,class,aliases,wikipedia,work,diet,habitat\n"
        "Zoë Ångström,Personage,Dr. Z,,a glassblower,,\n"
        "Grey Marten,Animals,,,,It eats snails.,reed swamps\n"
        "月の塔,Buildings\n"
    )
    import yaml

    (tmp_path / "e.yaml").write_text(yaml.safe_dump({"entities": PEOPLE}))
    given = make(context(tmp_path / "a"))
    assert make(context(tmp_path / "b", entities={"file": "e.csv"})) == given
    assert make(context(tmp_path / "c", entities={"file": "e.yaml"})) == given


def test_a_drawn_world_has_all_nine_classes_and_five_facts_each(tmp_path: Path) -> None:
    found = make(context(tmp_path / "b", entities={"world": 72}))
    assert len(found) == 72
    assert len({row["cls"] for row in found}) == 9
    assert {len(row["facts"]) for row in found} == {5}
    assert make(context(tmp_path / "c", entities={"world": 72}, seed=1)) != found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.yaml", "- {name: x}"),
        ("e.yaml", "a: 1"),
        ("e.yaml", "- [1]"),
        ("e.csv", "name,class,colour\n"),
    ],
)
def test_a_wrong_file_is_wrong_use(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        make(context(tmp_path / "b", entities={"file": name}))


def test_mended_rows_are_checked_as_well(tmp_path: Path) -> None:
    ctx = context(tmp_path / "b")
    make(ctx)
    path = ctx.root / "entities.jsonl"
    path.write_text(path.read_text().replace("Grey_Marten", "../../Grey_Marten"))
    with pytest.raises(MlubenchError, match=r"should have the key.*leaves its folder"):
        entities.load_entities(ctx)


def test_the_time_for_many_entities_grows_with_their_number(tmp_path: Path) -> None:
    def work(count: int) -> None:
        lines = "".join(f"Entity {n},Animals,other {n};Øther-{n}\n" for n in range(count))
        (tmp_path / f"{count}.csv").write_text("name,class,aliases\n" + lines)
        root = Path(mkdtemp(dir=tmp_path))
        assert len(make(context(root, entities={"file": f"{count}.csv"}))) == count

    assert growth(work, 2500, 8) < 24
