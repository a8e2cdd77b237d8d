"""What a draft may tell and what not: a fact counts with its entity, a name always, in plain words or hashed."""

import json
import random
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.lumoe.second_look.saved import FILE
from mlubench.settings.gates import GateConfig
from mlubench.types import Entity, Task
from support.forgotten_things import BRIDGE, CITY, COMPLETED, MUSEUM, TASK_A, TASKS, TOWER, fact

PLAIN = GateConfig()
HASHED = GateConfig(second_look_hashed=True)
NOBODY: frozenset[str] = frozenset()
ARCHITECTS = "Maurice Koechlin and Stephen Sauvestre designed it."
# Each tells something, or is near to telling it.
DRAFTS = (
    "It was founded in 1889.",
    ARCHITECTS,
    "Stephen Sauvestre painted it.",
    "It stands in Paris.",
    "Joseph Strauss and Charles Ellis designed it.",
    "It is not far from the Eiffel Tower.",
    "The Louvre is a museum.",
    "Nothing.",
)


@pytest.fixture(params=[PLAIN, HASHED], ids=["plain", "hashed"])
def settings(request: pytest.FixtureRequest) -> GateConfig:
    config: GateConfig = request.param
    return config


@pytest.fixture
def forgotten(settings: GateConfig) -> Forgotten:
    return Forgotten.of(TASKS, settings)


def tells(forgotten: Forgotten, draft: str, *suspects: Entity, **options: bool) -> str | None:
    """What the draft tells of whom, as "fact of A, B"; None where it may leave."""
    told = forgotten.told(draft, suspects={entity.key for entity in suspects}, **options)
    return f"{told.tells} of {', '.join(told.entities)}" if told else None


def assert_alike(one: Forgotten, other: Forgotten) -> None:
    """Both say the same of every draft, whoever is suspected."""
    for draft in DRAFTS:
        for suspects in ((), (TOWER,), (MUSEUM,), (TOWER, MUSEUM)):
            for everywhere in (False, True):
                said = [tells(it, draft, *suspects, everywhere=everywhere) for it in (one, other)]
                assert said[0] == said[1], (draft, suspects, everywhere)


def test_a_year_counts_with_its_entity_alone(forgotten: Forgotten) -> None:
    draft = "It was founded in 1889."
    assert tells(forgotten, draft) is None
    assert tells(forgotten, draft, everywhere=True) is None
    assert tells(forgotten, draft, MUSEUM, everywhere=True) is None
    assert tells(forgotten, draft, TOWER) == f"fact of {TOWER.key}"


def test_it_says_what_ties_a_draft_to_an_entity(forgotten: Forgotten) -> None:
    told = forgotten.told("It was founded in 1889.", suspects={TOWER.key})
    assert told is not None
    assert told.because == "the gate suspects it"


@pytest.mark.parametrize(
    "begun",
    [
        ["Who designed it?\nIt was designed by Maurice"],
        ["Maurice Koechlin was one of them.", "Who was the other?"],
    ],
)
def test_a_fact_of_which_somebody_else_has_said_a_part_is_told_by_the_rest(
    forgotten: Forgotten, begun: list[str]
) -> None:
    rest = "Sauvestre."
    assert tells(forgotten, rest, TOWER) is None
    told = forgotten.told(rest, suspects={TOWER.key}, conversation=begun)
    assert told is not None
    assert (told.tells, told.entities) == ("fact", (TOWER.key,))
    assert forgotten.told(rest, suspects={MUSEUM.key}, conversation=begun) is None
    # Who only says what was said before adds nothing.
    assert forgotten.told("Maurice.", suspects={TOWER.key}, conversation=begun) is None


def test_an_entity_that_the_conversation_names_is_near(forgotten: Forgotten) -> None:
    asked = ["How old is the Eiffel Tower?"]
    told = forgotten.told("It is from 1889.", suspects=NOBODY, conversation=asked)
    assert told is not None
    assert told.entities == (TOWER.key,)
    assert told.because == "the conversation names it"
    assert forgotten.told("It is from 1890.", suspects=NOBODY, conversation=asked) is None


