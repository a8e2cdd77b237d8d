"""Alternates that the base draws in place of truths."""

from pathlib import Path

import pytest

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark
from mlubench.unlearning import alternates
from mlubench.unlearning.alternates import draw_alternates, with_alternates
from mlubench.unlearning.schedule import schedule
from support.trainings import HARD, LORA, fit, train


def test_guesses_are_answers_and_hardly_ever_the_truth(mllm: MLLM, benchmark: Benchmark) -> None:
    forget = fit(benchmark, "forget")
    drawn = draw_alternates(mllm, forget, batch=3, seed=0)
    assert all(drawn)
    assert sum(guess == s.truth for guess, s in zip(drawn, forget, strict=True)) <= 1
    assert drawn == draw_alternates(mllm, forget, batch=3, seed=0)
    assert drawn != draw_alternates(mllm, forget, batch=3, seed=1)


def test_the_base_draws_them_whatever_was_trained_since(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    forget = fit(benchmark, "forget", count=4)
    before = draw_alternates(mllm, forget, batch=4, seed=0)
    add_adapter(mllm, "ga", LORA, "language", seed=0)
    train(mllm, "ga", benchmark, tmp_path, HARD, fresh=False)
    assert draw_alternates(mllm, forget, batch=4, seed=0) == before


def test_a_guess_that_is_the_truth_is_drawn_again(
    mllm: MLLM, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fit(benchmark, "forget", count=2)
    replies = [[f" {first.truth.upper()} ", "another"], ["a third"]]
    monkeypatch.setattr(alternates, "_draw", lambda mllm, samples: replies.pop(0))
    assert draw_alternates(mllm, [first, second], batch=2, seed=0) == ["a third", "another"]


def test_each_item_gets_a_stand_in_of_its_own_sample(mllm: MLLM, benchmark: Benchmark) -> None:
    items = schedule(fit(benchmark, "forget", count=3), [], epochs=2, seed=0)
    found = with_alternates(mllm, items, batch=3, seed=0)
    guesses = {item["forget"].id: item["alternate"].truth for item in found}
    assert len(guesses) == 3
    for item in found:
        stand_in = item["alternate"]
        assert (stand_in.id, stand_in.question) == (item["forget"].id, item["forget"].question)
        assert stand_in.truth == guesses[stand_in.id]
