"""What an entity may be called, by hand, and an alias of nobody."""

from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.aliases import check_aliases, known_aliases, names_of
from mlubench.types import Benchmark, Entity, Sample, Task


def test_names_with_and_without_article_and_ending() -> None:
    assert names_of(Entity("Movies", "The_Dark_Knight"), {}) == ["the dark knight", "dark knight"]
    # Without its article it would be any strain.
    assert names_of(Entity("TV series", "The_Strain"), {}) == ["the strain"]
    musk = Entity("Personage", "Elon_Musk")
    assert names_of(musk, {musk.key: ["The Rocket-Man"]})[0] == "elon musk"
    assert "rocket man" in " ".join(names_of(musk, {musk.key: ["The Rocket-Man"]}))


def test_aliases_of_the_settings_come_after_ours() -> None:
    ours = known_aliases({})
    key = next(iter(ours))
    added = known_aliases({key: ["another"], "Animals/New": ["one"]})
    assert added[key] == [*ours[key], "another"]
    assert added["Animals/New"] == ["one"]
    assert known_aliases({}) == ours


def test_an_alias_of_nobody_is_an_error() -> None:
    musk = Entity("Personage", "Elon_Musk")
    sample = Sample("1", "A", "forget", musk, "x.jpg", "Who is this?", "x", "f", 0, "fit")
    known = Benchmark((Task("A", (sample,), ()),), Path("pictures"), True, "")
    check_aliases({musk.key: ["him"]}, known)
    with pytest.raises(UsageError, match="Did you mean 'Personage/Elon_Musk'"):
        check_aliases({"Personage/Elon Musk": ["him"]}, known)