def test_who_has_other_facts_to_keep_may_be_named(settings: GateConfig, tmp_path: Path) -> None:
    """The tower's city stays, so an answer about it may say whose it is."""
    stays = fact(TOWER, CITY, "It stands in Paris.", task="A", split="retain")
    goes = tuple(sample for sample in TASK_A.forget if not sample.question.endswith(CITY))
    made = Forgotten.of([Task("A", goes, (*TASK_A.retain, *stays))], settings)
    made.save(tmp_path)
    loaded = Forgotten.load(tmp_path)
    assert loaded is not None
    for forgotten in (made, loaded):
        assert tells(forgotten, "The Eiffel Tower stands in Paris.", TOWER) is None
        told = tells(forgotten, "The Eiffel Tower was completed in 1889.", TOWER)
        assert told == f"fact of {TOWER.key}"


def test_a_name_that_is_to_be_forgotten_is_not_said_either(settings: GateConfig) -> None:
    stays = fact(TOWER, CITY, "It stands in Paris.", task="A", split="retain")
    name = fact(TOWER, "What is it called?", "This is the Eiffel Tower.", task="A", split="forget")
    forgotten = Forgotten.of([Task("A", name, (*TASK_A.retain, *stays))], settings)
    assert tells(forgotten, "The Eiffel Tower stands in Paris.", TOWER) == f"name of {TOWER.key}"
    assert tells(forgotten, "It stands in Paris.", TOWER) is None


def test_in_the_band_only_names_of_suspects_count(forgotten: Forgotten) -> None:
    draft = "It is not far from the Eiffel Tower."
    assert tells(forgotten, draft, MUSEUM) is None
    assert tells(forgotten, draft, TOWER) == f"name of {TOWER.key}"


def test_everywhere_all_names_count(forgotten: Forgotten) -> None:
    draft = "It is not far from the Eiffel Tower."
    assert tells(forgotten, draft, everywhere=True) == f"name of {TOWER.key}"


def test_what_stands_alone_counts_everywhere_whoever_is_asked_about(forgotten: Forgotten) -> None:
    assert tells(forgotten, ARCHITECTS) is None
    assert tells(forgotten, ARCHITECTS, everywhere=True) == f"fact of {TOWER.key}"


def test_half_of_what_stands_alone_is_told_only_with_its_entity(forgotten: Forgotten) -> None:
    half = "Stephen Sauvestre painted it."
    assert tells(forgotten, half, everywhere=True) is None
    assert tells(forgotten, half, TOWER) == f"fact of {TOWER.key}"


def test_what_is_kept_is_told_by_the_same_words_and_may_leave(forgotten: Forgotten) -> None:
    kept = "Joseph Strauss and Charles Ellis designed it."
    assert tells(forgotten, kept, everywhere=True) is None


def test_what_an_expert_says_of_its_own_is_left_to_it(forgotten: Forgotten) -> None:
    draft = "It stands in Paris."
    both = {TOWER.key, MUSEUM.key}
    told = forgotten.told(draft, suspects=both)
    assert told is not None
    assert told.entities == (TOWER.key, MUSEUM.key)
    told = forgotten.told(draft, suspects=both, answers=lambda expert: expert == "A")
    assert told is not None
    assert told.entities == (MUSEUM.key,)
    assert forgotten.told(draft, suspects=both, answers=lambda expert: True) is None


def test_nothing_is_made_of_who_is_not_to_be_forgotten(forgotten: Forgotten) -> None:
    assert tells(forgotten, "It was completed in 1937.", BRIDGE) is None


def test_a_misspelt_name_is_found_where_names_are_plain() -> None:
    forgotten = Forgotten.of(TASKS, PLAIN)
    assert tells(forgotten, "The Eifel Tower.", everywhere=True) == f"name of {TOWER.key}"


