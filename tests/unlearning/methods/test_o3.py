"""O3 against arithmetic done by hand; its adapters in sequence are tested in experiment/test_stacked.py."""

import math
from pathlib import Path

import pytest
import torch

from mlubench.models.adapters import add_adapter, save_adapter
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark
from mlubench.unlearning.orthogonality import EarlierDirections, overlap
from mlubench.unlearning.trainer import unlearn
from support.methods import view
from support.trainings import LORA, QUICK, fit, lora_of, method_of


def test_the_loss_is_the_refusals() -> None:
    assert method_of("o3").loss({"refusal": view([[0.5, 0.25]])}).item() == pytest.approx(
        1.5 * math.log(2)
    )


def test_overlap_by_hand() -> None:
    """Products of the rows (1, 2) and (3, 0) with the earlier row (2, 1): 4 and 6."""
    a = torch.tensor([[1.0, 2.0], [3.0, 0.0]], requires_grad=True)
    found = overlap(a, torch.tensor([[2.0, 1.0]]))
    assert found.item() == 16 + 36
    found.backward()
    # 2 x 4 x (2, 1) and 2 x 6 x (2, 1)
    assert a.grad.tolist() == [[16.0, 8.0], [24.0, 12.0]]
    assert overlap(torch.tensor([[1.0, -2.0]]), torch.tensor([[2.0, 1.0]])).item() == 0


@pytest.fixture
def earlier(mllm: MLLM, tmp_path: Path) -> list[Path]:
    """Two adapters of earlier tasks, saved."""
    folders = []
    for seed, name in enumerate(("first", "second")):
        folder = tmp_path / name
        folder.mkdir()
        add_adapter(mllm, name, LORA, "language", seed=seed)
        save_adapter(mllm, name, folder)
        folders.append(folder)
    return folders


def test_all_layers_and_all_earlier_adapters_count(mllm: MLLM, earlier: list[Path]) -> None:
    add_adapter(mllm, "third", LORA, "language", seed=2)
    by_hand = 0.0
    for name, a in lora_of(mllm, "third").items():
        if ".lora_A." in name:
            for other in ("first", "second"):
                before = lora_of(mllm, other)[name.replace("third", other)]
                by_hand += float((before @ a.T).square().sum())
    assert EarlierDirections(mllm, earlier).overlap().item() == pytest.approx(by_hand, rel=1e-5)
    assert EarlierDirections(mllm, []).overlap().item() == 0


def test_training_takes_the_overlap_away(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path, earlier: list[Path]
) -> None:
    """Its weight decides how far."""
    left = {}
    first_loss = {}
    for name, weight in (("light", 1e-6), ("heavy", 0.1)):
        add_adapter(mllm, name, LORA, "language", seed=2)
        before = EarlierDirections(mllm, earlier).overlap().item()
        facts = unlearn(
            mllm,
            method_of("o3", orthogonal=weight),
            fit(benchmark, "forget"),
            [],
            benchmark,
            QUICK,
            seed=0,
            work=tmp_path,
            earlier=earlier,
        )
        left[name] = EarlierDirections(mllm, earlier).overlap().item() / before
        first_loss[name] = facts.first_loss
    assert left["heavy"] < 0.4
    assert left["light"] > 0.6
    assert first_loss["heavy"] - first_loss["light"] == pytest.approx(0.1 * before, rel=1e-3)
