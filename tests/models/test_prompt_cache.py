"""Kept picture features stand in for pixels exactly, are known by their content, and stay within their limit."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.prompt_cache import PromptCache
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig, TrainConfig
from mlubench.types import Benchmark, Part, Scope
from mlubench.unlearning.methods.ga import GA
from mlubench.unlearning.steps import StepBuilder
from support.short_training import FAMILIES, TRAINED, fit

Load = Callable[..., MLLM]
PLENTY = 2**24
QUESTIONS = [
    "What?",
    "Which building do you see in this picture, and where?",
    "Who made it?",
    "Is it old, é, 紅河?",
]


class Computed:
    """Counts how often the projector is called: once for every time that features are computed."""

    def __init__(self, mllm: MLLM) -> None:
        self.times = 0
        mllm.base.get_submodule(mllm.parts.projector[0]).register_forward_hook(self.count)

    def count(self, *_: Any) -> None:
        self.times += 1


def queries(shapes: list[Path]) -> list[Query]:
    return [Query(p, q) for p, q in zip(shapes, QUESTIONS, strict=True)]


def features(batch: dict[str, Any]) -> list[Tensor]:
    return batch["mm_encoder_outputs"]["image"].pooler_output


def logits(mllm: MLLM, batch: dict[str, Any]) -> Tensor:
    """At the last position of each prompt, where the answer begins. (B, V)"""
    with torch.no_grad():
        return mllm.model(**batch, logits_to_keep=1, use_cache=False).logits[:, 0]


def recoloured(path: Path, source: Path, turn: int = 180) -> Path:
    """A picture of the same shape and other content."""
    with Image.open(source) as picture:
        picture.rotate(turn).save(path)
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_kept_features_give_the_logits_of_pixels(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    prompts = PromptCache(mllm, PLENTY)
    wanted = logits(mllm, mllm.encode(asked))
    assert (wanted[0] - wanted[1]).abs().max() > 1e-2
    for order in (
        [0, 1, 2, 3],
        [3, 1],
        [2, 0, 1],
    ):  # the first computes, the others take what is kept
        batch = prompts.batch([asked[n] for n in order])
        assert "pixel_values" not in batch
        assert torch.allclose(logits(mllm, batch), wanted[order], rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_the_inputs_are_else_those_of_pixels(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    kept, plain = PromptCache(mllm, PLENTY).batch(asked), mllm.encode(asked)
    assert set(plain) - set(kept) == {"pixel_values"}
    assert set(kept) - set(plain) == {"mm_encoder_outputs"}
    assert all(torch.equal(kept[k], plain[k]) for k in set(plain) & set(kept))


@pytest.mark.parametrize("name", ["llava_next", "qwen3_vl"])
def test_the_same_bytes_under_two_names_are_computed_once(
    load_family: Load, shapes: list[Path], tmp_path: Path, name: str
) -> None:
    mllm = load_family(name)
    computed, prompts = Computed(mllm), PromptCache(mllm, PLENTY)
    twin = Path(shutil.copy(shapes[0], tmp_path / "twin.png"))
    first = features(prompts.batch([Query(shapes[0], "What?"), Query(shapes[0], "Who made it?")]))
    second = features(prompts.batch([Query(twin, "What?")]))
    assert computed.times == 1
    assert first[0] is first[1] is second[0]
    prompts.batch([Query(shapes[1], "What?")])
    assert computed.times == 2


@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
def test_a_changed_file_is_computed_anew(
    load_family: Load, shapes: list[Path], tmp_path: Path, name: str
) -> None:
    """Also one of another shape, which makes another prompt in the families that show pictures at their own size."""
    mllm, path = load_family(name), tmp_path / "picture.png"
    computed, prompts = Computed(mllm), PromptCache(mllm, PLENTY)
    for times, source in enumerate((shapes[0], shapes[2]), 1):
        recoloured(path, source)
        batch = prompts.batch([Query(path, "What?")])
        assert computed.times == times
        fresh = load_family(name)
        assert torch.allclose(
            logits(mllm, batch), logits(fresh, fresh.encode([Query(path, "What?")])), atol=1e-5
        )


def test_the_least_recently_used_go_first(
    load_family: Load, shapes: list[Path], tmp_path: Path
) -> None:
    mllm = load_family("llava")
    asked = {
        n: Query(recoloured(tmp_path / f"{n}.png", shapes[0], 90 * i), "What?")
        for i, n in enumerate("abc")
    }
    size = features(PromptCache(mllm, PLENTY).batch([asked["a"]]))[0].nbytes
    computed, prompts = Computed(mllm), PromptCache(mllm, 2 * size + size // 2)
    for name, anew in (
        ("a", 1),
        ("b", 1),
        ("a", 0),
        ("c", 1),
        ("a", 0),
        ("c", 0),
        ("b", 1),
        ("c", 0),
        ("a", 1),
    ):
        before = computed.times
        prompts.batch([asked[name]])
        assert (computed.times - before, prompts.used <= prompts.limit) == (anew, True), name
    assert prompts.used == 2 * size


def test_a_picture_without_room_drives_out_no_other(load_family: Load, shapes: list[Path]) -> None:
    mllm = load_family("qwen3_vl")
    small, large = Query(shapes[3], "What?"), Query(shapes[2], "What?")
    probe = PromptCache(mllm, PLENTY)
    probe.batch([small])
    computed, prompts = Computed(mllm), PromptCache(mllm, probe.used + 1)
    prompts.batch([small])
    batch = prompts.batch([large])
    assert torch.allclose(logits(mllm, batch), logits(mllm, mllm.encode([large])), atol=5e-5)
    before = computed.times
    prompts.batch([small])
    assert computed.times == before
    assert prompts.used == probe.used  # deeper features count too
    assert (
        probe.used > features(batch)[0].element_size() * features(probe.batch([small]))[0].numel()
    )


def test_a_limit_of_nothing_keeps_nothing(load_family: Load, shapes: list[Path]) -> None:
    mllm, asked = load_family("qwen2_5_vl"), queries(shapes)
    computed, prompts = Computed(mllm), PromptCache(mllm, 0)
    batch, plain = prompts.batch(asked), mllm.encode(asked)
    assert set(batch) == set(plain)
    assert all(torch.equal(batch[k], plain[k]) for k in plain)
    assert (computed.times, prompts.used) == (0, 0)


@pytest.mark.parametrize(
    ("scope", "full", "keeps"),
    [
        ("language", (), True),
        ("language", ("language",), True),
        ("projector", (), False),
        ("projector", ("projector",), False),
        ("vision", (), False),
        ("vision", ("vision",), False),
        ("all", (), False),
    ],
)
@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
def test_features_are_kept_only_while_nothing_changes_them(
    load_family: Load,
    benchmark: Benchmark,
    name: str,
    scope: Scope,
    full: tuple[Part, ...],
    keeps: bool,
) -> None:
    mllm = load_family(name)
    add_adapter(mllm, "default", LoraConfig(r=2, alpha=2), scope, seed=0, full=full)
    steps = StepBuilder(mllm, benchmark, GA(), TrainConfig(scope=scope, full=full))
    samples = fit(benchmark, "forget")
    (group,) = steps.build([{"forget": s} for s in samples]).batches
    assert ("mm_encoder_outputs" in group.inputs, "pixel_values" in group.inputs) == (
        keeps,
        not keeps,
    )
    assert (steps.batch_builder.prompts.used > 0) is keeps
