"""A record that is too long for the model is named before any work is done, whatever it is for."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.core.errors import DataError
from mlubench.data import release
from mlubench.experiment.lengths import require_short_records
from mlubench.experiment.plan.plan import plan_run
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.toy.base import toy_base
from mlubench.settings.loading import load
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Sample, Task

LONG = "word " * 3000


def settings(*changes: str) -> Config:
    return load("smoke", ["device=cpu", "train.phrasings=all", *changes])


def chosen(benchmark: Benchmark, role: str, split: str = "forget", phrasing: int = 0) -> Sample:
    samples = benchmark.task("A").split(split)  # type: ignore[arg-type]
    return next(s for s in samples if s.role == role and s.phrasing == phrasing)


def with_changed(benchmark: Benchmark, sample: Sample, **changes: str) -> Benchmark:
    """The benchmark in which this one sample says something else."""

    def changed(task: Task) -> Task:
        splits = {}
        for split in ("forget", "retain"):
            rows = task.split(split)  # type: ignore[arg-type]
            splits[split] = tuple(replace(s, **changes) if s is sample else s for s in rows)  # type: ignore[arg-type]
        return replace(task, **splits)

    return replace(benchmark, tasks=tuple(changed(task) for task in benchmark))


@pytest.mark.parametrize(
    ("role", "split", "what", "changes"),
    [
        ("fit", "forget", "question", ()),
        ("fit", "retain", "question", ()),
        ("fit", "forget", "truth", ()),
        ("fit", "retain", "truth", ("train.images=blind",)),
        ("test", "forget", "question", ("evaluate.limit=null",)),
        ("test", "retain", "truth", ("evaluate.limit=null", "evaluate.probability=true")),
        ("calibrate", "forget", "question", ()),
    ],
)
def test_a_record_that_is_too_long_is_named(
    mllm: MLLM, benchmark: Benchmark, role: str, split: str, what: str, changes: tuple[str, ...]
) -> None:
    sample = chosen(benchmark, role, split)
    with pytest.raises(DataError) as error:
        require_short_records(
            mllm, with_changed(benchmark, sample, **{what: LONG}), settings(*changes)
        )
    said = str(error.value)
    assert said.startswith("1 record(s) are too long for the model, which has 1,024 positions")
    assert sample.id in said and sample.image in said and "\n" not in said


def test_what_the_run_does_nothing_with_may_be_long(mllm: MLLM, benchmark: Benchmark) -> None:
    require_short_records(mllm, benchmark, settings())
    other = with_changed(benchmark, chosen(benchmark, "fit", phrasing=1), question=LONG)
    require_short_records(mllm, other, settings("train.phrasings=first"))
    with pytest.raises(DataError, match="1 record"):
        require_short_records(mllm, other, settings())
    # What is only asked about has no answer that the model reads.
    asked = with_changed(benchmark, chosen(benchmark, "calibrate"), truth=LONG)
    require_short_records(mllm, asked, settings())


def test_the_last_position_may_be_used(mllm: MLLM, benchmark: Benchmark) -> None:
    sample = chosen(benchmark, "fit")
    prompt = mllm.encode([Query(benchmark.picture(sample), sample.question)])["input_ids"].shape[1]
    outcomes = []
    for letters in range(mllm.positions - prompt - 6, mllm.positions - prompt + 4):
        text = "\x01" * letters  # no two of these are one token
        tokens = prompt + len(mllm.answer_ids(sample.question, text))
        changed = with_changed(benchmark, sample, truth=text)
        outcomes.append(tokens <= mllm.positions)
        if outcomes[-1]:
            require_short_records(mllm, changed, settings())
        else:
            with pytest.raises(DataError, match=f"{tokens:,} tokens"):
                require_short_records(mllm, changed, settings())
    assert set(outcomes) == {True, False}


@pytest.fixture
def doctored(benchmark: Benchmark, tmp_path: Path) -> tuple[Path, str]:
    """A release with one record of 3,000 words on a picture for training, and that picture."""
    root = copytree(benchmark.image_root, tmp_path / "release")
    image = chosen(benchmark, "fit").image
    path = root / "Tasks" / "TaskA" / "taskA_forget.json"
    rows = json.loads(path.read_text())
    row = next(row for row in rows if row["image"] == image)
    row["conversations"][0]["value"] = f"<image>\n{LONG}"
    path.write_text(json.dumps(rows))
    return root, image


@pytest.mark.parametrize("own_model", [True, False])
def test_the_plan_says_it_too(
    doctored: tuple[Path, str], base_path: Path, tmp_path: Path, own_model: bool
) -> None:
    root, image = doctored
    changes = ["benchmark.kind=release", f"benchmark.root={root}"]
    if own_model:
        changes.append(f"model.path={base_path}")
    plan = plan_run(settings(*changes), tmp_path / "run")
    (missing,) = plan.missing
    assert "1 record(s) are too long" in missing.what and image in missing.what
    assert not (tmp_path / "run").exists()


def test_no_tiny_base_is_taught_beyond_its_positions(
    doctored: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, image = doctored
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=image):
        toy_base(settings().model.toy, release.read(root), device="cpu", progress=False)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
