"""The rule that chooses learning rates, and what is known of a model after a sequence of tasks."""

from pathlib import Path

import pytest

from choose_lr import Trial, choose, try_rate


def trial(lr: float, quality: float, utility: float, correctness: float) -> Trial:
    return Trial("ga", lr, quality, utility, correctness)


def test_of_rates_that_unlearn_the_one_that_keeps_most_is_taken() -> None:
    tried = [
        trial(1, 0.0, 1.0, 0.9),
        trial(2, 0.6, 0.7, 0.3),
        trial(3, 1.0, 0.0, 0.0),
    ]
    assert choose(tried).lr == 2


def test_of_equal_rates_the_lower_is_taken() -> None:
    assert choose([trial(2, 0.5, 0.5, 0.1), trial(1, 0.4, 0.6, 0.1)]).lr == 1


def test_where_none_unlearns_the_one_that_knows_least_is_taken() -> None:
    assert choose([trial(1, 0.0, 1.0, 0.9), trial(2, 0.1, 0.2, 0.7)]).lr == 2


@pytest.mark.parametrize("method", ["lumoe"])
def test_a_rate_is_tried_on_a_sequence_and_its_run_kept(method: str, tmp_path: Path) -> None:
    def tried() -> Trial:
        settings = ["evaluate.limit=8", "know.enabled=false"]
        return try_rate("smoke", method, 0.01, settings, tmp_path, tasks=("A", "B"))

    first = tried()
    assert first.method == method
    assert first.lr == 0.01
    # An expert at this rate has unlearned, and what must stay is the base's own.
    assert first.forget_correctness < 0.5
    assert first.utility > 0.5
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("answers/*/*.jsonl")}
    assert written
    assert tried() == first
    assert {path: path.stat().st_mtime_ns for path in written} == written
