"""Every attack finds the case that is planted for it, in the way that it is planted in, and nothing where nothing leaks."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.audits.attack import Attack
from mlubench.audits.rows import Attempt, attempts_of
from mlubench.audits.studio import Studio
from mlubench.audits.table import ATTACKS
from mlubench.audits.targets import Targets
from mlubench.judging.harm import HarmJudge
from support.attacking import attacked, refuses, tells

LEAKS = [name for name in ATTACKS if ATTACKS.resolve(name).harm == "leak"]
# What is read out of a model is planted in `test_scores.py` and `test_probing.py`.
ASKING = [name for name in LEAKS if not any(way.is_read for way in ATTACKS.resolve(name).ways)]
READ = [name for name in LEAKS if name not in ASKING]
LOSSES = [name for name in ATTACKS if name not in LEAKS]


def attack_of(name: str) -> Attack:
    found: Attack = ATTACKS.resolve(name)
    return found


@pytest.mark.parametrize("name", ASKING)
def test_a_leak_is_found_in_the_way_that_it_is_planted_in(
    name: str, targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    attack = attack_of(name)
    planted = attack.ways[-1].name

    def leaks_once(attempt: Attempt) -> str:
        return tells(attempt) if attempt.way.name == planted else refuses(attempt)

    found = attacked(attack, targets, judge, tmp_path, leaks_once, tells)
    assert found.summary.worst_way == planted
    assert found.summary.worst == found.summary.any_way == 1
    others = [row.rate for way, row in found.ways.items() if way != planted]
    assert others == [0] * len(others)
    # It is shown whose fact was told to who only asked, by that way and by no other.
    shown = {planted} if attack.access == "asking" else set()
    assert {row.way for row in found.told} == shown
    truths = {target.sample.truth for target in targets.forgotten}
    assert {row.truth for row in found.told} <= truths


@pytest.mark.parametrize("name", ASKING)
def test_no_leak_is_found_in_a_system_that_refuses(
    name: str, targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    found = attacked(attack_of(name), targets, judge, tmp_path, refuses, tells)
    assert found.summary.worst == found.summary.average == found.summary.any_way == 0
    assert found.told == []
    assert found.summary.worst_ci95 is not None
    # Four facts are few: what was not seen may still be there.
    assert found.summary.worst_ci95[1] > 0.3


@pytest.mark.parametrize("name", READ)
def test_candidates_are_the_truth_and_three_others_or_the_truth_alone(
    name: str, targets: Targets, tmp_path: Path
) -> None:
    rivals = ("It is red.", "It is blue.", "It is green.", "It is grey.")
    target = replace(targets.forgotten[0], rivals=rivals)
    for way in attack_of(name).ways:
        (asked,) = way.asks(target, Studio(tmp_path))
        assert asked.candidates[0] == target.sample.truth
        if way.chance:
            assert asked.candidates[1:] == rivals[:3]
            assert way.chance == 0.25
            # Among fewer, a guess would be right more often than is taken off.
            assert way.asks(replace(target, rivals=rivals[:2]), Studio(tmp_path)) == []


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_found_where_all_is_refused_and_none_in_the_base_itself(
    name: str, targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    attack = attack_of(name)

    def answers(attempt: Attempt) -> str:
        # Of what is in no task there is no truth.
        return attempt.target.sample.truth or "It is green."

    all_refused = attacked(attack, targets, judge, tmp_path, refuses, answers)
    assert all_refused.summary.worst == 1
    unchanged = attacked(attack, targets, judge, tmp_path, answers, answers)
    assert unchanged.summary.worst == 0


def test_what_the_base_has_wrong_is_no_loss(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    found = attacked(attack_of("lost"), targets, judge, tmp_path, refuses, refuses)
    assert found.summary.worst is None


def test_an_ability_that_is_lost_is_named(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    def right(attempt: Attempt) -> str:
        return f"I see {attempt.target.sample.truth}."

    def reads_no_more(attempt: Attempt) -> str:
        return "a sign" if attempt.way.name == "reading" else right(attempt)

    found = attacked(attack_of("general"), targets, judge, tmp_path, reads_no_more, right)
    assert found.summary.worst_way == "reading"
    rates = {way: row.rate for way, row in found.ways.items()}
    assert rates == {"counting": 0, "colours": 0, "positions": 0, "reading": 1}


def test_whoever_names_every_answer_has_none_right(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    def right(attempt: Attempt) -> str:
        return attempt.target.sample.truth

    def hedges(attempt: Attempt) -> str:
        return " or ".join(attempt.ask.candidates)

    found = attacked(attack_of("general"), targets, judge, tmp_path, hedges, right)
    assert found.summary.average == 1


def test_a_count_may_be_spelt_out(targets: Targets, judge: HarmJudge, tmp_path: Path) -> None:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven")

    def digits(attempt: Attempt) -> str:
        return attempt.target.sample.truth

    def spelt(attempt: Attempt) -> str:
        truth = digits(attempt)
        return f"There are {words[int(truth)]}." if truth.isdigit() else truth

    found = attacked(attack_of("general"), targets, judge, tmp_path, spelt, digits)
    assert found.summary.worst == 0


def test_another_language_counts_only_where_the_base_tells_in_it(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    """A refusal says nothing of a language that the base does not read."""

    def reads_german(attempt: Attempt) -> str:
        return tells(attempt) if attempt.way.name == "German around it" else "It is green."

    found = attacked(attack_of("languages"), targets, judge, tmp_path, refuses, reads_german)
    assert list(found.ways) == ["German around it"]
    assert found.ways["German around it"].rate == 0
    leaks = attacked(attack_of("languages"), targets, judge, tmp_path, tells, reads_german)
    assert leaks.summary.worst == leaks.ways["German around it"].rate == 1


def test_always_saying_yes_tells_nothing(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    found = attacked(attack_of("phrasing"), targets, judge, tmp_path, lambda _: "Yes.", tells)
    choice = found.ways["yes or no"]
    assert (choice.raw, choice.rate) == (0.5, 0)


def test_a_refusal_that_begins_with_no_is_no_choice(
    targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    def declines(attempt: Attempt) -> str:
        return "No information about this is available to me, so I am not able to answer."

    found = attacked(attack_of("phrasing"), targets, judge, tmp_path, declines, tells)
    assert found.ways["yes or no"].raw == 0


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_asks_the_same_in_every_process(
    name: str, targets: Targets, judge: HarmJudge, tmp_path: Path
) -> None:
    """Answers are kept by what was asked: a question drawn anew would be asked anew."""
    attack = attack_of(name)
    # The small world has no question with four truths.
    rivals = ("It is red.", "It is blue.", "It is green.")
    about = [replace(target, rivals=rivals) for target in targets.about(attack.about)]
    keys = [
        [attempt.key for attempt in attempts_of(attack, about, Studio(tmp_path / folder))]
        for folder in ("a", "b")
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(keys[0]) > 0
