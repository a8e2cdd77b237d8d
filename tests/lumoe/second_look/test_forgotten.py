"""What a draft may tell and what not: a fact counts with its entity, a name always, in plain words or hashed."""

import json
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.lumoe.second_look.saved import FILE
from mlubench.settings.gates import GateConfig
from mlubench.types import Entity, Task
from support.forgotten_things import COMPLETED, MUSEUM, TASKS, TOWER, fact

ARCHITECTS = "Maurice Koechlin and Stephen Sauvestre designed it."
SUSPECTED = frozenset({TOWER.key})


@pytest.fixture(params=[False, True], ids=["plain", "hashed"])
def forgotten(request: pytest.FixtureRequest) -> Forgotten:
    return Forgotten.of(TASKS, GateConfig(second_look_hashed=request.param))


def test_a_year_counts_with_its_entity_alone(forgotten: Forgotten) -> None:
    draft = "It was founded in 1889."
    assert forgotten.told(draft, suspects=set()) is None
    assert forgotten.told(draft, suspects=set(), everywhere=True) is None
    assert forgotten.told(draft, suspects={MUSEUM.key}, everywhere=True) is None
    told = forgotten.told(draft, suspects={TOWER.key})
    assert told is not None
    assert (told.tells, told.entities) == ("fact", (TOWER.key,))
    assert "suspects" in told.because


def test_an_entity_that_the_conversation_names_is_near(forgotten: Forgotten) -> None:
    asked = ["How old is the Eiffel Tower?"]
    told = forgotten.told("It is from 1889.", suspects=set(), conversation=asked)
    assert told is not None
    assert (told.entities, told.because) == ((TOWER.key,), "the conversation names it")
    assert forgotten.told("It is from 1890.", suspects=set(), conversation=asked) is None


def test_names_of_suspects_count_in_the_band_and_all_names_everywhere(forgotten: Forgotten) -> None:
    draft = "It is not far from the Eiffel Tower."
    assert forgotten.told(draft, suspects={MUSEUM.key}) is None
    for suspects, everywhere in (({TOWER.key}, False), (set(), True)):
        told = forgotten.told(draft, suspects=suspects, everywhere=everywhere)
        assert told is not None
        assert (told.tells, told.entities) == ("name", (TOWER.key,))


def test_what_stands_alone_counts_everywhere_whoever_is_asked_about(forgotten: Forgotten) -> None:
    assert forgotten.told(ARCHITECTS, suspects=set()) is None
    told = forgotten.told(ARCHITECTS, suspects=set(), everywhere=True)
    assert told is not None
    assert (told.tells, told.entities) == ("fact", (TOWER.key,))
    # One of the two architects alone is not the fact.
    half = "Stephen Sauvestre painted it."
    assert forgotten.told(half, suspects=set(), everywhere=True) is None
    # With its entity half of a fact is told.
    assert forgotten.told(half, suspects={TOWER.key}) is not None
    # What is kept is told by the same words.
    kept = "Joseph Strauss and Charles Ellis designed it."
    assert forgotten.told(kept, suspects=set(), everywhere=True) is None


def test_what_an_expert_says_of_its_own_is_left_to_it(forgotten: Forgotten) -> None:
    draft = "It stands in Paris."
    both = {TOWER.key, MUSEUM.key}
    told = forgotten.told(draft, suspects=both, answers=lambda expert: expert == "A")
    assert told is not None and told.entities == (MUSEUM.key,)
    assert forgotten.told(draft, suspects=both, answers=lambda expert: True) is None
    told = forgotten.told(draft, suspects=both)
    assert told is not None and told.entities == (TOWER.key, MUSEUM.key)


def test_nothing_is_made_of_who_is_not_to_be_forgotten(forgotten: Forgotten) -> None:
    assert (
        forgotten.told("It was completed in 1937.", suspects={"Buildings/Golden_Gate_Bridge"})
        is None
    )


def test_what_is_saved_tells_the_same(forgotten: Forgotten, tmp_path: Path) -> None:
    forgotten.save(tmp_path)
    loaded = Forgotten.load(tmp_path)
    assert loaded is not None and loaded.facts == forgotten.facts == 5
    for draft in ("It was founded in 1889.", ARCHITECTS, "The Eiffel Tower.", "Nothing."):
        for suspects in (set(), {TOWER.key}):
            assert loaded.told(draft, suspects=suspects, everywhere=True) == forgotten.told(
                draft, suspects=suspects, everywhere=True
            )


def test_hashes_hold_no_word_of_facts_or_names(tmp_path: Path) -> None:
    words = ("1889", "koechlin", "paris", "eiffel tower", "eiffeltower", "louvre")
    Forgotten.of(TASKS, GateConfig()).save(tmp_path)
    plain = json.loads((tmp_path / FILE).read_text())
    Forgotten.of(TASKS, GateConfig(second_look_hashed=True)).save(tmp_path)
    hashed = json.loads((tmp_path / FILE).read_text())
    kept = [json.dumps([file["facts"], list(file["names"].values())]) for file in (plain, hashed)]
    # The keys of entities stand in the manifest and in the gate's files too.
    kept = [text.replace(TOWER.key, "").replace(MUSEUM.key, "") for text in kept]
    assert [word in kept[0] for word in words] == [True, True, True, True, False, True]
    assert not any(word in kept[1] for word in words)


def test_a_misspelt_name_is_found_where_names_are_plain() -> None:
    forgotten = Forgotten.of(TASKS, GateConfig())
    assert forgotten.told("The Eifel Tower.", suspects=set(), everywhere=True) is not None


def test_a_folder_of_an_older_version_has_none(tmp_path: Path) -> None:
    assert Forgotten.load(tmp_path) is None
    (tmp_path / FILE).write_text('{"experts": {"Buildings/Louvre": "B"}, "facts": 7, "names": {}}')
    with pytest.raises(MlubenchError, match=FILE):
        Forgotten.load(tmp_path)


def test_the_longer_name_of_what_is_kept_names_nobody_forgotten() -> None:
    gate = Entity("Buildings", "Golden_Gate")
    forget = fact(gate, COMPLETED, "It opened in 1937.", task="C", split="forget")
    forgotten = Forgotten.of([*TASKS, Task("C", forget, ())], GateConfig())
    for draft, entities in (
        ("It is the Golden Gate Bridge.", None),
        ("It is the Golden Gate.", (gate.key,)),
    ):
        told = forgotten.told(draft, suspects=set(), everywhere=True)
        assert (told.entities if told else None) == entities
