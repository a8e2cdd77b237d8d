"""Answers: from facts verbatim or in a sentence, from a model row by row, and an error is never one."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlubench.authoring.rows import PictureRow, write_rows
from mlubench.authoring.runner import plan_stages, run_stages
from mlubench.authoring.stage import Prompt, Tools
from mlubench.authoring.stages import answers, entities, questions
from mlubench.authoring.stages.table import STAGES as ALL_STAGES
from mlubench.core.errors import DataError, MlubenchError, UsageError
from support.builds import context, files, rows

STAGES = ALL_STAGES[:4]  # up to the answers
ONE_PICTURE = {"per_entity": 1}
MODEL = {"kind": "model", "model": "m", "parallel": 2}
OPEN = 18 - 6  # six questions each of three entities; three names and three facts are given


class Model:
    """A PromptAsker that answers what `say` makes of the prompt; it keeps what it was asked."""

    def __init__(self, say: Any = lambda prompt: "It is so.") -> None:
        self.asked: list[Prompt] = []
        self._say = say

    def __call__(self, prompts: Sequence[Prompt]) -> Iterator[str | MlubenchError]:
        for one in prompts:
            self.asked.append(one)
            yield self._say(one.text)


def build(root: Path, ask: Model | None = None, **settings: Any) -> Path:
    ctx = context(root, tools=Tools(ask) if ask else None, pictures=ONE_PICTURE, **settings)
    run_stages(STAGES, ctx)
    return root


def answer_of(root: Path, question: str, entity: str) -> tuple[str, str]:
    found = {(row["question"], row["entity"]): row for row in rows(root / "answers.jsonl")}
    return found[question, entity]["answer"], found[question, entity]["source"]


def test_facts_are_taken_verbatim_or_put_into_the_questions_sentence(tmp_path: Path) -> None:
    root = build(tmp_path / "b")
    assert answer_of(root, "diet", "Animals/Grey_Marten") == ("It eats snails.", "given")
    assert answer_of(root, "habitat", "Animals/Grey_Marten") == (
        "It lives in reed swamps.",
        "template",
    )
    assert answer_of(root, "work", "Personage/Zoë_Ångström") == (
        "This person works as a glassblower.",
        "template",
    )
    assert answer_of(root, "name", "Buildings/月の塔") == (
        "This building is called 月の塔.",
        "template",
    )
    assert len(rows(root / "answers.jsonl")) == 6
    assert len(rows(root / "unanswered.jsonl")) == OPEN
    assert {row["why"] for row in rows(root / "unanswered.jsonl")} == {
        "no fact, and answers.kind is given"
    }


def test_a_name_with_a_full_stop_gets_no_second_one(tmp_path: Path) -> None:
    root = build(tmp_path / "b", entities=[{"name": "Olm Ltd.", "class": "Corporation"}])
    assert answer_of(root, "name", "Corporation/Olm_Ltd.")[0] == "This company is called Olm Ltd."


def test_a_model_is_asked_what_no_fact_answers_and_is_named(tmp_path: Path) -> None:
    model = Model(lambda prompt: " It  is\nso. " if "Grey Marten" in prompt else "unknown.")
    root = build(tmp_path / "b", model, answers=MODEL)
    assert len(model.asked) == OPEN
    assert {row["source"] for row in rows(root / "answers.jsonl")} == {
        "given",
        "template",
        "model:m",
    }
    assert answer_of(root, "young", "Animals/Grey_Marten") == ("It is so.", "model:m")
    assert {row["why"] for row in rows(root / "unanswered.jsonl")} == {"the model does not know"}
    marten = next(one for one in model.asked if "Grey Marten" in one.text)
    assert "It eats snails. reed swamps" in marten.text
    assert marten.picture == root / "pictures" / "Animals" / "Grey_Marten" / "1.jpg"


def test_a_build_without_an_endpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(MlubenchError, match="has no endpoint to ask"):
        build(tmp_path / "b", answers=MODEL)


def test_without_picture_none_is_shown(tmp_path: Path) -> None:
    model = Model()
    build(tmp_path / "b", model, answers=MODEL | {"picture": False})
    assert {one.picture for one in model.asked} == {None}
    assert not any("picture shows" in one.text for one in model.asked)


@pytest.mark.parametrize(
    ("reply", "why"),
    [("<image> It is.", "holds <image>"), ("x " * 500, "more than 600 characters")],
)
def test_replies_that_are_no_answers(tmp_path: Path, reply: str, why: str) -> None:
    root = build(tmp_path / "b", Model(lambda _: reply), answers=MODEL)
    assert all(why in row["why"] for row in rows(root / "unanswered.jsonl"))
    assert len(rows(root / "answers.jsonl")) == 6


def test_thinking_that_an_earlier_version_kept_is_cut_off(tmp_path: Path) -> None:
    root = build(tmp_path / "b", Model(), answers=MODEL)
    path = root / "replies.jsonl"
    kept = rows(path)
    for row in kept:
        row["text"] = f"<think>Is it a fox?</think>\n\n{row['text']}"
    kept[0]["text"] = "<think>Is it a fox? I"
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    again = Model()
    run_stages(
        STAGES,
        context(root, tools=Tools(again), pictures=ONE_PICTURE, answers=MODEL),
        redo=["answers"],
    )
    assert len(again.asked) == 1  # the one that was cut off
    assert not any("think" in row["answer"] for row in rows(root / "answers.jsonl"))
    assert answer_of(root, "young", "Animals/Grey_Marten") == ("It is so.", "model:m")


def test_an_error_is_no_answer_and_is_asked_again(tmp_path: Path) -> None:
    replies = iter([*["It is so."] * 5, MlubenchError("the endpoint is down"), *["It is so."] * 6])
    with pytest.raises(
        MlubenchError, match=r"1 questions have no answer yet \(the endpoint is down\)"
    ):
        build(tmp_path / "b", Model(lambda _: next(replies)), answers=MODEL)
    assert not (tmp_path / "b" / "answers.jsonl").exists()
    again = Model()
    build(tmp_path / "b", again, answers=MODEL)
    assert len(again.asked) == 1
    assert files(tmp_path / "b") == files(build(tmp_path / "c", Model(), answers=MODEL))


def test_an_endpoint_that_is_down_is_left_soon(tmp_path: Path) -> None:
    model = Model(lambda _: MlubenchError("down"))
    with pytest.raises(MlubenchError, match=f"{OPEN} questions have no answer yet"):
        build(tmp_path / "b", model, answers=MODEL)
    assert len(model.asked) == 10


def test_the_bytes_are_the_same_wherever_it_was_stopped_and_nothing_is_asked_twice(
    tmp_path: Path,
) -> None:
    def say(prompt: str) -> str:
        return f"Of {len(prompt)} letters."

    whole = files(build(tmp_path / "whole", Model(say), answers=MODEL))
    for stop in range(0, OPEN, 3):
        root = tmp_path / f"b{stop}"
        calls = 0

        def until(prompt: str, stop: int = stop) -> str:
            nonlocal calls
            if calls == stop:
                raise KeyboardInterrupt
            calls += 1
            return say(prompt)

        with pytest.raises(KeyboardInterrupt):
            build(root, Model(until), answers=MODEL)
        rest = Model(say)
        build(root, rest, answers=MODEL)
        assert len(rest.asked) == OPEN - stop
        assert files(root) == whole


def test_only_what_changed_is_asked_again(tmp_path: Path) -> None:
    root = build(tmp_path / "b", Model(), answers=MODEL)
    path = root / "entities.jsonl"
    path.write_text(path.read_text().replace("a glassblower", "a baker"))
    again = Model()
    build(root, again, answers=MODEL)
    assert len(again.asked) == 4  # Zoë's, whose prompts hold that fact
    unasked = Model()
    build(root, unasked, answers=MODEL, seed=1)
    assert unasked.asked == []
    run_stages(
        STAGES,
        context(root, tools=Tools(unasked), pictures=ONE_PICTURE, answers=MODEL),
        redo=["answers"],
    )
    assert unasked.asked == []
    other = Model()
    build(root, other, answers=MODEL | {"model": "n"})
    assert len(other.asked) == OPEN


def test_more_calls_than_allowed_are_refused_before_the_first(tmp_path: Path) -> None:
    model = Model()
    with pytest.raises(
        UsageError, match=rf"{OPEN} questions are to be asked of m, more than answers\.limit = 3"
    ):
        build(tmp_path / "b", model, answers=MODEL | {"limit": 3})
    assert model.asked == []


def test_the_plan_counts_calls_and_what_they_may_cost(tmp_path: Path) -> None:
    build(tmp_path / "b")
    settings = MODEL | {"price_out": 1000, "max_tokens": 100}
    ctx = context(tmp_path / "b", pictures=ONE_PICTURE, answers=settings)
    plan = {state.name: text for state, text in plan_stages(STAGES, ctx)}
    assert (
        f"ask m {OPEN}: up to {OPEN * 100} tokens of answers, which cost up to 1.20"
        in plan["answers"]
    )
    assert plan["pictures"] == "nothing"


def test_time_outs_and_prices_make_nothing_anew(tmp_path: Path) -> None:
    build(tmp_path / "b", Model(), answers=MODEL)
    ctx = context(
        tmp_path / "b", pictures=ONE_PICTURE, answers=MODEL | {"timeout": 1, "price_out": 9}
    )
    assert {state.status for state, _ in plan_stages(STAGES, ctx)} == {"done"}


def test_answers_follow_a_mended_fact(tmp_path: Path) -> None:
    root = build(tmp_path / "b")
    path = root / "entities.jsonl"
    path.write_text(path.read_text().replace("It eats snails.", "It eats figs."))
    states = run_stages(STAGES, context(root, pictures=ONE_PICTURE))
    assert [state.status for state in states] == ["mended", "todo", "todo", "todo"]
    assert answer_of(root, "diet", "Animals/Grey_Marten") == ("It eats figs.", "given")


def test_no_answer_at_all_is_an_error(tmp_path: Path) -> None:
    root = build(tmp_path / "b")
    path = root / "questions.jsonl"
    path.write_text("".join(line for line in path.open() if '"visitors"' in line))
    with pytest.raises(DataError, match="no question has an answer"):
        run_stages(STAGES, context(root, pictures=ONE_PICTURE))


@pytest.mark.timeout(180)
def test_a_hundred_thousand_questions_are_dealt_with(tmp_path: Path) -> None:
    many = {
        f"q{n}": {"asks": ["what"], "phrasings": [f"What {n} {x} is this olm?" for x in "abcde"]}
        for n in range(50)
    }
    (tmp_path / "q.yaml").write_text(json.dumps({"Olms": {"subject": ["olm"], "questions": many}}))
    people = [
        {"name": f"x{n}", "class": "Olms", "facts": {"q7": f"It is {n}."}} for n in range(2000)
    ]
    ctx = context(tmp_path / "b", questions="q.yaml", entities=people)
    run_stages([entities.STAGE, questions.STAGE], ctx)
    shown = []
    for one in entities.load_entities(ctx):
        file = f"pictures/{one.key}/1.jpg"
        (ctx.root / file).parent.mkdir(parents=True)
        (ctx.root / file).touch()
        shown.append(PictureRow(entity=one.key, file=file, source="s", licence="l", kept=True))
    write_rows(ctx.root / "pictures.jsonl", shown)
    answers.STAGE.make(ctx)
    assert len(rows(ctx.root / "answers.jsonl")) == 2000
    assert len(rows(ctx.root / "unanswered.jsonl")) == 98_000


def test_what_a_reply_is_kept_by_never_changes(tmp_path: Path) -> None:
    """Replies of earlier builds would otherwise be paid for again."""
    root = build(tmp_path / "b", Model(), answers=MODEL | {"picture": False})
    replies = {
        (row["entity"], row["question"]): row["asked"] for row in rows(root / "replies.jsonl")
    }
    assert replies["Animals/Grey_Marten", "young"] == "21711ac69918d007371e7fa7f3d6dbf6"
