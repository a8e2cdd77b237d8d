"""Routed answers: the base's own where there is no expert, refusals where there is one, and order kept throughout."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.benchmark.refusals import REFUSALS
from mlubench.errors import MlubenchError
from mlubench.judging.refusal import refusal
from mlubench.lumoe.engine import LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.adapters import mounted
from mlubench.models.hf import MLLM, Query, answer_logits
from mlubench.types import Benchmark, Route, Sample

NEW = 48


def route(*experts: str) -> Route:
    return Route(experts, None, 0.0, "by hand")


def held_out(benchmark: Benchmark, task: str, split: str, count: int = 12) -> list[Sample]:
    samples = [s for s in benchmark.task(task).split(split) if s.role == "test"]
    return samples[:: max(1, len(samples) // count)]


def asked(benchmark: Benchmark, samples: list[Sample]) -> list[Query]:
    return [Query(benchmark.picture(s), s.question) for s in samples]


def logits(mllm: MLLM, queries: list[Query]) -> torch.Tensor:
    with torch.no_grad():
        return answer_logits(mllm.model, mllm.encode(queries, ["An answer."] * len(queries)))[0]


def test_without_an_expert_it_is_the_base(lumoe: LUMoE, load_base: Callable, benchmark: Benchmark) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget") + held_out(benchmark, "B", "retain"))
    base = load_base()
    with mounted(lumoe.mllm, ["A"]):
        assert not torch.allclose(logits(lumoe.mllm, queries), logits(base, queries), atol=0.1)
    with mounted(lumoe.mllm, []):
        assert torch.equal(logits(lumoe.mllm, queries), logits(base, queries))
    answers = lumoe.generate(queries, [route()] * len(queries), max_new_tokens=NEW)
    assert answers == base.generate(queries, max_new_tokens=NEW)


@pytest.mark.parametrize("task", ["A", "B"])
def test_an_expert_suppresses_its_own_task(lumoe: LUMoE, benchmark: Benchmark, task: str) -> None:
    samples = held_out(benchmark, task, "forget")
    queries = asked(benchmark, samples)
    base = lumoe.generate(queries, [route()] * len(queries), max_new_tokens=NEW)
    expert = lumoe.generate(queries, [route(task)] * len(queries), max_new_tokens=NEW)
    assert sum(a == s.truth for a, s in zip(base, samples, strict=True)) >= 0.9 * len(samples)
    assert not any(a == s.truth for a, s in zip(expert, samples, strict=True))
    assert sum(bool(refusal(a)) for a in expert) >= 0.8 * len(expert)
    assert not any(a in REFUSALS for a in base)


def test_routed_by_its_own_gate(lumoe: LUMoE, benchmark: Benchmark) -> None:
    """What the gate sends to an expert is not answered, and what it leaves to the base is."""
    samples = [s for task in "AB" for split in ("forget", "retain") for s in held_out(benchmark, task, split)]
    routes = lumoe.routes([GateQuery(benchmark.picture(s), s.question) for s in samples])
    answers = lumoe.generate(asked(benchmark, samples), routes, max_new_tokens=NEW)
    told = [a == s.truth for a, s in zip(answers, samples, strict=True)]
    suppressed = [t for t, r in zip(told, routes, strict=True) if r.experts]
    base = [t for t, r in zip(told, routes, strict=True) if not r.experts]
    assert not any(suppressed)
    assert sum(base) >= 0.9 * len(base)
    assert len(suppressed) > 10 and len(base) > 10


def test_mixed_routes_come_back_in_order(lumoe: LUMoE, benchmark: Benchmark) -> None:
    samples = held_out(benchmark, "A", "forget", 5) + held_out(benchmark, "B", "forget", 5)
    ways = [route("A"), route(), route("B"), route("A", "B")]
    queries = asked(benchmark, samples)
    routes = [ways[n % 4] for n in range(len(queries))]
    together = lumoe.generate(queries, routes, max_new_tokens=NEW)
    alone = [lumoe.generate([q], [r], max_new_tokens=NEW)[0] for q, r in zip(queries, routes, strict=True)]
    assert together == alone
    assert len(set(together)) > 3


def test_two_experts_answer_as_their_sum(lumoe: LUMoE, benchmark: Benchmark) -> None:
    queries = asked(benchmark, held_out(benchmark, "B", "forget", 4))
    got = {}
    for experts in ((), ("A",), ("B",), ("A", "B"), ("B", "A")):
        with mounted(lumoe.mllm, experts):
            got[experts] = logits(lumoe.mllm, queries)
    assert torch.allclose(got["A", "B"], got["B", "A"], atol=1e-4)
    for other in ((), ("A",), ("B",)):
        assert not torch.allclose(got["A", "B"], got[other], atol=0.1)


def test_an_error_in_the_middle_leaves_the_base_the_base(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    before = lumoe.mllm.picture_features([queries[0].image])
    with pytest.raises(MlubenchError, match="cannot be read"):
        lumoe.generate([Query(tmp_path / "gone.jpg", "Who?")], [route("A")], max_new_tokens=NEW)
    wanted = load_base().generate(queries, max_new_tokens=NEW)
    assert lumoe.generate(queries, [route()] * len(queries), max_new_tokens=NEW) == wanted
    assert torch.equal(lumoe.mllm.picture_features([queries[0].image]), before)
    with pytest.raises(MlubenchError, match="cannot be read"):  # also where the base itself was at work
        lumoe.generate([Query(tmp_path / "gone.jpg", "Who?")], [route()], max_new_tokens=NEW)
    refused = lumoe.generate(queries, [route("A")] * len(queries), max_new_tokens=NEW)
    assert not set(refused) & set(wanted)


def test_nothing_stays_mounted_after_an_answer(lumoe: LUMoE, load_base: Callable, benchmark: Benchmark) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    lumoe.generate(queries, [route("A")] * len(queries), max_new_tokens=4)
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))


def test_questions_with_and_without_picture_go_together(lumoe: LUMoE, benchmark: Benchmark) -> None:
    """Neither has an expert, and a batch for the model cannot hold both."""
    seen = asked(benchmark, held_out(benchmark, "A", "retain", 2))[0]
    answers = lumoe.generate([Query(None, "Who is this?"), seen], [route(), route()], max_new_tokens=NEW)
    assert answers[1] == lumoe.generate([seen], [route()], max_new_tokens=NEW)[0]


def test_nothing_asked_is_nothing_answered(lumoe: LUMoE) -> None:
    assert lumoe.generate([], [], max_new_tokens=NEW) == []


def test_features_are_computed_once(lumoe: LUMoE, benchmark: Benchmark) -> None:
    pictures = [benchmark.picture(s) for s in held_out(benchmark, "A", "forget", 4)]
    lumoe.features.rows.clear()
    first = lumoe.features([*pictures, pictures[0]])
    assert torch.equal(first[0], first[-1])
    held = dict(lumoe.features.rows)
    assert torch.equal(lumoe.features(pictures[::-1]), first[: len(pictures)].flip(0))
    assert all(lumoe.features.rows[p] is held[p] for p in held)
    assert len(held) == len(set(pictures))
    assert torch.allclose(first[: len(pictures)], lumoe.mllm.picture_features(pictures), atol=1e-6)
