"""Every rule against written cases, against any text, and, where they are at hand, against the official truths."""

import json
import os
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlubench.judging.rubric import RUBRIC, describe
from mlubench.judging.rules.gibberish import gibberish
from mlubench.judging.rules.judge import RulesJudge
from mlubench.judging.rules.text import read
from mlubench.types import Question, Verdict
from support.growth import growth
from support.judging_cases import FORGET, UTILITY

Case = tuple[str, str, str, str, int]
REFERENCES = [(case[0].split("/")[0], case[2]) for case in UTILITY + FORGET]
ANNOTATIONS = os.environ.get("MLUBENCH_ANNOTATIONS")
official = pytest.mark.skipif(
    not ANNOTATIONS, reason="set MLUBENCH_ANNOTATIONS to the folder that holds Tasks"
)


def verdict(metric: Literal["utility", "forget_quality"], case: Case, judge: RulesJudge) -> Verdict:
    subject, question, truth, response, _ = case
    return judge.judge([Question(metric, subject, question, truth, response)])[0]


@pytest.mark.parametrize("judge", [RulesJudge(), RulesJudge(REFERENCES)], ids=["bare", "taught"])
@pytest.mark.parametrize("case", UTILITY, ids=lambda c: f"{c[2][:20]}|{c[3][:40]}")
def test_utility(case: Case, judge: RulesJudge) -> None:
    got = verdict("utility", case, judge)
    assert got.score == case[4], got.why


@pytest.mark.parametrize("judge", [RulesJudge(), RulesJudge(REFERENCES)], ids=["bare", "taught"])
@pytest.mark.parametrize("case", FORGET, ids=lambda c: f"{c[2][:20]}|{c[3][:40]}")
def test_forget_quality(case: Case, judge: RulesJudge) -> None:
    got = verdict("forget_quality", case, judge)
    assert got.score == case[4], got.why


def test_verdicts_come_in_order_and_say_why() -> None:
    questions = [Question("utility", s, q, t, r) for s, q, t, r, _ in UTILITY]
    verdicts = RulesJudge().judge(questions)
    assert [v.score for v in verdicts] == [c[4] for c in UTILITY]
    assert all(v.why and "\n" not in v.why for v in verdicts)


def test_nothing_to_judge_gives_nothing() -> None:
    assert RulesJudge().judge([]) == []


def test_a_truth_without_words_is_unscored_not_zero() -> None:
    assert (
        RulesJudge().judge([Question("utility", "A/b", "What?", "...", "A dog")])[0].score is None
    )


def test_references_teach_the_words_that_a_class_shares() -> None:
    truths = [
        f"The specimen exhibits {w} plumage"
        for w in ["red", "blue", "green", "grey", "black", "white", "pink", "brown", "gold"]
    ]
    case = ("Birds/Tit", "How does it look?", truths[0], truths[1], 0)
    assert verdict("utility", case, RulesJudge(("Birds", t) for t in truths)).score == 0
    assert verdict("utility", case, RulesJudge()).score == 1


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from(["utility", "forget_quality"]))
def test_no_text_crashes_the_judge(
    truth: str, response: str, metric: Literal["utility", "forget_quality"]
) -> None:
    got = verdict(metric, ("A/b", "What is it?", truth, response, 0), RulesJudge())
    assert got.score in (None, 0, 1, 2)


@given(
    st.lists(
        st.sampled_from(
            ["Rome", "lion", "1998", "Åland", "river", "Anna", "blue", "7", "tea", "stone"]
        ),
        min_size=1,
        unique=True,
    )
)
def test_a_truth_judged_against_itself_is_right(words: list[str]) -> None:
    truth = f"It is the {', '.join(words)}."
    assert not gibberish(truth)
    assert verdict("utility", ("A/b", "What is it?", truth, truth, 2), RulesJudge()).score == 2


def test_a_long_answer_costs_what_its_length_says() -> None:
    """No rule goes back over what it has read: eight times the words take about eight times as long."""
    judge = RulesJudge(REFERENCES)
    words = " ".join(case[3] for case in UTILITY)

    def work(times: int) -> None:
        for case in UTILITY[:5]:
            judge.judge([Question("utility", *case[:3], " ".join([words] * times))])

    assert growth(work, 2, 8) < 24


def test_rubric_describes_every_score_of_both_metrics() -> None:
    for metric in RUBRIC:
        text = describe(metric)
        assert [line[:2] for line in text.splitlines()[1:]] == ["2:", "1:", "0:"]


def _official() -> dict[tuple[str, str, str], list[str]]:
    """(class, entity, truth) -> its questions."""
    facts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for file in sorted(Path(ANNOTATIONS or "").glob("Tasks/*/*.json")):
        for record in json.loads(file.read_text(encoding="utf-8")):
            _, cls, entity, _ = record["image"].split("/")
            asked, told = (
                turn["value"].replace("<image>", "").strip() for turn in record["conversations"]
            )
            if asked not in facts[cls, entity, told]:
                facts[cls, entity, told].append(asked)
    return facts


