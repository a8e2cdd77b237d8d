"""Tests of what models know of a build's items, on the real tiny model and the world that it has learned."""

import shutil
from pathlib import Path

import pytest

from mlubench.authoring import knowledge
from mlubench.authoring.partial_rows import partial_file
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stage import Context
from mlubench.core.errors import UsageError
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark


def context(root: Path, models: list[object], batch: int = 8) -> Context:
    spec = {
        "name": "x",
        "entities": {"world": 16},
        "know": {"models": models, "batch": batch, "max_new_tokens": 48},
    }
    return Context(BuildSpec.model_validate(spec), root, root)


def items_of(benchmark: Benchmark, root: Path, count: int) -> list[ItemRow]:
    """Items of the world that the base knows, every fourth with a truth that is not what it has learned."""
    samples = [s for s in benchmark.samples if s.role == "calibrate" and s.phrasing == 0][:count]
    items = []
    for number, sample in enumerate(samples):
        picture = root / "pictures" / sample.entity.key / Path(sample.image).name
        picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(benchmark.picture(sample), picture)
        items.append(
            ItemRow(
                id=f"{number:04}",
                picture=picture.relative_to(root).as_posix(),
                entity=sample.entity.key,
                question=sample.fact.split("#")[1],
                phrasing=0,
                text=sample.question,
                answer="Nobody has ever seen the Zzyzx." if number % 4 == 3 else sample.truth,
            )
        )
    return items


def test_the_base_knows_what_it_learned_and_nothing_else(
    whole_benchmark: Benchmark, base_path: Path, tmp_path: Path
) -> None:
    items = items_of(whole_benchmark, tmp_path, 24)
    scores = knowledge.score_knowledge(context(tmp_path, [str(base_path)]), items)
    known = [s[base_path.name] == 2 for s in scores]
    assert sum(k for n, k in enumerate(known) if n % 4 != 3) >= 14  # of 18
    assert not any(k for n, k in enumerate(known) if n % 4 == 3)


def test_what_was_answered_before_a_stop_is_not_asked_again(
    whole_benchmark: Benchmark, base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(whole_benchmark, tmp_path, 20)
    ctx = context(tmp_path, [str(base_path)], batch=5)
    whole = knowledge.score_knowledge(ctx, items)
    part = partial_file(tmp_path / "known.jsonl")
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join(lines[:10]) + lines[10][:7])  # killed while it wrote
    asked: list[int] = []
    generate = MLLM.generate
    monkeypatch.setattr(
        MLLM, "generate", lambda self, q, **how: asked.append(len(q)) or generate(self, q, **how)
    )
    assert knowledge.score_knowledge(ctx, items) == whole
    assert asked == [5, 5]
    assert part.read_bytes().splitlines(keepends=True) == lines


def test_two_models_have_two_names(tmp_path: Path) -> None:
    (tmp_path / "a" / "base").mkdir(parents=True)
    (tmp_path / "b" / "base").mkdir(parents=True)
    names = knowledge.model_names(
        context(tmp_path, ["a/base", "b/base", {"width": 64}, {"width": 96}])
    )
    assert names[:2] == ["base", "base-2"]
    assert len(set(names)) == 4


def test_a_wrong_setting_of_a_tiny_model_is_said(
    whole_benchmark: Benchmark, tmp_path: Path
) -> None:
    items = items_of(whole_benchmark, tmp_path, 4)
    with pytest.raises(UsageError, match=r"know.models: width: .*multiple of 32.*got 33"):
        knowledge.score_knowledge(context(tmp_path, [{"width": 33}]), items)


def test_items_are_a_benchmark_that_a_tiny_model_can_be_taught(
    whole_benchmark: Benchmark, tmp_path: Path
) -> None:
    items = items_of(whole_benchmark, tmp_path, 12)
    benchmark = knowledge.as_benchmark(context(tmp_path, []), items)
    assert benchmark.stand_ins
    assert [s.id for s in benchmark.samples] == [i.id for i in items]
    assert all(benchmark.picture(s).is_file() for s in benchmark.samples)
