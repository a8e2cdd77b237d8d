"""How systems are asked: each behind its own protection, without it on request, and one query that fails fails alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.audits.attack import Ask, ask
from mlubench.audits.systems import oracle as oracle_system
from mlubench.audits.systems.system import Said, System
from mlubench.audits.systems.table import system
from mlubench.audits.targets import Targets
from mlubench.experiment.context import Context
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from support.runs import Finished


@pytest.fixture(scope="module")
def ctx(finished: Finished, context: Callable[..., Context]) -> Context:
    return context(finished.folder)


def opened(ctx: Context, name: str) -> System:
    found = system(ctx, name)
    found.open()
    return found


def test_without_protection_every_system_is_the_base(ctx: Context, targets: Targets) -> None:
    asks = [ask(target.question, target.picture) for target in targets.forgotten]
    base = [said.text for said in opened(ctx, "base").answers(asks)]
    for name in ("npo", "lumoe", "gate-only", "prompt-only", "training-free"):
        attacked = opened(ctx, name)
        protected = [said.text for said in attacked.answers(asks)]
        with attacked.unprotected():
            bare = [said.text for said in attacked.answers(asks)]
        assert bare == base, name
        assert protected != base, name
        assert [said.text for said in attacked.answers(asks)] == protected, name


def test_the_training_free_gate_stops_what_is_forgotten_and_no_probability_is_read_there(
    ctx: Context, targets: Targets
) -> None:
    """The smoke world is easy: all of these pictures are like their request's examples, and none of the kept is."""
    forgotten = targets.forgotten[0]
    kept = targets.kept[0]
    asks = [
        Ask(target.question, ((0, target.picture),), candidates=(target.sample.truth,))
        for target in (forgotten, kept)
    ]
    found = opened(ctx, "training-free")
    stopped, told = found.answers(asks)
    assert stopped.text == GATE_REFUSAL
    assert stopped.experts == (forgotten.sample.task,)
    assert told == Said(opened(ctx, "base").answers(asks[1:])[0].text, ())
    unread, read = opened(ctx, "training-free").readings(asks)
    assert not unread
    assert len(read) == 1


def test_the_training_free_gate_sees_pictures_of_earlier_turns(
    ctx: Context, targets: Targets
) -> None:
    target = targets.forgotten[0]
    history = (("Look at this.", "I see it."),)
    asked = [Ask(target.question, ((0, target.picture),), history)]
    assert opened(ctx, "training-free").answers(asked)[0].text == GATE_REFUSAL


def test_the_oracle_is_asked_as_a_base_is_and_can_be_taught(
    ctx: Context, targets: Targets, base_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's own base stands in the place of one that was taught again, which takes minutes."""
    asked_for: list[list[str]] = []

    def taught(config: object, benchmark: object, done: list[str]) -> Path:
        asked_for.append(done)
        return base_path

    monkeypatch.setattr(oracle_system, "oracle_base", taught)
    asks = [
        Ask(target.question, ((0, target.picture),), candidates=(target.sample.truth,))
        for target in targets.forgotten
    ]
    base = opened(ctx, "base")
    said = base.answers(asks)
    read = base.readings(asks)
    oracle = opened(ctx, "oracle")
    assert asked_for == [["A", "B"]]
    assert oracle.answers(asks) == said
    assert oracle.readings(asks) == read
    with oracle.relearned("retain", 8, 5):
        assert oracle.readings(asks) != read
    assert oracle.readings(asks) == read


def test_an_answer_that_is_begun_goes_on_from_there(ctx: Context, targets: Targets) -> None:
    target = targets.kept[0]
    plain, begun = opened(ctx, "base").answers(
        [
            ask(target.question, target.picture),
            Ask(target.question, ((0, target.picture),), begun=target.sample.truth.split()[0]),
        ]
    )
    first, rest = begun.text.split(maxsplit=1)
    assert first == target.sample.truth.split()[0]
    assert rest
    # The base says the truth, so its own first word is no other beginning.
    assert plain.text.split()[0] == first
    assert begun.text == plain.text


def test_a_query_that_is_too_long_fails_alone(ctx: Context, targets: Targets) -> None:
    target = targets.kept[0]
    too_long = ask("word " * 5000, target.picture)
    fine = ask(target.question, target.picture)
    answers = opened(ctx, "base").answers([fine, too_long, fine])
    assert [bool(said.failed) for said in answers] == [False, True, False]
    assert answers[0].text == answers[2].text != ""


def test_an_earlier_picture_reaches_the_gate(
    ctx: Context, targets: Targets, tmp_path: Path
) -> None:
    target = targets.forgotten[0]
    history = (("Look at this.", "I see it."),)
    said = opened(ctx, "lumoe").answers([Ask(target.question, ((0, target.picture),), history)])
    assert said[0].experts == (target.sample.task,)
