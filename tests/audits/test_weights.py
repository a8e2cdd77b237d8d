"""Changes of weights are what they say, and undone; training on other facts moves what is asked for."""

from collections.abc import Callable

import pytest
import torch

from mlubench.audits.attack import ask
from mlubench.audits.attacks.weights import NAMES
from mlubench.audits.systems.table import system
from mlubench.audits.targets import Targets
from mlubench.audits.weights import CHANGES, changed
from mlubench.experiment.context import Context
from support.runs import Finished


@pytest.fixture(scope="module")
def ctx(finished: Finished, context: Callable[..., Context]) -> Context:
    return context(finished.folder)


def test_rounding_keeps_as_many_levels_as_bits_allow() -> None:
    weight = torch.linspace(-1, 1, 101)[None]
    assert len(CHANGES["int4"](weight).unique()) == 15
    # At most half a step of one part in 127.
    assert (CHANGES["int8"](weight) - weight).abs().max() <= 0.5 / 127 + 1e-6


def test_pruning_takes_the_smallest_and_noise_is_as_large_as_said() -> None:
    weight = torch.arange(1.0, 11.0)[None]
    assert CHANGES["pruned 30%"](weight).tolist() == [[0, 0, 0, *range(4, 11)]]
    large = torch.randn(200, 200, generator=torch.Generator().manual_seed(1))
    noise = CHANGES["noise 10%"](large) - large
    assert float(noise.std()) == pytest.approx(float(0.1 * large.std()), rel=0.05)


def test_weights_are_what_they_were_afterwards_also_after_an_error() -> None:
    weight = torch.nn.Parameter(torch.randn(3, 4))
    before = weight.detach().clone()
    with pytest.raises(RuntimeError), changed([weight], "int4"):
        assert not torch.equal(weight, before)
        raise RuntimeError
    assert torch.equal(weight, before)


@pytest.mark.parametrize("name", NAMES)
def test_lumoe_answers_with_changed_weights_and_then_as_before(
    name: str, ctx: Context, targets: Targets
) -> None:
    asks = [ask(target.question, target.picture) for target in targets.kept[:2]]
    lumoe = system(ctx, "lumoe")
    lumoe.open()
    before = [said.text for said in lumoe.answers(asks)]
    with lumoe.with_weights(name):
        assert len(lumoe.answers(asks)) == 2
    assert [said.text for said in lumoe.answers(asks)] == before


def test_training_on_other_facts_moves_an_adapter_and_leaves_no_trace(
    ctx: Context, targets: Targets
) -> None:
    target = targets.forgotten[0]
    asks = [ask(target.question, target.picture)]
    npo = system(ctx, "npo")
    npo.targeted = frozenset(target.sample.fact for target in targets.forgotten)
    npo.open()
    lessons = npo._relearned_from("forget", 4)
    asked = {target.sample.fact for target in targets.forgotten}
    assert len(lessons) == 4
    assert not asked & {lesson.fact for lesson in lessons}
    assert {lesson.task for lesson in lessons} == {"A", "B"}
    weights = {name: weight.clone() for name, weight in npo.ctx.mllm.model.named_parameters()}
    npo.answers(asks)
    with npo.relearned("forget", 4, 2):
        moved = [
            name
            for name, weight in npo.ctx.mllm.model.named_parameters()
            if not torch.equal(weight, weights[name])
        ]
    assert moved
    assert all("lora_" in name for name in moved)
    for name, weight in npo.ctx.mllm.model.named_parameters():
        assert torch.equal(weight, weights[name]), name


def test_experts_learn_and_are_what_they_were_afterwards(ctx: Context, targets: Targets) -> None:
    asks = [ask(target.question, target.picture) for target in targets.forgotten]
    lumoe = system(ctx, "lumoe")
    lumoe.open()
    before = lumoe.answers(asks)
    experts = [weight.clone() for weight in lumoe._adapters()]
    assert len(experts) == 2
    with lumoe.relearned("forget", 8, 30):
        after = lumoe.answers(asks)
        for weight, was in zip(lumoe._adapters(), experts, strict=True):
            assert not torch.equal(weight, was)
    # The gate still sends them to experts, which no longer refuse.
    assert [said.experts for said in after] == [said.experts for said in before]
    assert [said.text for said in after] != [said.text for said in before]
    for weight, was in zip(lumoe._adapters(), experts, strict=True):
        assert torch.equal(weight, was)
    assert lumoe.answers(asks) == before


def test_behind_a_gate_there_is_nothing_to_train(ctx: Context, targets: Targets) -> None:
    target = targets.forgotten[0]
    gate = system(ctx, "gate-only")
    gate.open()
    asks = [ask(target.question, target.picture)]
    with gate.unprotected():
        bare = gate.answers(asks)
    with gate.relearned("forget", 4, 1):
        assert gate.answers(asks) == bare
