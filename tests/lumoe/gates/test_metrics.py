"""Leaks, over-refusals and wrong experts of a gate made by hand, counted by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.data.strangers import Stranger, Strangers
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.metrics import gate_report
from mlubench.runs.gate_rows import GateRow
from mlubench.statistics.intervals import wilson
from mlubench.types import Benchmark, Entity, Route, Sample, Task

CAT, DOG, ANT, BEE = (Entity("Animals", name) for name in ("Cat", "Dog", "Ant", "Bee"))


class ByHand:
    """Routes each picture as it is told: file name -> (experts, score)."""

    name = "by hand"

    def __init__(self, plan: dict[str, tuple[tuple[str, ...], float]]) -> None:
        self.plan = plan
        self.asked: list[str] = []

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        self.asked += [q.image.name for q in queries]
        return [
            Route(self.plan[q.image.name][0], None, self.plan[q.image.name][1], "") for q in queries
        ]


def sample(task: str, split: str, entity: Entity, image: str, number: int = 0) -> Sample:
    return Sample(
        f"{image}-{number}", task, split, entity, image, f"Question {number}?", "x", "f", 0, "test"
    )


# Task A forgets cats and keeps bees, B forgets dogs, C (yet to come) forgets ants.
CATS = [sample("A", "forget", CAT, f"cat{n}.jpg") for n in range(4)]
DOGS = [sample("B", "forget", DOG, f"dog{n}.jpg") for n in range(3)]
BEES = [sample("A", "retain", BEE, f"bee{n}.jpg") for n in range(3)]
ANTS = [sample("C", "forget", ANT, f"ant{n}.jpg") for n in range(2)]
TASKS = (
    Task("A", tuple(CATS), tuple(BEES)),
    Task("B", tuple(DOGS), ()),
    Task("C", tuple(ANTS), ()),
)
BENCHMARK = Benchmark(TASKS, Path("pictures"), True, "")
PLAN = {
    "cat0.jpg": (("A",), 0.9),  # right
    "cat1.jpg": (("A", "B"), 0.8),  # right: its expert is among them
    "cat2.jpg": (("B",), 0.7),  # a leak, and a wrong expert
    "cat3.jpg": ((), 0.2),  # a leak
    "dog0.jpg": (("B",), 0.9),
    "dog1.jpg": (("B",), 0.6),
    "dog2.jpg": (("B",), 0.5),
    "bee0.jpg": ((), 0.1),
    "bee1.jpg": ((), 0.2),
    "bee2.jpg": (("A",), 0.55),  # an over-refusal
    "ant0.jpg": ((), 0.0),
    "ant1.jpg": (("B",), 0.95),  # so is this, until C is unlearned
}
ALL = CATS + DOGS + BEES + ANTS


def features(paths: Sequence[Path]) -> Tensor:
    return torch.zeros(len(paths), 2)


def report(done: int, samples: list[Sample] = ALL) -> GateRow:
    return gate_report(ByHand(PLAN), TASKS[:done], BENCHMARK, features, samples)


def test_rates_by_hand() -> None:
    got = report(2)
    assert (got.gate, got.after, got.n) == ("by hand", "B", 12)
    assert (got.leak_rate, got.leak_rate_n) == (round(2 / 7, 6), 7)
    assert (got.wrong_expert_rate, got.wrong_expert_rate_n) == (round(1 / 7, 6), 7)
    assert (got.over_refusal_rate, got.over_refusal_rate_n) == (round(1 / 3, 6), 3)
    assert (got.unseen_refusal_rate, got.unseen_refusal_rate_n) == (
        0.5,
        2,
    )  # C is yet to come
    assert got.leak_rate_ci95 == wilson(2, 7)
    assert got.over_refusal_rate_ci95 == wilson(1, 3)
    assert got.wrong_expert_rate_ci95 == wilson(1, 7)
    assert got.latency_ms_p50 >= 0


def test_auroc_by_hand() -> None:
    """Scores of the forget pictures against those of the rest: the share of pairs in the right order, ties half."""
    forget, rest = [0.9, 0.8, 0.7, 0.2, 0.9, 0.6, 0.5], [0.1, 0.2, 0.55]
    pairs = [1.0 if f > r else 0.5 if f == r else 0.0 for f in forget for r in rest]
    assert report(2).auroc == pytest.approx(sum(pairs) / 21, abs=1e-6)


def test_what_is_yet_to_come_is_not_to_be_refused() -> None:
    first = report(1)  # dogs are still to be answered
    assert (first.leak_rate_n, first.over_refusal_rate_n, first.unseen_refusal_rate_n) == (
        4,
        3,
        5,
    )
    assert first.leak_rate == 0.5
    assert (first.over_refusal_rate, first.unseen_refusal_rate) == (round(1 / 3, 6), 0.8)
    last = report(3)  # both ants leak now, one of them to the wrong expert
    assert (last.leak_rate, last.wrong_expert_rate) == (round(4 / 9, 6), round(2 / 9, 6))
    assert last.over_refusal_rate == round(1 / 3, 6)


def test_one_query_a_picture() -> None:
    gate = ByHand(PLAN)
    again = [sample(s.task, s.split, s.entity, s.image, n) for s in CATS for n in range(5)]
    got = gate_report(gate, TASKS[:1], BENCHMARK, features, again)
    assert sorted(gate.asked) == ["cat0.jpg", "cat1.jpg", "cat2.jpg", "cat3.jpg"]
    assert (got.n, got.leak_rate_n, got.leak_rate) == (4, 4, 0.5)


def test_a_rate_of_nothing_is_none() -> None:
    got = report(2, CATS)
    assert got.over_refusal_rate is None
    assert got.over_refusal_rate_ci95 is None
    assert got.over_refusal_rate_n == 0
    assert got.auroc is None


def test_a_perfect_gate() -> None:
    plan = {s.image: (((s.task,), 1.0) if s.split == "forget" else ((), 0.0)) for s in ALL}
    got = gate_report(ByHand(plan), TASKS, BENCHMARK, features, ALL)
    assert (got.leak_rate, got.over_refusal_rate, got.wrong_expert_rate, got.auroc) == (
        0,
        0,
        0,
        1,
    )


def strangers(*names: str) -> Strangers:
    return Strangers(
        tuple(Stranger(Entity("Animals", n), Path(f"{n}.jpg"), "Which animal?") for n in names)
    )


def test_strangers_that_reach_an_expert_by_hand() -> None:
    plan = PLAN | {"fox.jpg": (("A", "B"), 0.7), "owl.jpg": ((), 0.1), "elk.jpg": ((), 0.9)}
    gate = ByHand(plan)
    asked = strangers("fox", "owl", "elk")
    got = gate_report(gate, TASKS[:2], BENCHMARK, features, ALL, strangers=asked)
    assert (got.stranger_rate, got.stranger_rate_n) == (round(1 / 3, 6), 3)
    assert got.stranger_rate_ci95 == wilson(1, 3)
    assert gate.asked[-3:] == ["fox.jpg", "owl.jpg", "elk.jpg"]
    # All else is as it is without them, but for the time that a query takes.
    alone = report(2).as_json()
    for key in ("stranger_rate", "stranger_rate_ci95", "stranger_rate_n"):
        assert key not in alone
    shared = {key: value for key, value in got.as_json().items() if key in alone}
    assert shared | {"latency_ms_p50": 0} == alone | {"latency_ms_p50": 0}


def test_why_no_stranger_was_asked_about_stands_in_the_report() -> None:
    none = Strangers(why_none="nobody named any")
    got = gate_report(ByHand(PLAN), TASKS, BENCHMARK, features, ALL, strangers=none).as_json()
    assert got["stranger_rate"] is None
    assert (got["stranger_rate_n"], got["no_strangers"]) == (0, "nobody named any")


def test_a_stranger_that_the_gate_fails_at_counts_for_nothing() -> None:
    class Failing(ByHand):
        def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
            if any(query.image.name == "owl.jpg" for query in queries):
                raise MlubenchError("down")
            return super().route(queries, features)

    gate = Failing(PLAN | {"fox.jpg": (("A",), 0.7), "owl.jpg": ((), 0.1)})
    asked = strangers("fox", "owl")
    got = gate_report(gate, TASKS, BENCHMARK, features, ALL, strangers=asked)
    assert (got.stranger_rate, got.stranger_rate_n, got.failed) == (1, 1, 0)


def test_kinds_of_pictures_are_told_apart() -> None:
    others = {"cat2.jpg", "cat3.jpg", "bee0.jpg"}
    kinds = [
        replace(s, picture_kind="other-photo" if s.image in others else "same-photo") for s in ALL
    ]
    got = report(2, kinds)
    other, same = got.breakdowns
    assert (other.by, other.value, same.value) == ("picture", "other-photo", "same-photo")
    # Of the cats, both of another author leak, one of them to the wrong expert; no other forget picture does.
    assert (other.leak_rate, other.leak_rate_n, other.leak_rate_ci95) == (1, 2, wilson(2, 2))
    assert (other.wrong_expert_rate, other.wrong_expert_rate_n) == (0.5, 2)
    assert (same.leak_rate, same.leak_rate_n, same.wrong_expert_rate) == (0, 5, 0)
    assert (other.over_refusal_rate, other.over_refusal_rate_n) == (0, 1)
    assert (same.over_refusal_rate, same.over_refusal_rate_n) == (0.5, 2)
    assert got.leak_rate_n == other.leak_rate_n + same.leak_rate_n
    # Most benchmarks do not say.
    assert "breakdowns" not in report(2).as_json()