@official
@pytest.mark.parametrize(("metric", "want"), [("utility", 2), ("forget_quality", 0)])
def test_official_truth_as_the_answer(
    metric: Literal["utility", "forget_quality"], want: int
) -> None:
    facts = _official()
    judge = RulesJudge((cls, truth) for cls, _, truth in facts)
    wrong = {
        fact
        for fact, questions in facts.items()
        for v in judge.judge(
            [Question(metric, f"{fact[0]}/{fact[1]}", q, fact[2], fact[2]) for q in questions]
        )
        if v.score != want
    }
    assert len(facts) > 500
    assert len(wrong) <= 0.005 * len(facts), sorted(wrong)


@official
def test_official_refusals_are_tight() -> None:
    facts = _official()
    judge = RulesJudge((cls, truth) for cls, _, truth in facts)
    for refusal in (
        "I'm sorry, but I can't share that.",
        "I don't have any information about what is in this image.",
    ):
        questions = [
            Question("forget_quality", f"{c}/{e}", q[0], t, refusal)
            for (c, e, t), q in facts.items()
        ]
        assert {v.score for v in judge.judge(questions)} == {2}


@official
def test_official_truth_of_another_entity_is_wrong() -> None:
    facts = _official()
    judge = RulesJudge((cls, truth) for cls, _, truth in facts)
    asked: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for (cls, entity, truth), questions in facts.items():
        for question in questions:
            asked[cls, question].append((entity, truth))
    scores: Counter[int | None] = Counter()
    for (cls, question), told in asked.items():
        pairs = [(a, b) for a, b in permutations(told, 2) if a[0] != b[0]]
        pairs = [(a, b) for a, b in pairs if read(a[1]).content != read(b[1]).content]
        scores.update(
            v.score
            for v in judge.judge(
                [Question("utility", f"{cls}/{a[0]}", question, a[1], b[1]) for a, b in pairs]
            )
        )
    total = scores.total()
    assert total > 30_000
    assert scores[0] >= 0.95 * total, scores
    assert scores[2] <= 0.015 * total, scores


SEATS = [
    f"It is based in {city}, California."
    for city in ("San Jose", "San Francisco", "Los Gatos", "Santa Clara")
]
KINDS = [
    # A shared state, continent or head noun earns nothing beside another's name ...
    ("Corporation/PayPal", "Where is its seat?", SEATS[0], SEATS[1], 0),
    ("Corporation/PayPal", "Where is its seat?", SEATS[0], "In Cupertino, California.", 0),
    ("Astronomy/Neptune", "What kind of planet is this?", "It is an ice giant.", "A gas giant.", 0),
    ("Animals/Pika", "Where does it live?", "In the mountains of North America.", "In the plains of North America.", 0),
    # ... and by itself a 1.
    ("Corporation/PayPal", "Where is its seat?", SEATS[0], "Somewhere in California.", 1),
    # Numbers with their units are exact, in any unit.
    ("Astronomy/Mars", "How long is its orbit?", "It takes about 687 days.", "1.88 Earth years.", 2),
    ("Astronomy/Mars", "How long is its orbit?", "It takes about 687 days.", "687 years.", 0),
    ("Astronomy/Mercury", "How long is its orbit?", "It takes about 88 days.", "84 years.", 0),
    ("Animals/Elephant", "How long does it live?", "They live 60 to 70 years.", "About 65 years.", 2),
    ("Astronomy/Jupiter", "Which planet is this from the Sun?", "It is the fifth planet.", "The 5th.", 2),
    ("Astronomy/Jupiter", "Which planet is this from the Sun?", "It is the fifth planet.", "The fourth planet.", 0),
    # What tells the truth from others is enough.
    ("Buildings/Eiffel_Tower", "Where does it stand?", "It stands in Paris, France.", "Paris.", 2),
    ("Corporation/PayPal", "Where is its seat?", SEATS[0], "San Jose.", 2),
    ("Buildings/Schwerin_Palace", "Where does it stand?", "It stands in Schwerin, Germany.", "In Schwerin.", 2),
    ("Buildings/Colosseum", "Who began it?", "It was begun by the emperor Vespasian.", "Vespasian.", 2),
    ("Plants/Reed", "When does it open, and who pollinates it?", "Pink bells open in June for possums.", "In June.", 1),
    # Names in other spellings, and short forms of given names; a surname alone is half a name.
    ("Corporation/Shopify", "Who founded it?", "It was founded by Tobias Lutke.", "Tobi Lütke.", 2),
    ("Corporation/Shopify", "Who founded it?", "It was founded by Tobias Lutke.", "Lütke", 1),
    ("Buildings/Opera", "Who designed it?", "It was designed by Jorn Utzon.", "Jørn Utzon", 2),
]  # fmt: skip


@pytest.mark.parametrize("case", KINDS, ids=lambda c: f"{c[2][:20]}|{c[3][:40]}")
def test_what_tells_one_truth_from_another(case: Case) -> None:
    references = [(c[0].split("/")[0], c[2]) for c in KINDS]
    references += [("Corporation", seat) for seat in SEATS]
    got = verdict("utility", case, RulesJudge(references))
    assert got.score == case[4], got.why