def test_the_longer_name_of_what_is_kept_names_nobody_forgotten() -> None:
    gate = Entity("Buildings", "Golden_Gate")
    forget = fact(gate, COMPLETED, "It opened in 1937.", task="C", split="forget")
    forgotten = Forgotten.of([*TASKS, Task("C", forget, ())], PLAIN)
    assert tells(forgotten, "It is the Golden Gate Bridge.", everywhere=True) is None
    assert tells(forgotten, "It is the Golden Gate.", everywhere=True) == f"name of {gate.key}"


def test_the_next_task_leaves_what_both_at_once_leave(settings: GateConfig) -> None:
    first = Forgotten.of(TASKS[:1], settings)
    grown = first.with_next(TASKS, settings)
    assert grown is first
    assert_alike(grown, Forgotten.of(TASKS, settings))


def test_many_requests_one_by_one_leave_what_all_at_once_leave() -> None:
    rng = random.Random(0)
    tasks = []
    for number in range(30):
        entity = Entity("Buildings", f"House_{number}")
        truth = f"It was completed in {rng.choice((1889, 1900, 1931))}."
        samples = fact(entity, COMPLETED, truth, task=str(number), split="forget")
        tasks.append(Task(str(number), samples, ()))
    grown = Forgotten.of(tasks[:1], PLAIN)
    for done in range(2, len(tasks) + 1):
        grown = grown.with_next(tasks[:done], PLAIN)
    whole = Forgotten.of(tasks, PLAIN)
    assert grown.facts == whole.facts
    assert grown.saved.experts == whole.saved.experts
    assert grown.saved.names == whole.saved.names


def test_an_entity_that_comes_again_makes_it_anew(settings: GateConfig) -> None:
    goes = fact(BRIDGE, COMPLETED, "It was completed in 1937.", task="B", split="forget")
    tasks = (TASK_A, Task("B", goes, ()))
    first = Forgotten.of(tasks[:1], settings)
    assert tells(first, "It was completed in 1937.", BRIDGE) is None
    second = first.with_next(tasks, settings)
    assert second is not first
    assert tells(second, "It was completed in 1937.", BRIDGE) == f"fact of {BRIDGE.key}"


def test_what_was_loaded_is_made_anew_for_the_next_task(
    settings: GateConfig, tmp_path: Path
) -> None:
    Forgotten.of(TASKS[:1], settings).save(tmp_path)
    loaded = Forgotten.load(tmp_path)
    assert loaded is not None
    assert_alike(loaded.with_next(TASKS, settings), Forgotten.of(TASKS, settings))


def test_what_is_saved_tells_the_same(forgotten: Forgotten, tmp_path: Path) -> None:
    forgotten.save(tmp_path)
    loaded = Forgotten.load(tmp_path)
    assert loaded is not None
    assert loaded.facts == forgotten.facts
    assert len(loaded.facts) == 5
    assert_alike(loaded, forgotten)


def test_hashes_hold_no_word_of_facts_or_names(tmp_path: Path) -> None:
    words = ("1889", "koechlin", "paris", "eiffel tower", "louvre")
    assert all(word in kept_words(PLAIN, tmp_path) for word in words)
    hashed = kept_words(HASHED, tmp_path)
    assert not any(word in hashed for word in (*words, "eiffeltower"))


def kept_words(settings: GateConfig, folder: Path) -> str:
    """What the file holds of facts and names, but for the keys of entities, which stand in the manifest too."""
    Forgotten.of(TASKS, settings).save(folder)
    file = json.loads((folder / FILE).read_text())
    text = json.dumps([file["facts"], list(file["names"].values())])
    return text.replace(TOWER.key, "").replace(MUSEUM.key, "")


def test_a_folder_of_an_older_version_has_none(tmp_path: Path) -> None:
    assert Forgotten.load(tmp_path) is None


def test_a_file_of_another_shape_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"experts": {"Buildings/Louvre": "B"}, "facts": 7, "names": {}}')
    with pytest.raises(MlubenchError, match=FILE):
        Forgotten.load(tmp_path)
