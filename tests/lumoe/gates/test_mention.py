"""Names in questions: found however they are written, and never found where they are not."""

import os
import random
from pathlib import Path

import pytest

from mlubench.data import release
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.mention import MentionGate
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Sample, Task

PEOPLE = (
    "Taylor_Swift",
    "Elon_Musk",
    "Bill_Gates",
    "Michael_Jordan",
    "J.K._Rowling",
    "Marilyn_Monroe",
    "马云",
)
FORGET = {
    "A": [
        Entity("Plants", "Rose"),
        Entity("Animals", "Parrot"),
        Entity("Animals", "Cat"),
        Entity("Astronomy", "Star"),
    ],
    "B": [
        *(Entity("Personage", n) for n in PEOPLE),
        Entity("Movies", "Interstellar"),
        Entity("Buildings", "Big_Ben"),
    ],
}
RETAIN = [
    Entity("Plants", "Carrot"),
    Entity("Movies", "Star_Wars"),
    Entity("Personage", "Michael_Gordon"),
]


def unused(_: object) -> None:
    raise AssertionError("the gate looks at no picture")


def sample(task: str, split: str, entity: Entity) -> Sample:
    return Sample(entity.key, task, split, entity, "x.jpg", "What?", "x", "f", 0, "fit")


def tasks(names: str = "AB") -> tuple[Task, ...]:
    kept = tuple(sample("A", "retain", e) for e in RETAIN)
    return tuple(Task(t, tuple(sample(t, "forget", e) for e in FORGET[t]), kept) for t in names)


def fitted(names: str = "AB", **settings: object) -> MentionGate:
    gate = MentionGate()
    made = tasks(names)
    gate.fit(made, Benchmark(made, Path("pictures"), True, ""), unused, GateConfig(**settings))
    return gate


def named(question: str, gate: MentionGate | None = None) -> list[str]:
    return [Entity.from_key(h.entity).name for h in (gate or fitted()).hits(question)]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Who is Taylor Swift?", "Taylor_Swift"),
        ("TAYLOR-SWIFT's latest songs", "Taylor_Swift"),
        ("what did t4yl0r 5w1ft sing", "Taylor_Swift"),
        ("tell me of E1on Mu5k", "Elon_Musk"),
        ("M!chael Jordan?", "Michael_Jordan"),
        ("Т\u0430yl\u043er Sw\u0456ft", "Taylor_Swift"),  # Cyrillic T, a, o and i
        ("\u0392\u03b9ll G\u03b1t\u03b5s", "Bill_Gates"),  # Greek B, i, a and e
        ("ｂｉｌｌ　ｇａｔｅｓ", "Bill_Gates"),
        ("Bill Ga\u200btes", "Bill_Gates"),
        ("Márilyn Mónröe", "Marilyn_Monroe"),
        ("E l o n  M u s k", "Elon_Musk"),
        ("BillGates", "Bill_Gates"),
        ("is J. K. Rowling a writer", "J.K._Rowling"),
        ("is jk rowling a writer", "J.K._Rowling"),
        ("tailor swfit songs", "Taylor_Swift"),
        ("Marilin Monro films", "Marilyn_Monroe"),
        ("who directed Intersteller", "Interstellar"),
        ("Are parrots loud?", "Parrot"),
        ("马云是谁？", "马云"),
        ("Who is Jack Ma?", "马云"),  # an alias
        ("How tall is the Elizabeth Tower?", "Big_Ben"),
    ],
)
def test_found_however_it_is_written(question: str, name: str) -> None:
    assert named(question) == [name]


@pytest.mark.parametrize(
    "question",
    [
        "What does Rosebud mean?",
        "a category of education",
        "a carrot, please",  # one letter from a parrot, and known as what it is
        "Michael Gordon",
        "Michael Johnson",
        "Bill Bates",
        "Elon",
        "Star Wars",  # known, and longer than Star
        "Start the car",
        "Who is this?",
        "1984 and 2001",
        "",
        "?!",
    ],
)
def test_not_found_where_it_is_not(question: str) -> None:
    assert named(question) == []


def test_two_names_need_two_experts() -> None:
    (route,) = fitted().route(
        [GateQuery(None, "Does Bill Gates keep a cat, and what does Bil Gates say?")], unused
    )
    assert route.experts == ("A", "B")
    assert "Personage/Bill_Gates" in route.why and "Animals/Cat" in route.why
    assert (route.entity, *route.suspects) == ("Personage/Bill_Gates", "Animals/Cat")
    assert route.score == 1.0
    (route,) = fitted().route(
        [GateQuery(Path("gone.jpg"), "Who is Bill Gates, and Elon Musk?")], unused
    )
    assert route.experts == ("B",)


