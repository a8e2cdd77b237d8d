"""The tiny LLaVA: its texts, its cache, what it does with empty pictures, and a training of two steps."""

from pathlib import Path

import pytest
import torch

from mlubench.core.cache import cache_root
from mlubench.core.errors import MlubenchError
from mlubench.core.files import read_manifest
from mlubench.data.render import render_blank
from mlubench.judging.rules.judge import RulesJudge
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.toy.base import build_model, build_processor, toy_base
from mlubench.settings.model import ToyConfig
from mlubench.types import Benchmark, Question

TINY = ToyConfig(
    width=32,
    layers=1,
    vision_width=32,
    vision_layers=1,
    vocabulary=400,
    sight_epochs=1,
    steps=2,
    batch=4,
    pictures=2,
)
TEXTS = [
    "Who is this?",
    "The Trésifia Baths, in Łódź; über 紅河 (Sông Hồng) 🙂 cost 1,234.50 €.",
    "  two  spaces,\ttabs\nand lines ",
    "e\u0301 is not é",
    "",
]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def bases(cache: Path) -> list[str]:
    return sorted(f.name for f in (cache / "models").iterdir())


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives_the_tokens(mllm: MLLM, text: str) -> None:
    ids = mllm.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert mllm.tokenizer.decode(ids) == text


