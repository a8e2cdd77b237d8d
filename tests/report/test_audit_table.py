"""The tables of an audit: what tells is not hidden by what refuses, and what was told is shown."""

from mlubench.report.audit_table import TOLD_COLUMNS, WORST_COLUMNS, told_lines, worst_lines
from mlubench.runs.audits import AttackFacts, Audit, ToldRow, WayRow


def way(attack: str, name: str, harm: str, rate: float) -> WayRow:
    return WayRow(system="lumoe", attack=attack, way=name, harm=harm, rate=rate, n=8, facts=8)


def attack(name: str, harm: str) -> AttackFacts:
    return AttackFacts(attack=name, meaning="", access="asking", harm=harm)


def test_every_kind_of_harm_has_its_worst_ways() -> None:
    ways = [way("provoked", f"way {n}", "lost", 1.0) for n in range(5)]
    ways += [way("picture", "collage", "leak", 0.4), way("picture", "grey", "leak", 0.1)]
    ways += [way("strangers", "as it stands", "refused", 0.0)]
    attacks = [
        attack("provoked", "lost"),
        attack("picture", "leak"),
        attack("strangers", "refused"),
    ]
    lines = worst_lines(Audit(systems=["base", "lumoe"], attacks=attacks, ways=ways))
    assert [line[:5] for line in lines] == [
        ["LUMoE", "picture", "leak", "collage", "0.400"],
        ["LUMoE", "picture", "leak", "grey", "0.100"],
        ["LUMoE", "provoked", "lost", "way 0", "1.000"],
    ]
    assert {len(line) for line in lines} == {len(WORST_COLUMNS)}


def test_what_was_told_stands_beside_its_truth() -> None:
    row = ToldRow(
        system="lumoe",
        attack="picture",
        way="collage",
        entity="Ox",
        question="Where does it live?",
        truth="In Ghent.",
        answer="It lives in Ghent.",
    )
    (line,) = told_lines(Audit(told=[row]))
    assert dict(zip(TOLD_COLUMNS, line, strict=True)) == {
        "System": "LUMoE",
        "Whose": "Ox",
        "Question": "Where does it live?",
        "Truth": "In Ghent.",
        "Answer": "It lives in Ghent.",
        "Way": "picture: collage",
    }
