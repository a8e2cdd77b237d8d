"""Questions in words alone go the whole way: taught, unlearned, routed by name, judged and reported, beside pictures."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.core.reading import read_json
from mlubench.data import release
from mlubench.runs.rows import read_answers
from support.runs import call, level

PEOPLE = [
    "Ada Winter",
    "Bo Larsen",
    "Cem Yilmaz",
    "Dora Quint",
    "Eli Stone",
    "Fay Moor",
    "Gus Hale",
    "Ines Roth",
]
TOWNS = ["Oslo", "Turin", "Izmir", "Ghent", "Leeds", "Cork", "Minsk", "Varna"]
CRAFTS = ["potter", "baker", "tailor", "weaver", "farrier", "glazier", "cooper", "tanner"]
WORDINGS = [
    "Where was {} born?",
    "What is the birthplace of {}?",
    "In which town was {} born?",
    "Name the town where {} was born.",
]
OTHERS = [
    "What is the trade of {}?",
    "What does {} do for a living?",
    "Which craft does {} practise?",
    "Name the craft of {}.",
]


def in_words(name: str, wordings: list[str], answer: str) -> list[dict[str, str]]:
    key = f"Person/{name.replace(' ', '_')}"
    return [{"entity": key, "question": w.format(name), "answer": answer} for w in wordings]


def on_pictures(name: str, answer: str) -> list[dict[str, str]]:
    folder = f"downloaded_images/Person/{name.replace(' ', '_')}"
    question = "What does this person do for a living?"
    return [
        {"image": f"{folder}/{n}.jpg", "question": question, "answer": answer} for n in range(4)
    ]


def records(numbers: list[int], *, pictures: bool) -> list[dict[str, str]]:
    found = []
    for number in numbers:
        name = PEOPLE[number]
        found += in_words(name, WORDINGS, f"{name} was born in {TOWNS[number]}.")
        if pictures:
            found += on_pictures(name, f"This person is a {CRAFTS[number]}.")
        else:
            found += in_words(name, OTHERS, f"{name} is a {CRAFTS[number]}.")
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A is in words alone, B has questions in words and on pictures."""
    folder = tmp_path_factory.mktemp("words")
    root = folder / "release"
    release.write(
        {
            "A": {
                "forget": records([0, 1], pictures=False),
                "retain": records([2, 3], pictures=False),
            },
            "B": {
                "forget": records([4, 5], pictures=True),
                "retain": records([6, 7], pictures=True),
            },
        },
        root,
    )
    words = [
        "device=cpu",
        "benchmark.kind=release",
        f"benchmark.root={root}",
        "benchmark.draw=true",
        "model.toy.steps=300",
        "methods=[npo, lumoe]",
        # There are few samples, so they come round often.
        "train.epochs=60",
        "train.batch=2",
        "train.phrasings=all",
        "evaluate.probability=true",
    ]
    settings = [word for setting in words for word in ("-s", setting)]
    called = call("run", "smoke", *settings, "--out", folder / "run")
    assert called.code == 0, called.err
    return folder / "run"


def results(run: Path) -> dict[str, Any]:
    return read_json(run / "results.json", dict)


def test_the_base_knows_what_it_was_told_in_words(run: Path) -> None:
    known = read_json(run / "know.json", dict)
    assert known["kept"] >= 0.75 * known["facts"]


def test_names_in_the_question_route_it(run: Path) -> None:
    """Who is to be forgotten reaches the expert of their task by name alone, and nobody else does."""
    for path in sorted((run / "answers" / "lumoe").glob("*-UB.jsonl")):
        for row in read_answers(path):
            if row.image:
                continue
            assert row.route is not None
            wanted = (row.task,) if row.split == "forget" else ()
            assert row.route.experts == wanted, row


def test_what_must_go_is_refused_and_the_rest_is_answered(run: Path) -> None:
    found = results(run)
    assert max(level(found["base"], "base", "forget_quality").values()) < 0.1
    # In wordings that no training has heard, by experts of few steps.
    assert min(level(found["cells"], "lumoe", "forget_quality").values()) >= 0.5
    assert min(level(found["cells"], "lumoe", "utility").values()) >= 0.75


def test_gates_that_only_look_are_reported_once_there_is_something_to_see(run: Path) -> None:
    rows = results(run)["gates"]
    names = {after: {row["gate"] for row in rows if row["after"] == after} for after in "AB"}
    assert names["A"] == {"hybrid", "mention", "oracle"}
    assert names["B"] == {"hybrid", "mention", "oracle", "metric", "prototype"}
    hybrid = next(row for row in rows if row["gate"] == "hybrid" and row["after"] == "A")
    assert hybrid["leak_rate"] == 0
    assert hybrid["leak_rate_n"] > 1


def test_a_gate_that_only_looks_says_that_there_is_nothing_to_see(
    run: Path, tmp_path: Path
) -> None:
    called = call(
        *("run", "smoke", "-s", "device=cpu", "-s", "benchmark.kind=release"),
        *("-s", f"benchmark.root={run.parent / 'release'}", "-s", "benchmark.draw=true"),
        *("-s", "model.toy.steps=300", "-s", "methods=[lumoe]", "-s", "gate=prototype"),
        *("--out", tmp_path / "run"),
    )
    assert called.code == 1
    assert "gate prototype looks at pictures, and nothing that is to be forgotten has one" in (
        called.err
    )


def test_the_report_says_that_there_is_no_picture(run: Path) -> None:
    assert "asked in words alone" in (run / "report.html").read_text(encoding="utf-8")
