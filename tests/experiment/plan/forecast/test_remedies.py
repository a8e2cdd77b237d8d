"""Which settings make a run fit, on needs that are given."""

from dataclasses import replace

from mlubench.experiment.plan.forecast.parts import RESERVE, MemoryNeed, MethodForecast
from mlubench.experiment.plan.forecast.remedies import find_remedy
from mlubench.settings.loading import load
from mlubench.settings.run import Config

GB = 10**9


def need(weights: int, batch: int, rows: int) -> MemoryNeed:
    return MemoryNeed(weights * GB, 1 * GB, 0, batch * GB, batch * GB // rows)


def method(*, plain: int = 32, checkpointed: int = 4, answering: int = 8) -> MethodForecast:
    """One that trains in batches of 4 and answers in batches of 8, on a base of 14 GB."""
    return MethodForecast(
        name="ga",
        training=need(14, plain, 4),
        checkpointing=False,
        otherwise=need(14, checkpointed, 4),
        answering=need(14, answering, 8),
        step_flops=1,
        step_seconds=1.0,
        answer_seconds=1.0,
        training_seconds=1.0,
        answering_seconds=1.0,
        answering_seconds_most=1.0,
    )


def config() -> Config:
    return load("smoke", ["methods=[ga]", "train.batch=4", "evaluate.batch=8"])


def settings(
    room: int, *, one: MethodForecast | None = None, quantised: int | None = 5 * GB
) -> tuple:
    found = find_remedy(config(), [one or method()], room * GB, quantised)
    return found.settings if found is not None else ()


def test_the_reserve_counts() -> None:
    assert need(14, 4, 4).total == 14 * GB + GB + 4 * GB + RESERVE


def test_what_changes_no_result_comes_first() -> None:
    # 14 + 1 + 4 + 1 = 20 GB of training, 24 GB of answering.
    assert settings(24) == ("train.gradient_checkpointing=true",)
    assert settings(20) == ("train.gradient_checkpointing=true", "evaluate.batch=4")


def test_smaller_batches_of_answers_may_be_enough() -> None:
    assert settings(60, one=method(answering=80)) == ("evaluate.batch=4",)


def test_then_smaller_batches_of_training() -> None:
    checkpointed = "train.gradient_checkpointing=true"
    assert settings(18) == (checkpointed, "train.batch=2", "evaluate.batch=2")


def test_then_four_bits() -> None:
    four = ("model.quantization=4bit", "train.gradient_checkpointing=true")
    # 5 + 1 + 4 + 1 = 11 GB.
    assert settings(12) == (*four, "evaluate.batch=5")
    assert settings(9) == (*four, "train.batch=2", "evaluate.batch=2")
    assert settings(12, quantised=None) == ()


def test_nothing_may_help() -> None:
    assert settings(6) == ()


def test_a_remedy_says_what_it_needs() -> None:
    found = find_remedy(config(), [method(), replace(method(), name="kl")], 20 * GB, None)
    assert found is not None
    assert found.training_bytes == 20 * GB
    assert found.answering_bytes == 20 * GB