def test_added_aliases_and_similarity() -> None:
    gate = fitted(aliases={"Personage/Elon_Musk": ["the rocket man"]})
    assert named("Who is The Rocket Man?", gate) == ["Elon_Musk"]
    assert named("Who is The Rocket Man?") == []
    assert named("Intersteller", fitted(similarity=100)) == []


def test_saved_and_loaded_it_routes_the_same(tmp_path: Path) -> None:
    gate, other = fitted(), MentionGate()
    gate.save(tmp_path)
    other.load(tmp_path)
    asked = [GateQuery(None, q) for q in ("Bil Gates", "a cat and Elon Musk", "Jack Ma", "nobody")]
    assert other.route(asked, unused) == gate.route(asked, unused)


def test_a_task_more_changes_no_earlier_route() -> None:
    asked = [GateQuery(None, f"Tell me of the {e.title}.") for e in FORGET["A"]]
    before, after = fitted("A").route(asked, unused), fitted("AB").route(asked, unused)
    assert all(r.experts == ("A",) for r in before)
    assert [(r.experts, r.entity) for r in after] == [(r.experts, r.entity) for r in before]


FIRST = (
    "Oliver",
    "Amelia",
    "Hassan",
    "Priya",
    "Kwame",
    "Ingrid",
    "Mateo",
    "Yuki",
    "Svetlana",
    "Dmitri",
    "Aoife",
    "Leila",
)
LAST = (
    "Okafor",
    "Lindqvist",
    "Haddad",
    "Moreau",
    "Petrov",
    "Nakamura",
    "Silva",
    "Brennan",
    "Fischer",
    "Kowalski",
    "Iyer",
)


def unlisted() -> list[str]:
    """80 names of nobody that is listed, in one order always."""
    everyone = [f"{a} {b}" for a in FIRST for b in LAST]
    return random.Random(0).sample(everyone, 80)


def test_unlisted_names_match_nothing() -> None:
    gate = fitted()
    assert [
        n for n in unlisted() if named(f"Who is {n}?", gate) or gate.names.meant(n, threshold=80)
    ] == []


@pytest.mark.parametrize(
    "reply", ["None", "none.", "I don't know", "", "...", "Michael Johnson", "Tiger", "No one"]
)
def test_a_reply_that_names_nobody_listed(reply: str) -> None:
    assert fitted().names.meant(reply, threshold=80) is None


@pytest.mark.parametrize(
    "reply", ["Taylor Swift", "taylor_swift.", "**Taylor Swift**", "Tayler Swift", "T4ylor Swift"]
)
def test_a_reply_that_names_one(reply: str) -> None:
    hit = fitted().names.meant(reply, threshold=80)
    assert hit is not None and hit.entity == "Personage/Taylor_Swift"


@pytest.fixture(scope="module")
def official() -> Benchmark:
    folder = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not folder:
        pytest.skip("MLUBENCH_ANNOTATIONS is not set")
    return release.read(Path(folder))


def test_no_false_hit_on_the_official_questions(official: Benchmark) -> None:
    """Questions of retain samples, which name nothing that is forgotten; and unlisted names, among 69 that are listed."""
    gate = MentionGate()
    gate.fit(official.tasks, official, unused, GateConfig())
    questions = sorted({s.question for t in official for s in t.retain})
    assert len(questions) > 80
    assert [q for q in questions if gate.hits(q)] == []
    assert [n for n in unlisted() if gate.hits(n) or gate.names.meant(n, threshold=80)] == []
    entities = {e for t in official for e in t.forget_entities}
    assert {e.key for e in entities} == {
        h.entity for e in entities for h in gate.hits(f"Tell me about {e.title}.")
    }


@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "from a folder"])
def test_the_next_task_is_learned_as_in_a_whole_fit(tmp_path: Path, saved: bool) -> None:
    gate = fitted("A")
    if saved:
        gate.save(tmp_path)
        gate = MentionGate()
        gate.load(tmp_path)
    made = tasks("AB")
    whole = fitted("AB")
    gate.fit_next(made, Benchmark(made, Path("pictures"), True, ""), unused, GateConfig())
    assert gate.expert_of == whole.expert_of
    assert gate.names.names == whole.names.names
    for entity in (*FORGET["A"], *FORGET["B"], *RETAIN):
        question = f"Who is {entity.title}?"
        assert gate.hits(question) == whole.hits(question)


def test_a_gate_that_knows_other_tasks_is_made_anew() -> None:
    gate = fitted("B")
    made = tasks("AB")
    gate.fit_next(made, Benchmark(made, Path("pictures"), True, ""), unused, GateConfig())
    assert gate.expert_of == fitted("AB").expert_of
