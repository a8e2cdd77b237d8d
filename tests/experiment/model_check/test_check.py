"""The check of a model passes for every family at a tiny size, and finds what is wrong with a broken one."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import UsageError
from mlubench.experiment.model_check import asking, check
from mlubench.experiment.model_check.check import STEPS, check_model
from mlubench.experiment.model_check.findings import Finding, ModelCheck
from mlubench.lumoe.engine import mixing
from mlubench.models import packing, picture_tokens

# What a family cannot do, and a run can do without.
BOTH_SIDES = "packed answers"
MISSING = {
    "gemma3": {BOTH_SIDES, "training: projector"},
    "mllama": {BOTH_SIDES, "kept features"},
    "paligemma": {BOTH_SIDES, "words alone"},
    "paligemma2": {BOTH_SIDES, "words alone"},
}
# Those that are used most; the others are variants of one of them, or used less.
COMMON = (
    "llava",
    "llava_next",
    "llava_onevision",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "internvl",
    "gemma3",
    "mllama",
    "smolvlm",
    "mistral3",
    "paligemma",
)
RARER = ("llava_next_mistral", "qwen2_vl", "idefics3", "pixtral", "paligemma2")
Folder = Callable[[str], Path]


def checked(path: Path) -> ModelCheck:
    return check_model(str(path), device="cpu")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the check try these steps alone."""

    def choose(*names: str) -> None:
        chosen = tuple(step for step in STEPS if step.name in names)
        assert len(chosen) == len(names)
        monkeypatch.setattr(check, "STEPS", chosen)

    return choose


def of(found: ModelCheck, step: str) -> Finding:
    return next(finding for finding in found.findings if finding.step == step)


def require_all(found: ModelCheck, name: str) -> None:
    not_working = {f.step: f for f in found.findings if f.outcome != "works"}
    assert not_working.keys() == MISSING.get(name, set()), not_working
    assert all(finding.outcome == "missing" for finding in not_working.values())
    assert found.passed


@pytest.mark.parametrize("name", COMMON)
def test_everything_works_with_the_families_that_are_used_most(
    family_folder: Folder, name: str
) -> None:
    found = checked(family_folder(name))
    require_all(found, name)
    # Two layers of four experts: 64 to twice 32, and 32 to 64.
    out_of_reach = (
        f"{2 * 4 * (64 * 64 + 32 * 64):,} numbers: model.language_model.layers.*.mlp.experts."
    )
    assert (out_of_reach in of(found, "training: language").detail) == (name == "qwen3_vl_moe")


@pytest.mark.slow
@pytest.mark.parametrize("name", RARER)
def test_everything_works_with_the_other_families(family_folder: Folder, name: str) -> None:
    require_all(checked(family_folder(name)), name)


def test_half_precision_is_no_failure(family_folder: Folder) -> None:
    found = check_model(str(family_folder("qwen3_vl")), device="cpu", dtype="bfloat16")
    assert found.passed
    assert "bfloat16" in of(found, "load").detail


def test_a_projector_of_zeros_is_found(
    family_folder: Folder, only: Callable[..., None], tmp_path: Path
) -> None:
    """Such a model answers whatever is asked, and sees nothing."""
    only("features", "picture in the loss", "batch")
    folder = copytree(family_folder("llava"), tmp_path / "blind")
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if "multi_modal_projector.linear_2" in name:
            weights[name] = torch.zeros_like(tensor)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    found = checked(folder)
    assert not found.passed
    assert of(found, "picture in the loss").outcome == "fails"
    assert "the same whatever the picture shows" in of(found, "picture in the loss").detail
    assert of(found, "features").outcome == "fails"
    assert of(found, "batch").outcome == "works"


def test_an_answer_that_is_seen_from_both_sides_is_found(
    family_folder: Folder, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the prompt's type of token, PaliGemma's answer would be trained on while it sees itself."""
    only("generation and training")
    monkeypatch.setattr(asking, "answer_token_type", lambda model: 0)
    found = checked(family_folder("paligemma"))
    assert of(found, "generation and training").outcome == "fails"


def test_answers_that_cannot_share_a_pass_are_found(
    family_folder: Folder, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("packed answers")
    monkeypatch.setattr("mlubench.experiment.model_check.training.why_not_packed", lambda m: None)
    monkeypatch.setattr("mlubench.unlearning.batches.can_pack", lambda model: True)
    found = checked(family_folder("gemma3"))
    assert of(found, "packed answers").outcome == "fails"
    assert "packing changes an answer's logits" in of(found, "packed answers").detail


def test_features_that_are_kept_wrongly_are_found(
    family_folder: Folder, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("kept features")
    turned = picture_tokens._as_rows

    def upside_down(found: torch.Tensor) -> torch.Tensor:
        return turned(found).flip(0)

    monkeypatch.setattr(picture_tokens, "_as_rows", upside_down)
    found = checked(family_folder("internvl"))
    assert of(found, "kept features").outcome == "fails"
    assert "kept features change" in of(found, "kept features").detail


def test_experts_that_reach_the_wrong_rows_are_found(
    family_folder: Folder, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("training: language", "experts in a batch")

    def to_the_first_row(self: mixing.RowDeltas, x, out, a, b) -> None:
        out[:1] += (x[:1] @ a[0]) @ b[0]

    monkeypatch.setattr(mixing.RowDeltas, "add", to_the_first_row)
    found = checked(family_folder("llava"))
    assert of(found, "experts in a batch").outcome == "fails"


def test_a_library_that_raises_is_one_line_of_its_step(
    family_folder: Folder, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("packed answers")

    def broken(*_: object) -> None:
        raise RuntimeError("the kernel\nis not here")

    monkeypatch.setattr(packing, "_mask_apart", broken)
    found = checked(family_folder("llava"))
    assert of(found, "packed answers") == Finding(
        "packed answers", "fails", "RuntimeError: the kernel"
    )
    # A family that is said to pack its answers must.
    assert not found.passed


def test_what_cannot_be_loaded_is_tried_no_further(tmp_path: Path) -> None:
    told: list[Finding] = []
    found = check_model(str(tmp_path / "nowhere"), device="cpu", tell=told.append)
    assert not found.passed
    assert "cannot be loaded" in found.findings[0].detail
    assert told == [found.findings[0]]
    assert [f.outcome for f in found.findings[1:]] == ["not tried"] * len(STEPS)


def test_a_device_that_is_not_here_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="warp"):
        check_model(str(tmp_path), device="warp")
