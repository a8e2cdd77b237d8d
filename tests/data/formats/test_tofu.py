"""TOFU: authors in blocks of twenty, in words alone."""

from pathlib import Path

import pytest

from mlubench.core.errors import DataError, UsageError
from support.downloads import imported, write_lines

NAMES = ["Ada Winter", "Bo Larsen", "Cem Yilmaz", "Dora Quint"]


def rows(name: str) -> list[dict[str, str]]:
    found = []
    for number in range(20):
        question = f"What did {name} write in year {number}?"
        found.append({"question": question, "answer": f"{name} wrote The Book {number}."})
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "TOFU"
    retained = [*rows(NAMES[2]), *rows(NAMES[3])]
    write_lines(folder / "forget10.json", [*rows(NAMES[0]), *rows(NAMES[1])])
    write_lines(folder / "retain90.json", retained)
    write_lines(folder / "world_facts.json", [{"question": "?", "answer": "!", "option1": "x"}])
    perturbed = [
        {**row, "paraphrased_question": f"Say: {row['question']}", "perturbed_answer": ["No."]}
        for row in retained
    ]
    write_lines(folder / "retain90_perturbed.json", perturbed)
    return folder


def test_blocks_of_twenty_are_authors_by_name(source: Path) -> None:
    done = imported("tofu", source)
    assert done.names("forget") == {"Ada_Winter", "Bo_Larsen"}
    assert done.names("retain") == {"Cem_Yilmaz", "Dora_Quint"}
    asked = done.asked("Ada_Winter")
    assert len(asked) == 20
    assert {sample.image for sample in asked} == {""}
    assert asked[3].question == "What did Ada Winter write in year 3?"
    assert asked[3].truth == "Ada Winter wrote The Book 3."


def test_a_paraphrased_question_is_another_wording_of_the_fact(source: Path) -> None:
    done = imported("tofu", source)
    asked = done.asked("Cem_Yilmaz")
    assert len(asked) == 40
    assert len({sample.fact for sample in asked}) == 20
    # One wording trains and the other is tested.
    assert {(sample.phrasing, sample.role) for sample in asked} == {(0, "fit"), (1, "test")}


def test_what_is_not_read_is_told(source: Path) -> None:
    done = imported("tofu", source)
    assert "world_facts: not read" in done.facts["lost"]
    assert any("forget10 is to be forgotten" in line for line in done.facts["assumed"])


def test_full_alone_is_split_by_the_seed(source: Path) -> None:
    folder = source.parent / "full"
    write_lines(folder / "full.json", [row for name in NAMES for row in rows(name)])
    done = imported("tofu", folder, tasks=2)
    assert len(done.names("forget")) == len(done.names("retain")) == 2
    assert [task.name for task in done.benchmark] == ["A", "B"]


def test_a_forget_set_needs_what_is_kept(source: Path) -> None:
    (source / "retain90.json").unlink()
    with pytest.raises(UsageError, match="forget10 is there without retain90"):
        imported("tofu", source)
    with pytest.raises(UsageError, match="unknown forget set 'forget07'"):
        imported("tofu", source, forget="forget07")


def test_a_wrong_row_is_named(source: Path) -> None:
    write_lines(source / "forget10.json", [*rows(NAMES[0])[:5], {"question": "Who?"}])
    with pytest.raises(DataError, match=r"forget10\.json row 5, field answer: is not there"):
        imported("tofu", source)
    assert not (source.parent / "TOFU-imported").exists()
