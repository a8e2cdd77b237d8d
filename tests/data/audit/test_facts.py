"""What detectors look at: grouping of phrasings, hostile input, and how fast a large benchmark is read."""

import json
from pathlib import Path

import pytest

from mlubench.core.errors import DataError, UsageError
from mlubench.data import release
from mlubench.data.audit.facts import load, polarity, quote
from mlubench.data.audit.kinds import audit, chosen, kinds
from mlubench.data.records import Record, unparse
from mlubench.data.world import build_world
from mlubench.judging.rules.refusal import refusal

TABLE = kinds(refusal)


def row(entity: str, question: str, answer: str, picture: int = 0) -> dict[str, str]:
    return {"image": f"d/C/{entity}/{picture}.jpg", "question": question, "answer": answer}


def test_groups(tmp_path: Path) -> None:
    """An answer that two questions share by chance, for one entity of three, does not make them one question."""
    rows = []
    # Uno's colour and lid are alike by chance.
    for name, colour, lid in (
        ("Uno", "Red.", "Red."),
        ("Duo", "Blue.", "Green."),
        ("Tri", "Grey.", "Pink."),
    ):
        rows += [
            row(name, "Which colour?", colour),
            row(name, "**What colour?", colour),
            row(name, "Which lid?", lid),
            row(name, "What lid?", lid),
        ]
    retained = [row("Quad", "Which colour?", "Teal.")]
    release.write({"A": {"forget": rows, "retain": retained}}, tmp_path)
    groups = load(tmp_path).groups
    assert groups["C", "which colour?"] == groups["C", "what colour?"]
    assert groups["C", "which lid?"] == groups["C", "what lid?"] != groups["C", "which colour?"]


def test_drawn_worlds_hold_only_what_they_are_built_to_hold(tmp_path: Path) -> None:
    for seed in range(2):
        release.write(build_world(seed), tmp_path)
        assert {finding.kind for finding in audit(load(tmp_path), TABLE)} == {"given-away"}


def test_bad_data_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(tmp_path)
    release.write(
        {"A": {"forget": [row("Fox", "Q?", "A.")], "retain": [row("Cat", "Q?", "A.")]}}, tmp_path
    )
    path = tmp_path / "Tasks/TaskA/taskA_forget.json"
    for text, says in (
        ("[]", "no records"),
        ("[1]", "record 0"),
        ("[", "cannot be read"),
        ('[{"image": 3}]', "record 0"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=says):
            load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["*", "?", "**", "。", "…", "ﬁ\u200b", "\u202e", "(" * 300, "名" * 300, "a" * 5000, "\n- x"],
)
def test_any_text_is_taken(tmp_path: Path, text: str) -> None:
    rows = []
    for picture in range(2):
        for name in ("Füchsin", "_"):
            rows += [row(name, text, "A.", picture), row(name, "Q?", text, picture)]
    release.write({"A": {"forget": rows, "retain": rows}}, tmp_path)
    messages = [finding.message for finding in audit(load(tmp_path), TABLE)]
    json.dumps(messages, ensure_ascii=False).encode()  # no half surrogate pair among them


@pytest.mark.timeout(120)
def test_many_records(tmp_path: Path) -> None:
    """Records of the official shape; and 5,000 entities of one first name, which must not be compared pairwise."""
    official = []
    for index in range(40_000):
        # 6 pictures of each of 5 phrasings of each of 5 facts: 150 records an entity.
        question = f"Which {index // 30 % 5} of kind {index // 6 % 5}?"
        answer = f"It is number {index // 30} of them."
        official.append(row(f"Ent_{index // 150}", question, answer, index % 6))
    namesakes = []
    for index in range(5_000):
        answer = f"It is beside Name {index + 1} now."
        namesakes.append(row(f"Name_{index}", "What is it?", answer))
    for split, rows in (("forget", official), ("retain", namesakes)):
        path = tmp_path / f"TaskA/taskA_{split}.json"
        path.parent.mkdir(exist_ok=True)
        records = []
        for number, one in enumerate(rows):
            record = Record(one["image"], one["question"], one["answer"])
            records.append(unparse(number, record))
        path.write_text(json.dumps(records))
    found = audit(load(tmp_path), TABLE)
    assert sum(finding.kind == "other-entity" for finding in found) == 4_999


def test_chosen() -> None:
    assert list(chosen(TABLE, ["typo", "leak"])) == ["leak", "typo"]
    assert chosen(TABLE, []) == TABLE
    with pytest.raises(UsageError, match="typo"):
        chosen(TABLE, ["tpyo"])


def test_quotations_are_short() -> None:
    assert quote("one two three", 2) == "'one two ...'"
    assert len(quote("a " * 90).split()) == 13


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ("Yes, it is.", "yes"),
        ("No.", "no"),
        ("no", "no"),
        ("Yes Minister", ""),
        ("None", ""),
        ("", ""),
    ],
)
def test_polarity(truth: str, expected: str) -> None:
    assert polarity(truth) == expected
