"""Routed answers: the base's own where there is no expert, refusals where there is one, and order kept throughout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from mlubench.core.errors import MlubenchError
from mlubench.data.refusals import REFUSALS
from mlubench.judging.rules.refusal import refusal
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.adapters import mounted, remove_adapters
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_probabilities
from mlubench.models.query import Query
from mlubench.types import Benchmark, Route, Sample

NEW = 48
TOLERANCE = 1e-5  # of the largest logit: what float32 leaves of sums in another order


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


def test_without_an_expert_it_is_the_base(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark
) -> None:
    queries = asked(
        benchmark, held_out(benchmark, "A", "forget") + held_out(benchmark, "B", "retain")
    )
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
    samples = [
        s
        for task in "AB"
        for split in ("forget", "retain")
        for s in held_out(benchmark, task, split)
    ]
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
    alone = [
        lumoe.generate([q], [r], max_new_tokens=NEW)[0]
        for q, r in zip(queries, routes, strict=True)
    ]
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


WEIGHTS = [
    ({}, ("A", "B")),
    ({"A": 0.5}, ("A", "B")),
    ({"A": 0.25, "B": 1.75}, ("B", "A")),
    ({"B": 0.5}, ("B",)),
]


@pytest.mark.parametrize(("weights", "names"), WEIGHTS)
def test_a_merge_is_the_sum_of_the_deltas(
    lumoe: LUMoE,
    load_base: Callable,
    experts: Path,
    benchmark: Benchmark,
    weights: dict[str, float],
    names: tuple,
) -> None:
    """Against a base to whose matrices the deltas, scale * B @ A, are added by hand."""
    by_hand = load_base()
    for name in names:
        told = json.loads((experts / name / "adapter_config.json").read_text())
        found = load_file(experts / name / "adapter_model.safetensors")
        factor = weights.get(name, 1) * told["lora_alpha"] / told["r"]
        with torch.no_grad():
            for key in [k for k in found if ".lora_A." in k]:
                module = key.removeprefix("base_model.model.").partition(".lora_A.")[0]
                delta = found[key.replace(".lora_A.", ".lora_B.")] @ found[key]
                by_hand.model.get_submodule(module).weight.add_(factor * delta)
    queries = asked(benchmark, held_out(benchmark, "B", "forget", 4))
    want = logits(by_hand, queries)
    least = TOLERANCE * want.abs().max()
    with mounted(lumoe.mllm, names, weights):
        assert (logits(lumoe.mllm, queries) - want).abs().max() <= least
    with mounted(lumoe.mllm, names):  # weights are gone again
        assert ((logits(lumoe.mllm, queries) - want).abs().max() <= least) == (not weights)
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))


def test_weights_are_of_merges_alone(lumoe: LUMoE, benchmark: Benchmark) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    plain = {
        e: lumoe.generate(queries, [route(*e)] * len(queries), max_new_tokens=NEW)
        for e in (("A",), ("A", "B"))
    }
    lumoe.weights = {"A": 0.01, "B": 0.01}
    for experts, answers in plain.items():
        weighted = lumoe.generate(queries, [route(*experts)] * len(queries), max_new_tokens=NEW)
        assert (weighted == answers) == (experts == ("A",))


def test_a_query_of_a_disabled_expert_is_an_error(lumoe: LUMoE, benchmark: Benchmark) -> None:
    lumoe.disabled = frozenset({"A"})
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 3))
    for hit in (route("A"), route("A", "B")):
        routes = [route(), hit, route("B")][: len(queries)]
        with pytest.raises(MlubenchError, match=r"needs expert 'A', which is disabled.*--base"):
            lumoe.generate(queries, routes, max_new_tokens=NEW)
    others = [route(), route("B"), route()][: len(queries)]
    assert len(lumoe.generate(queries, others, max_new_tokens=NEW)) == len(queries)


def test_the_base_answers_for_a_disabled_expert_only_when_asked(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark
) -> None:
    lumoe.disabled = frozenset({"A"})
    given = [route("A"), route("A", "B"), route("B"), route()]
    left = lumoe.without_disabled(given)
    assert [r.experts for r in left] == [(), ("B",), ("B",), ()]
    assert [("disabled and left out, as asked" in r.why) for r in left] == [
        True,
        True,
        False,
        False,
    ]
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))[:1]
    assert lumoe.generate(queries, left[:1], max_new_tokens=NEW) == load_base().generate(
        queries, max_new_tokens=NEW
    )


def test_an_expert_that_is_not_mounted_is_an_error(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark
) -> None:
    """PEFT would pass over it, and the base would answer."""
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 1))[:1]
    for experts in (("C",), ("A", "C")):
        with pytest.raises(MlubenchError, match=r"no expert 'C' is to hand. There are: A, B"):
            lumoe.generate(queries, [route(*experts)], max_new_tokens=NEW)
    lumoe.mllm = load_base()
    with pytest.raises(MlubenchError, match="There are: none"):
        lumoe.generate(queries, [route("A")], max_new_tokens=NEW)


@pytest.mark.parametrize("names", [("A",), ("A", "B"), ()])
def test_an_error_between_two_tokens_leaves_nothing_mounted(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark, names: tuple[str, ...]
) -> None:
    lumoe.weights = {"A": 0.5}
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    passes = []

    def fail(*_: object) -> None:
        passes.append(1)
        if len(passes) == 3:
            raise RuntimeError("out of memory, say")

    hook = lumoe.mllm.layers[-1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        lumoe.generate(queries, [route(*names)] * len(queries), max_new_tokens=NEW)
    hook.remove()
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))
    lumoe.weights = {}
    fresh = [lumoe.generate([q], [route("A", "B")], max_new_tokens=NEW)[0] for q in queries]
    with mounted(lumoe.mllm, ["A", "B"]):  # the scales are whole again
        assert fresh == [lumoe.mllm.generate([q], max_new_tokens=NEW)[0] for q in queries]
    scales = [
        s
        for m in lumoe.mllm.model.modules()
        if isinstance(m, LoraLayer)
        for s in m.scaling.values()
    ]
    assert set(scales) == {1.0}


def test_an_error_in_the_middle_leaves_the_base_the_base(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    before = lumoe.mllm.picture_features([queries[0].image])
    with pytest.raises(MlubenchError, match="is missing"):
        lumoe.generate([Query(tmp_path / "gone.jpg", "Who?")], [route("A")], max_new_tokens=NEW)
    wanted = load_base().generate(queries, max_new_tokens=NEW)
    assert lumoe.generate(queries, [route()] * len(queries), max_new_tokens=NEW) == wanted
    assert torch.equal(lumoe.mllm.picture_features([queries[0].image]), before)
    with pytest.raises(MlubenchError, match="is missing"):  # also where the base itself was at work
        lumoe.generate([Query(tmp_path / "gone.jpg", "Who?")], [route()], max_new_tokens=NEW)
    refused = lumoe.generate(queries, [route("A")] * len(queries), max_new_tokens=NEW)
    assert not set(refused) & set(wanted)


def test_nothing_stays_mounted_after_an_answer(
    lumoe: LUMoE, load_base: Callable, benchmark: Benchmark
) -> None:
    queries = asked(benchmark, held_out(benchmark, "A", "forget", 4))
    lumoe.generate(queries, [route("A")] * len(queries), max_new_tokens=4)
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))


def test_questions_with_and_without_picture_go_together(lumoe: LUMoE, benchmark: Benchmark) -> None:
    """Neither has an expert, and a batch for the model cannot hold both."""
    seen = asked(benchmark, held_out(benchmark, "A", "retain", 2))[0]
    answers = lumoe.generate(
        [Query(None, "Who is this?"), seen], [route(), route()], max_new_tokens=NEW
    )
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


def test_truths_are_as_probable_as_to_each_rows_own_experts(
    lumoe: LUMoE, experts: Path, benchmark: Benchmark, load_base: Callable
) -> None:
    """Of one call for the base, an expert in the stack, one mounted by PEFT, their sum, and a refusal, in order."""
    remove_adapters(lumoe.mllm)
    store = ExpertStore(experts)
    store.mount(lumoe.mllm, "B")
    lumoe.experts.add(store, "A")
    assert (list(lumoe.experts), list(lumoe.mllm.model.peft_config)) == (["A"], ["B"])
    samples = held_out(benchmark, "A", "forget", 8)[:8]
    routes = [route(*way) for way in ("B", "", "A", "AB", "A", "", "B", "A")]
    routes[5] = replace(routes[5], failed=True, refused=True)
    queries, truths = asked(benchmark, samples), [s.truth for s in samples]
    found = lumoe.truth_probabilities(queries, truths, routes)
    for n, way in enumerate(routes):
        if way.refused:
            assert found[n] is None
            continue
        with lumoe.answering([way]):
            (alone,) = answer_probabilities(lumoe.mllm, [queries[n]], [truths[n]])
        assert found[n] == pytest.approx(alone, rel=1e-3)
    base = answer_probabilities(load_base(), queries, truths)
    assert found[1] == pytest.approx(base[1], rel=1e-3)
    assert all(found[n] < 0.8 * base[n] for n in (2, 3, 4, 7))


def test_truths_of_an_absent_expert_are_an_error(lumoe: LUMoE, benchmark: Benchmark) -> None:
    with pytest.raises(MlubenchError, match="no expert 'Z'"):
        lumoe.truth_probabilities(asked(benchmark, [benchmark.samples[0]]), ["It."], [route("Z")])
