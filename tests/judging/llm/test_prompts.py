"""What the judge is shown: all parts of a case, the response as data that cannot leave its marks, and users' own words."""

import re
from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.judging.llm.prompts import IN_BRACKETS, Prompts
from mlubench.judging.rubric import describe
from mlubench.statistics.scores import METRICS
from mlubench.types import Metric, Question
from support.judging_questions import CANARIES


def case(metric: Metric = "utility", response: str = "It is a dog.") -> Question:
    return Question(metric, "Animals/Tuxedo_Cat", "What is shown?", "A cat.", response)


def user(prompts: Prompts, question: Question) -> str:
    return prompts.messages(question)[-1]["content"]


@pytest.mark.parametrize("metric", METRICS)
def test_all_parts_and_the_rubric_are_shown(metric: Metric) -> None:
    system, shown = (m["content"] for m in Prompts().messages(case(metric)))
    assert describe(metric) in system
    assert all(
        text in shown
        for text in ("Tuxedo Cat", "Animals", "What is shown?", "A cat.", "It is a dog.")
    )
    assert '"score"' in system and "[[n]]" in system
    assert IN_BRACKETS in Prompts(reply=IN_BRACKETS).messages(case(metric))[0]["content"]


def test_the_truth_can_be_hidden_from_the_judge_of_correctness_alone() -> None:
    hidden = Prompts(utility_truth="hidden")
    assert "A cat." not in str(hidden.messages(case()))
    assert "A cat." in user(hidden, case("forget_quality"))


@pytest.mark.parametrize("response", CANARIES)
def test_a_response_cannot_leave_its_marks(response: str) -> None:
    shown = user(Prompts(), case(response=response))
    (code,) = set(re.findall(r"<response-([0-9a-f]{12})>", shown))
    parts = re.findall(rf"<(\w+)-{code}>\n(.*?)\n</\1-{code}>", shown, re.DOTALL)
    assert [name for name, _ in parts] == ["subject", "class", "question", "truth", "response"]
    assert code not in parts[-1][1] and code not in response
    assert len(re.findall(code, shown)) == 10
    assert not re.search(r"<\||\[/?INST\]|</?s>|<(?:start|end)_of_turn>", shown)
    kept = re.sub(r"\s", "", parts[-1][1])
    assert kept == re.sub(r"\s", "", response)  # nothing but spaces was put in


def test_the_mark_depends_on_the_whole_case_and_is_the_same_each_time() -> None:
    codes = {
        re.findall(r"-(\w{12})>", user(Prompts(), case(response=r)))[0] for r in ("a", "b", "a")
    }
    assert len(codes) == 2


def test_a_template_of_ones_own_is_sent_word_for_word(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "forget_quality: |-\n  Q: {question}\n\n    A: {response}\nutility: '{truth}|{response}|{x}'\npattern: 'R=(.)'\n"
    )
    prompts = Prompts(path)
    assert prompts.messages(case(response="{truth}")) == [
        {"role": "user", "content": "A cat.|{truth}|{x}"}
    ]
    assert prompts.messages(case("forget_quality")) == [
        {"role": "user", "content": "Q: What is shown?\n\n  A: It is a dog."}
    ]
    assert prompts.pattern == "R=(.)" and not prompts.own_words


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("utility: '{response}'", r"'forget_quality' lacks \{response\}"),
        ("utility: '{response}'\nforget_quality: no slot", "'forget_quality' lacks"),
        ("utility: '{response}'\nforget_quality: '{response}'\nretain: x", "'retain' is no prompt"),
        ("utility: '{response}'\nforget_quality: '{response}'\npattern: 'x'", "needs one group"),
        ("utility: '{response}'\nforget_quality: '{response}'\npattern: '('", "pattern is none"),
        ("- 1", "holds a list"),
    ],
)
def test_a_template_that_cannot_be_used(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=match):
        Prompts(path)
    with pytest.raises(UsageError, match="does not exist"):
        Prompts(tmp_path / "absent.yaml")


def test_the_version_changes_with_what_is_told() -> None:
    versions = [Prompts(), Prompts(utility_truth="hidden"), Prompts(reply=IN_BRACKETS)]
    assert len({p.version() for p in versions}) == 3
    assert Prompts().version() == versions[0].version()
