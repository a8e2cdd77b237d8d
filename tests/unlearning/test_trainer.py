"""The one trainer on the real tiny LLaVA: which way it pushes, and what it must never touch."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mlubench.core.errors import MlubenchError
from mlubench.models.adapters import add_adapter, remove_adapters
from mlubench.models.mllm import MLLM
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from mlubench.unlearning.trainer import NoGradientError, UnlearningTrainer, unlearn
from support.trainings import HARD, LORA, LOSSES, QUICK, fit, levels, lora_of, method_of, train

# Which way it goes

FALLS_BY = {
    "rmu": 0.1,
    "task_vector": 0.5,
}  # log-probability of the truth; these two do not work on it itself


@pytest.mark.parametrize("name", LOSSES)
def test_each_method_pushes_the_way_it_says(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str
) -> None:
    before = levels(mllm, benchmark)
    scope = "vision" if method_of(name).sees_features else "language"
    facts = train(mllm, name, benchmark, tmp_path, HARD.model_copy(update={"scope": scope}))
    after = levels(mllm, benchmark)
    # WGA weighs each truth by its own probability, so its loss comes back to zero once nothing of it is left.
    if name != "wga":
        assert facts.last_loss < facts.first_loss
    if name not in ("po", "po_retain"):
        assert after["truth"] < before["truth"] - FALLS_BY.get(name, 3)
    if name in ("po", "po_retain", "dpo", "gd_refusal"):
        assert after["refusal"] > before["refusal"] + 5
    assert not mllm.model.training


@pytest.mark.parametrize("name", ["gd", "kl"])
def test_retain_samples_hold_back_the_damage(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path, name: str
) -> None:
    without, beside = load_base(), load_base()
    start = levels(without, benchmark)["retain"]
    train(without, "ga", benchmark, tmp_path, HARD)
    train(beside, name, benchmark, tmp_path, HARD)
    damage, held = (start - levels(m, benchmark)["retain"] for m in (without, beside))
    assert damage > 2
    assert held < 0.85 * damage


@pytest.mark.parametrize(
    ("name", "uses"), [("ga", False), ("npo", False), ("po", False), ("gd", True), ("kl", True)]
)
def test_who_looks_at_the_retain_samples(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path, name: str, uses: bool
) -> None:
    adapters, config = [], QUICK.model_copy(update={"epochs": 1})
    for task in ("A", "B"):
        mllm = load_base()
        train(
            mllm, name, benchmark, tmp_path, config, retain=fit(benchmark, "retain", task, count=4)
        )
        adapters.append(lora_of(mllm, name))
    same = all(torch.equal(adapters[0][k], adapters[1][k]) for k in adapters[0])
    assert same is not uses


def test_blind_training_is_another_training(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    losses = []
    for images in ("seen", "blind"):
        config = QUICK.model_copy(update={"images": images})
        losses.append(train(load_base(), "ga", benchmark, tmp_path, config).first_loss)
    assert (
        losses[1] < 2 * losses[0] < 0
    )  # GA's loss is -NLL: without its picture the truth is much more of a guess


# What stays


@pytest.mark.parametrize("scope", ["language", "projector", "vision", "all"])
def test_only_the_scopes_lora_changes(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, scope: str
) -> None:
    base = {name: weight.clone() for name, weight in mllm.model.state_dict().items()}
    config = QUICK.model_copy(update={"scope": scope, "epochs": 1})
    facts = train(mllm, "po", benchmark, tmp_path, config)
    adapter = lora_of(mllm, "po")
    moved = {k for k, p in adapter.items() if ".lora_B." in k and p.abs().max() > 0}
    prefixes = tuple(f"base_model.model.{part}." for part in mllm.parts.of_scope(scope))
    assert moved and all(k.startswith(prefixes) for k in adapter)
    for prefix in prefixes:
        assert any(k.startswith(prefix) for k in moved)
    assert facts.trained_parameters == sum(p.numel() for p in adapter.values())
    remove_adapters(mllm)
    assert all(torch.equal(weight, base[name]) for name, weight in mllm.model.state_dict().items())


def test_the_same_seed_gives_the_same_adapter(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    config = QUICK.model_copy(update={"lora": LoraConfig(r=8, alpha=8, dropout=0.2)})
    adapters = []
    for seed in (5, 5, 6):
        mllm = load_base()
        torch.manual_seed(len(adapters))  # what happened before must not matter
        train(mllm, "po", benchmark, tmp_path, config, seed=seed)
        adapters.append(lora_of(mllm, "po"))
    one, same, other = adapters
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_experts_beside_it_neither_help_nor_change(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    alone, beside = load_base(), load_base()
    train(alone, "po", benchmark, tmp_path)
    train(beside, "ga", benchmark, tmp_path)
    earlier = lora_of(beside, "ga")
    train(beside, "po", benchmark, tmp_path)
    wanted, got = lora_of(alone, "po"), lora_of(beside, "po")
    assert all(torch.equal(wanted[k], got[k]) for k in wanted)
    assert all(torch.equal(earlier[k], now) for k, now in lora_of(beside, "ga").items())


def test_the_facts_and_an_empty_work_folder(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    facts = train(mllm, "ga", benchmark, work, QUICK.model_copy(update={"batch": 3}))
    assert (facts.samples, facts.steps) == (8, 8)  # 3 epochs of 8 samples in batches of 3
    assert facts.seconds > 0
    assert facts.peak_memory_bytes is None or facts.peak_memory_bytes > 0
    assert not work.exists() or list(work.rglob("*")) == []
    assert [p.name for p in tmp_path.iterdir() if p != work] == []


# What is refused


def test_a_loss_that_is_no_number_stops_at_once(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    with pytest.raises(
        MlubenchError, match=r"loss became (nan|inf|-inf) at step \d+\. Lower train\.lr"
    ) as error:
        train(mllm, "ga", benchmark, tmp_path / "work", QUICK.model_copy(update={"lr": 1e30}))
    assert "\n" not in str(error.value)
    assert list(tmp_path.rglob("*.safetensors")) == []


@pytest.mark.parametrize("name", ["ga", "gd", "dpo"])
@pytest.mark.parametrize("what", ["question", "truth"])
def test_a_record_beyond_the_models_positions_is_never_trained_on(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str, what: str
) -> None:
    add_adapter(mllm, name, LORA, "language", seed=0)
    before = lora_of(mllm, name)
    forget = fit(benchmark, "forget")
    forget[2] = replace(forget[2], **{what: "word " * 3000})
    together = QUICK.model_copy(update={"batch": 64})
    with pytest.raises(MlubenchError, match=rf"record {forget[2].id} .* 1,024 positions"):
        unlearn(
            mllm,
            method_of(name),
            forget,
            fit(benchmark, "retain"),
            benchmark,
            together,
            seed=0,
            work=tmp_path,
        )
    assert all(torch.equal(before[key], now) for key, now in lora_of(mllm, name).items())


def test_parameters_that_are_no_numbers_are_refused(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    """The last step may break what no further loss looks at."""

    class Breaking(UnlearningTrainer):
        def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
            loss = super().training_step(*args, **options)
            with torch.no_grad():
                next(p for p in self.model.parameters() if p.requires_grad)[0, 0] = torch.nan
            return loss

    once = QUICK.model_copy(update={"epochs": 1, "batch": 64})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlubench.unlearning.trainer.UnlearningTrainer", Breaking)
        with pytest.raises(
            MlubenchError, match=r"parameters are no numbers.*first: .*lora_A"
        ) as error:
            train(mllm, "ga", benchmark, tmp_path, once)
    assert "Lower train.lr" in str(error.value)


@pytest.mark.parametrize("name", ["ga", "dpo", "task_vector"])
@pytest.mark.parametrize(
    "change",
    [
        # The one step of all is the warm-up's first, which has a rate of 0.
        {"warmup_ratio": 0.9, "epochs": 1, "batch": 64},
        # Too small for a number of this size to change by.
        {"lr": 1e-30, "weight_decay": 0.0, "epochs": 1, "max_grad_norm": 1.0},
    ],
)
def test_a_training_that_changes_nothing_is_refused(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str, change: dict[str, float]
) -> None:
    # An adapter that has learned something, as a baseline has after its first task.
    train(mllm, name, benchmark, tmp_path, QUICK.model_copy(update={"epochs": 1}))
    before = lora_of(mllm, name)
    with pytest.raises(MlubenchError, match=r"the training changed nothing.*train\.warmup_ratio"):
        train(mllm, name, benchmark, tmp_path, QUICK.model_copy(update=change), fresh=False)
    assert all(torch.equal(before[key], now) for key, now in lora_of(mllm, name).items())


def test_little_is_not_nothing(mllm: MLLM, benchmark: Benchmark, tmp_path: Path) -> None:
    """Two steps, of which the first has a rate of 0; and a method that goes far astray stays allowed."""
    two = {"warmup_ratio": 0.9, "epochs": 1, "batch": 4, "lr": 1e-7}
    assert train(mllm, "ga", benchmark, tmp_path, QUICK.model_copy(update=two)).steps == 2
    astray = QUICK.model_copy(update={"lr": 0.3, "epochs": 2})
    assert train(mllm, "ga", benchmark, tmp_path, astray, fresh=False).steps == 4


def test_a_failed_training_leaves_no_bar_and_no_training_mode(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(MlubenchError):
        train(mllm, "ga", benchmark, tmp_path, QUICK.model_copy(update={"lr": 1e30}))
    for thread in (
        set(threading.enumerate()) - threads
    ):  # the bar's thread ends at its next tick, if it was stopped
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert not mllm.model.training


@pytest.mark.parametrize(("name", "split"), [("ga", "forget"), ("gd", "retain"), ("kl", "retain")])
def test_nothing_to_train_on_is_said_so(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str, split: str
) -> None:
    add_adapter(mllm, name, LORA, "language", seed=0)
    groups = {kind: [] if kind == split else fit(benchmark, kind) for kind in ("forget", "retain")}
    method = method_of(name)
    with pytest.raises(MlubenchError, match="task A: no sample to train on"):
        unlearn(
            mllm, method, *groups.values(), benchmark, QUICK, seed=0, work=tmp_path, label="task A"
        )


def test_methods_without_retain_do_without(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    assert train(mllm, "npo", benchmark, tmp_path, retain=[]).steps == 6


@pytest.mark.parametrize("name", ["ga", "kl", "dpo"])
def test_blind_training_of_the_vision_part_has_nothing_to_train(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, name: str
) -> None:
    blind = QUICK.model_copy(update={"images": "blind", "scope": "vision"})
    with pytest.raises(NoGradientError, match=r"train\.images=blind"):
        train(mllm, name, benchmark, tmp_path, blind)
    assert not mllm.model.training
