"""Each part learns at its own rate, and biases and norms are never decayed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.settings.training import TrainConfig
from mlubench.types import Benchmark, Part
from mlubench.unlearning.parameters import parameter_groups
from mlubench.unlearning.schedule import schedule
from mlubench.unlearning.trainer import UnlearningTrainer
from mlubench.unlearning.trainer_setup import training_arguments
from support.trainings import LORA, QUICK, fit, method_of, train

RATES: dict[Part, float] = {"vision": 1e-4, "projector": 2e-3}
CONFIG = TrainConfig(scope="all", lr=5e-5, part_lr=RATES, weight_decay=0.1)
PLACES = {
    "vision": "vision_tower",
    "projector": "multi_modal_projector",
    "language": "language_model",
}


def part_by_name(name: str) -> str:
    (part,) = [part for part, place in PLACES.items() if f".{place}." in name]
    return part


def test_every_parameter_is_in_the_group_of_its_part(mllm: MLLM) -> None:
    add_adapter(mllm, "default", LORA, "all", seed=0, full=("projector", "vision"))
    groups = parameter_groups(mllm.model, mllm.parts, CONFIG)
    settings = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    trained = {n: p for n, p in mllm.model.named_parameters() if p.requires_grad}
    assert sum(len(g["params"]) for g in groups) == len(settings) == len(trained)
    norms = {
        id(p) for m in mllm.model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()
    }
    plain = 0
    for name, parameter in trained.items():
        spared = id(parameter) in norms or name.endswith(
            (".bias", ".class_embedding")
        )  # single vectors
        plain += spared
        rate = {"language": 5e-5, **RATES}[part_by_name(name)]
        assert settings[id(parameter)] == (rate, 0.0 if spared else 0.1), name
    assert 10 < plain < len(trained)


def test_without_rates_of_parts_there_is_one_rate(mllm: MLLM) -> None:
    add_adapter(mllm, "default", LORA, "all", seed=0)
    groups = parameter_groups(mllm.model, mllm.parts, CONFIG.model_copy(update={"part_lr": {}}))
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(5e-5, 0.1)]  # LoRA has no biases


def test_the_optimizer_has_these_groups_and_all_rates_fall_alike(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    add_adapter(mllm, "default", LORA, "all", seed=0)
    items = schedule(fit(benchmark, "forget"), [], epochs=1, seed=0)
    args = training_arguments(CONFIG, samples=len(items), work=tmp_path, device=mllm.device, seed=0)
    trainer = UnlearningTrainer(method_of("ga"), mllm, CONFIG, args=args, train_dataset=items)
    trainer.create_optimizer_and_scheduler(num_training_steps=4)
    wanted = [1e-4, 2e-3, 5e-5]
    for share in (1.0, 0.8535534, 0.5):  # cosine from 1 to 0 in 4 steps
        assert trainer.optimizer.param_groups[0]["betas"] == (0.9, 0.999)
        rates = [g["lr"] for g in trainer.optimizer.param_groups]
        assert rates == pytest.approx([share * rate for rate in wanted])
        trainer.optimizer.step()
        trainer.lr_scheduler.step()


@pytest.mark.parametrize("still", ["vision", "projector", "language"])
def test_a_part_moves_at_its_rate(
    load_base: Callable, benchmark: Benchmark, tmp_path: Path, still: Part
) -> None:
    mllm = load_base()
    update = {"scope": "all", "epochs": 1, "part_lr": {still: 1e-12}}
    train(mllm, "po", benchmark, tmp_path, QUICK.model_copy(update=update))
    moved = dict.fromkeys(PLACES, 0.0)
    for name, parameter in mllm.model.named_parameters():
        if ".lora_B." in name:
            part = part_by_name(name)
            moved[part] = max(moved[part], float(parameter.detach().abs().max()))
    assert 0 < moved[still] < 1e-10
    assert all(amount > 1e-3 for part, amount in moved.items() if part != still)
