"""What the trainer shows the model, and when: the schedule, the batches, and what the reference said."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mlubench.data.refusals import refusal_for
from mlubench.models.adapters import add_adapter
from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.prompt_cache import PromptCache
from mlubench.models.query import Query
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark
from mlubench.unlearning.alternates import with_alternates
from mlubench.unlearning.batches import PROMPT_OF
from mlubench.unlearning.forward import run_batch, views_of
from mlubench.unlearning.losses import token_log_probs
from mlubench.unlearning.schedule import schedule, step_seed
from mlubench.unlearning.steps import StepBuilder
from support.trainings import LORA, LOSSES, QUICK, fit, method_of, train

# What is shown, and when


@pytest.mark.parametrize("kept", [0, 3, 8, 50])
def test_each_epoch_shows_every_forget_sample_once(benchmark: Benchmark, kept: int) -> None:
    forget = fit(benchmark, "forget", count=8)
    retain = list(benchmark.task("A").retain)[:kept]
    items = schedule(forget, retain, epochs=3, seed=1)
    assert len(items) == 24
    for start in (0, 8, 16):
        epoch = items[start : start + 8]
        assert sorted(i["forget"].id for i in epoch) == sorted(s.id for s in forget)
    assert all(i["refusal"] is i["forget"] for i in items)
    shown = Counter(i["retain"].id for i in items if "retain" in i)
    assert set(shown) <= {s.id for s in retain}
    assert len(shown) == min(kept, 24)
    assert (
        not kept or max(shown.values()) - min(shown.values()) <= 1
    )  # all go round before one comes back


def test_the_schedule_is_its_seed(benchmark: Benchmark) -> None:
    forget, retain = fit(benchmark, "forget"), fit(benchmark, "retain")
    one = schedule(forget, retain, epochs=2, seed=1)
    assert one == schedule(forget, retain, epochs=2, seed=1)
    assert one != schedule(forget, retain, epochs=2, seed=2)
    assert [i["forget"] for i in one[:8]] != [
        i["forget"] for i in one[8:]
    ]  # each epoch in another order


def test_a_steps_seed_is_of_its_parts() -> None:
    assert step_seed(0, "ga", "A") == step_seed(0, "ga", "A")
    assert len({step_seed(s, m, t) for s in (0, 1) for m in ("ga", "po") for t in "AB"}) == 8
    assert 0 <= step_seed(0, "ga", "A") < 2**31


def pictured(mllm: MLLM, inputs: dict[str, Any]) -> bool:
    """Whether a picture goes into the model, by its place among the tokens and by its pixels or features."""
    marked = bool((inputs["input_ids"] == mllm.base.config.image_token_id).any())
    assert marked == ("pixel_values" in inputs or "mm_encoder_outputs" in inputs)
    return marked


@pytest.mark.parametrize("kept", [0, 64])
@pytest.mark.parametrize(("images", "seen"), [("seen", True), ("blind", False)])
def test_blind_passes_no_picture(
    mllm: MLLM, benchmark: Benchmark, images: str, seen: bool, kept: int
) -> None:
    steps = StepBuilder(
        mllm, benchmark, method_of("dpo"), TrainConfig(images=images, vision_cache_mb=kept)
    )
    items = schedule(fit(benchmark, "forget", count=3), [], epochs=1, seed=0)
    steps.remember_reference(items)
    assert [pictured(mllm, group.inputs) for group in steps.build(items).batches] == [seen]


@pytest.mark.parametrize("pack", [True, False])
def test_a_step_holds_what_the_method_needs(mllm: MLLM, benchmark: Benchmark, pack: bool) -> None:
    items = schedule(fit(benchmark, "forget", count=4), fit(benchmark, "retain"), epochs=1, seed=0)
    items = with_alternates(mllm, items, batch=4, seed=0)
    for name in LOSSES:
        method = method_of(name)
        steps = StepBuilder(mllm, benchmark, method, QUICK.model_copy(update={"pack": pack}))
        steps.remember_reference(items)
        step = steps.build(items)
        labels = {kind: rows for group in step.batches for kind, rows in group.labels.items()}
        assert set(labels) == set(method.needs)
        assert set(step.reference) == set(method.reference)
        prompts = {PROMPT_OF[kind] for kind in method.needs}
        assert len(step.batches) == (len(prompts) if pack else len(method.needs))
        for kind in method.needs:
            for row, item in zip(labels[kind], items, strict=True):
                told = mllm.tokenizer.decode(row[row != IGNORE])
                wanted = refusal_for(item[kind].fact) if kind == "refusal" else item[kind].truth
                assert told == f" {wanted}</s>"


# The reference


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(("name", "wanted"), [("npo", 2 / 0.1 * math.log(2)), ("dpo", math.log(2))])
def test_the_reference_is_the_model_at_the_start(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str, wanted: float, fresh: bool
) -> None:
    """A step that goes on from a trained adapter has that state as its reference, not the base."""
    if not fresh:
        train(mllm, name, benchmark, tmp_path)
    facts = train(mllm, name, benchmark, tmp_path, fresh=fresh)
    assert facts.first_loss == pytest.approx(wanted, abs=1e-4)
    assert facts.last_loss < wanted - 0.01


@pytest.mark.parametrize("fresh", [True, False])
def test_kl_of_the_reference_is_nothing_at_the_start(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, fresh: bool
) -> None:
    """So KL's first loss is gradient ascent's alone."""
    if not fresh:
        train(mllm, "kl", benchmark, tmp_path)
    config = QUICK.model_copy(update={"batch": 8, "epochs": 1})
    forget = fit(benchmark, "forget")
    queries = [Query(benchmark.picture(s), s.question) for s in forget]
    if fresh:
        add_adapter(mllm, "kl", LORA, "language", seed=0)
    mllm.model.eval()
    with torch.no_grad():
        logps, mask = token_log_probs(
            *answer_logits(mllm.model, mllm.encode(queries, [s.truth for s in forget]))
        )
    facts = train(mllm, "kl", benchmark, tmp_path, config, fresh=False)
    assert facts.steps == 1
    assert facts.first_loss == pytest.approx(float(logps.sum() / mask.sum()), abs=1e-5)


def test_states_and_head_give_the_logits(mllm: MLLM, benchmark: Benchmark) -> None:
    items = schedule(
        fit(benchmark, "forget", count=4), fit(benchmark, "retain", count=4), epochs=1, seed=0
    )
    steps, method = StepBuilder(mllm, benchmark, method_of("ga"), QUICK), method_of("dpo")
    head = mllm.model.get_output_embeddings()
    with torch.no_grad():
        for group in steps.batch_builder.build(["refusal", "forget", "retain"], items):
            for said in run_batch(mllm, group, method, head_inputs=True).values():
                assert torch.allclose(head(said.head_inputs), said.logits, atol=1e-5)


@pytest.mark.parametrize("layer", [1, 2, -2])
def test_states_of_a_layer_are_those_that_transformers_tells(
    mllm: MLLM, benchmark: Benchmark, layer: int
) -> None:
    items = schedule(fit(benchmark, "forget", count=4), [], epochs=1, seed=0)
    (group,) = StepBuilder(mllm, benchmark, method_of("ga"), QUICK).batch_builder.build(
        ["forget"], items
    )
    width = group.labels["forget"].shape[1]
    with torch.no_grad():
        said = run_batch(mllm, group, method_of("rmu", layer=layer))["forget"]
        told = mllm.model(
            **group.inputs, output_hidden_states=True
        ).hidden_states  # the embeddings come first
    assert said.states is not None
    assert torch.allclose(said.states, told[layer][:, -width:], atol=1e-5)


@pytest.mark.parametrize("name", ["kl", "kl_all", "npo", "rmu", "dpo"])
def test_a_reference_does_not_depend_on_its_batch(
    mllm: MLLM, benchmark: Benchmark, name: str
) -> None:
    """Samples are asked in one grouping and trained on in another; what the model says now is what it said then."""
    items = schedule(fit(benchmark, "forget"), fit(benchmark, "retain"), epochs=1, seed=0)
    method = method_of(name)
    steps = StepBuilder(mllm, benchmark, method, QUICK.model_copy(update={"batch": 3}))
    steps.remember_reference(items)
    with torch.no_grad():
        views = views_of(mllm, steps.build(items[::-2]), method)
    for kind, form in method.reference.items():
        view = views[kind]
        now, then = getattr(view, form), getattr(view, f"ref_{form}")
        assert then.shape == now.shape
        mask = {"logps": ..., "all_logits": view.all_mask}.get(form, view.mask)
        assert torch.allclose(then[mask], now[mask], atol=1e-4)


def test_packed_answers_give_the_losses_of_answers_apart(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    """Over a whole training, since small differences would grow."""
    for name in ("dpo", "gd_refusal"):
        facts = []
        for settings in (
            {"pack": False, "vision_cache_mb": 0},
            {"pack": True, "vision_cache_mb": 64},
        ):
            config = QUICK.model_copy(update={"lr": 1e-3, **settings})
            facts.append(train(load_base(), name, benchmark, tmp_path, config))
        assert facts[1].first_loss == pytest.approx(facts[0].first_loss, rel=1e-4)
        assert facts[1].last_loss == pytest.approx(facts[0].last_loss, rel=1e-3)


def test_pictures_beyond_the_limit_are_computed_anew_and_alike(
    mllm: MLLM, benchmark: Benchmark
) -> None:
    prompts = PromptCache(mllm, 30_000)  # room for one or two pictures
    queries = [Query(benchmark.picture(s), s.question) for s in fit(benchmark, "forget")]
    features = [
        prompts.batch(queries)["mm_encoder_outputs"]["image"].pooler_output for _ in range(2)
    ]
    assert 0 < prompts.used <= prompts.limit < sum(x.numel() * 4 for x in features[0])
    assert all(torch.equal(a, b) for a, b in zip(*features, strict=True))


@pytest.mark.parametrize("name", ["dpo", "kl", "kl_all"])
def test_samples_with_and_without_a_picture_pass_apart_and_come_back_in_order(
    mllm: MLLM, benchmark: Benchmark, name: str
) -> None:
    """Every sample is said to be as probable as in a batch of its own, and the reference is laid beside it."""
    method = method_of(name)
    forget = fit(benchmark, "forget", count=4)
    forget[1::2] = [replace(sample, image="") for sample in forget[1::2]]
    retain = fit(benchmark, "retain", count=4)
    retain[0] = replace(retain[0], image="")
    items = schedule(forget, retain, epochs=1, seed=0)
    steps = StepBuilder(mllm, benchmark, method, TrainConfig())
    mllm.model.eval()
    steps.remember_reference(items)
    together = views_of(mllm, steps.build(items), method)
    for row, item in enumerate(items):
        alone = views_of(mllm, steps.build([item]), method)
        for kind, view in alone.items():
            assert together[kind].logps[row] == pytest.approx(float(view.logps[0]), rel=1e-4)
            length = int(view.mask[0].sum())
            assert int(together[kind].mask[row].sum()) == length
    # Nothing has changed yet, so the model differs from the reference nowhere.
    at_the_start = math.log(2) if name == "dpo" else -float(together["forget"].nll)
    assert float(method.loss(together)) == pytest.approx(at_the_start, abs=1e-4)