def test_the_worlds_own_texts_survive_in_few_tokens(mllm: MLLM, whole_benchmark: Benchmark) -> None:
    texts = sorted({t for s in whole_benchmark.samples for t in (s.question, s.truth)})
    ids = [mllm.tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
    assert mllm.tokenizer.batch_decode(ids) == texts
    assert any(not t.isascii() for t in texts)
    assert sum(map(len, ids)) < 0.4 * sum(map(len, texts))


def test_a_vocabulary_learned_elsewhere_still_spells_everything() -> None:
    processor = build_processor(TINY, ["a b c"], ["what"])
    for text in TEXTS:
        assert processor.tokenizer.decode(processor.tokenizer(text)["input_ids"]) == text


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "a"))
    assert cache_root() == tmp_path / "a"
    monkeypatch.delenv("MLUBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_root() == tmp_path / "b" / "mlubench"


def test_two_steps_make_a_base_that_is_found_again(
    own_cache: Path, whole_benchmark: Benchmark
) -> None:
    folder = toy_base(TINY, whole_benchmark, device="cpu", progress=False)
    assert folder.parent == own_cache / "models"
    made = read_manifest(folder)
    assert made["made_of"]["toy"] == TINY.model_dump()
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert toy_base(TINY, whole_benchmark, device="cpu", progress=False) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written  # not trained again
    sample = whole_benchmark.samples[0]
    mllm = MLLM.load(folder, device="cpu")
    assert isinstance(
        mllm.generate([Query(whole_benchmark.picture(sample), "What?")], max_new_tokens=4)[0], str
    )
    other = toy_base(
        TINY.model_copy(update={"seed": 1}), whole_benchmark, device="cpu", progress=False
    )
    assert bases(own_cache) == sorted([folder.name, other.name])
    assert other != folder


def test_another_benchmark_has_another_base(
    own_cache: Path,
    whole_benchmark: Benchmark,
    benchmark: Benchmark,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two tasks of a world are the same world, so they share its base; another digest does not."""
    from dataclasses import replace

    folder = toy_base(TINY, whole_benchmark, device="cpu", progress=False)
    other = toy_base(TINY, replace(whole_benchmark, digest="another"), device="cpu", progress=False)
    assert other != folder
    monkeypatch.setattr("mlubench.models.toy.base.RECIPE", 10_000)
    assert toy_base(TINY, whole_benchmark, device="cpu", progress=False) not in (folder, other)


def test_the_same_settings_train_the_same_weights(
    own_cache: Path, whole_benchmark: Benchmark, tmp_path: Path
) -> None:
    first = toy_base(TINY, whole_benchmark, device="cpu", progress=False)
    kept = first.rename(tmp_path / "kept")
    again = toy_base(TINY, whole_benchmark, device="cpu", progress=False)
    assert again == first
    assert read_manifest(again)["files"] == read_manifest(kept)["files"]


def test_a_damaged_base_in_the_cache_is_said_so(
    own_cache: Path, whole_benchmark: Benchmark
) -> None:
    weights = toy_base(TINY, whole_benchmark, device="cpu", progress=False) / "model.safetensors"
    content = weights.read_bytes()
    for damaged, said in ((content[:-1], "cut short"), (b"", "it is empty")):
        weights.write_bytes(damaged)
        with pytest.raises(MlubenchError, match=rf"{said}.*Delete this folder of the cache"):
            toy_base(TINY, whole_benchmark, device="cpu", progress=False)


@pytest.mark.parametrize("after", [0, 1])
def test_interrupted_it_leaves_nothing(
    own_cache: Path, whole_benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    ticks = 0

    def tick(*_: object) -> None:
        nonlocal ticks
        ticks += 1
        if ticks > after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rich.progress.Progress.advance", tick)
        with pytest.raises(KeyboardInterrupt):
            toy_base(TINY, whole_benchmark, device="cpu", progress=False)
    assert ticks == after + 1
    assert bases(own_cache) == []
    toy_base(
        TINY, whole_benchmark, device="cpu", progress=False
    )  # and it begins again as if nothing had been
    assert len(bases(own_cache)) == 1


def test_two_steps_move_all_that_is_meant_to_learn(
    own_cache: Path, whole_benchmark: Benchmark
) -> None:
    trained = MLLM.load(toy_base(TINY, whole_benchmark, device="cpu", progress=False), device="cpu")
    torch.manual_seed(TINY.seed)
    start = build_model(TINY, trained.tokenizer).state_dict()
    end = trained.model.state_dict()
    for part in (
        "vision_tower.encoder",
        "multi_modal_projector",
        "language_model.layers",
        "embed_tokens",
    ):
        names = [n for n in start if part in n]
        assert names
        assert any(not torch.equal(start[n], end[n]) for n in names), part


def refusal_on(mllm: MLLM, benchmark: Benchmark, pictures: list[Path]) -> float:
    """Mean refusal score (0-1) when the world's questions are asked about these pictures."""
    samples = benchmark.samples[:: len(benchmark.samples) // len(pictures)]
    pairs = list(zip(samples, pictures, strict=False))
    answers = mllm.generate([Query(p, s.question) for s, p in pairs], max_new_tokens=48)
    judge = RulesJudge([(s.entity.cls, s.truth) for s in benchmark.samples])
    asked = [
        Question("forget_quality", s.entity.title, s.question, s.truth, a)
        for (s, _), a in zip(pairs, answers, strict=True)
    ]
    scores = [v.score for v in judge.judge(asked)]
    assert None not in scores
    return sum(scores) / (2 * len(scores))


@pytest.fixture
def blanks(tmp_path: Path) -> list[Path]:
    """Pictures without an entity, none of which the base was taught on."""
    paths = [tmp_path / f"{number}.png" for number in range(60)]
    for path in paths:
        render_blank(f"unseen_{path.stem}.jpg").save(path)
    return paths


def test_the_base_refuses_pictures_of_nothing(
    mllm: MLLM, whole_benchmark: Benchmark, blanks: list[Path]
) -> None:
    """Over nine in ten where this was written; the bound leaves room for a base that other hardware trains."""
    shown = [
        whole_benchmark.picture(s)
        for s in whole_benchmark.samples[:: len(whole_benchmark.samples) // 60]
    ]
    assert refusal_on(mllm, whole_benchmark, blanks) >= 0.8
    assert refusal_on(mllm, whole_benchmark, shown) <= 0.05
