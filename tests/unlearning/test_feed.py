"""What the trainer shows the model, and when: the schedule, the batches, and what the reference said."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from trainings import LORA, LOSSES, QUICK, fit, train

from mlubench.benchmark.refusals import refusal_for
from mlubench.config import TrainConfig
from mlubench.models.adapters import add_adapter
from mlubench.models.hf import IGNORE, MLLM, Query, answer_logits
from mlubench.registry import METHODS, resolve
from mlubench.types import Benchmark
from mlubench.unlearning.losses import token_log_probs
from mlubench.unlearning.trainer import Feed, answer_states, schedule, step_seed

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
    assert not kept or max(shown.values()) - min(shown.values()) <= 1  # all go round before one comes back


def test_the_schedule_is_its_seed(benchmark: Benchmark) -> None:
    forget, retain = fit(benchmark, "forget"), fit(benchmark, "retain")
    one = schedule(forget, retain, epochs=2, seed=1)
    assert one == schedule(forget, retain, epochs=2, seed=1)
    assert one != schedule(forget, retain, epochs=2, seed=2)
    assert [i["forget"] for i in one[:8]] != [i["forget"] for i in one[8:]]  # each epoch in another order


def test_a_steps_seed_is_of_its_parts() -> None:
    assert step_seed(0, "ga", "A") == step_seed(0, "ga", "A")
    assert len({step_seed(s, m, t) for s in (0, 1) for m in ("ga", "po") for t in "AB"}) == 8
    assert 0 <= step_seed(0, "ga", "A") < 2**31


@pytest.mark.parametrize(("images", "seen"), [("seen", True), ("blind", False)])
def test_blind_passes_no_picture(mllm: MLLM, benchmark: Benchmark, images: str, seen: bool) -> None:
    feed = Feed(mllm, benchmark, resolve("method", METHODS, "dpo"), TrainConfig(images=images))
    items = schedule(fit(benchmark, "forget", count=3), [], epochs=1, seed=0)
    feed.remember_reference(items)
    batches = feed(items)
    for kind in ("forget", "refusal"):
        assert ("pixel_values" in batches[kind]) is seen
        assert bool((batches[kind]["input_ids"] == mllm.model.config.image_token_id).any()) is seen


def test_a_batch_holds_what_the_method_needs(mllm: MLLM, benchmark: Benchmark) -> None:
    items = schedule(fit(benchmark, "forget", count=4), fit(benchmark, "retain"), epochs=1, seed=0)
    for name in LOSSES:
        method = resolve("method", METHODS, name)
        feed = Feed(mllm, benchmark, method, QUICK)
        feed.remember_reference(items)
        batches = feed(items)
        assert set(batches) == {*method.needs, *(f"{kind}_reference" for kind in method.reference)}
        for kind in method.needs:
            for row, item in zip(batches[kind]["labels"], items, strict=True):
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
        logps, mask = token_log_probs(*answer_logits(mllm.model, mllm.encode(queries, [s.truth for s in forget])))
    facts = train(mllm, "kl", benchmark, tmp_path, config, fresh=False)
    assert facts.steps == 1
    assert facts.first_loss == pytest.approx(float(logps.sum() / mask.sum()), abs=1e-5)


def test_states_and_head_give_the_logits(mllm: MLLM, benchmark: Benchmark) -> None:
    samples = fit(benchmark, "retain", count=4)
    batch = mllm.encode([Query(benchmark.picture(s), s.question) for s in samples], [s.truth for s in samples])
    with torch.no_grad():
        logits, _ = answer_logits(mllm.model, batch)
        made = mllm.model.get_output_embeddings()(answer_states(mllm.model, batch))
    assert torch.allclose(made, logits, atol=1e-5)


def test_a_reference_does_not_depend_on_its_batch(mllm: MLLM, benchmark: Benchmark) -> None:
    """Samples are asked in one grouping and trained on in another; states of short answers are padded."""
    items = schedule(fit(benchmark, "forget"), fit(benchmark, "retain"), epochs=1, seed=0)
    method = resolve("method", METHODS, "kl")
    feed = Feed(mllm, benchmark, method, QUICK.model_copy(update={"batch": 3}))
    feed.remember_reference(items)
    batches = feed(items[::-2])
    with torch.no_grad():
        logits, labels = answer_logits(mllm.model, batches["retain"])
    kept = mllm.model.get_output_embeddings()(batches["retain_reference"])
    assert kept.shape == logits.shape
    assert torch.allclose(kept[labels != IGNORE], logits[labels != IGNORE], atol=1e-4)
