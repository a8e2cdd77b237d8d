"""One whole build, from the specification to a finished run on the benchmark that came of it."""

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from mlubench.authoring.builder import open_build
from mlubench.authoring.knowledge import as_benchmark
from mlubench.authoring.rows import ItemRow, KnownRow, read_rows
from mlubench.data import release
from mlubench.data.inhabitants import invented
from mlubench.experiment.sequence import run_lifelong
from mlubench.models.toy.base import toy_base
from mlubench.settings import loading as settings
from mlubench.settings.model import ToyConfig

STUDENT = {
    "width": 96,
    "vision_width": 64,
    "vision_layers": 2,
    "pictures": 60,
    "sight_epochs": 10,
    "steps": 90,
    "seed": 1,
}


@pytest.mark.slow
def test_a_build_becomes_a_run(cache: Path, tmp_path: Path) -> None:
    people = [
        {
            "name": who.title,
            "class": who.cls,
            "facts": {key: facts[key] for key in sorted(facts)[:3]},
        }
        for who, facts in invented(0, 16)[:8]
    ]
    spec = {
        "name": "Small",
        "entities": people,
        "pictures": {"kind": "render", "per_entity": 6},
        "know": {"models": [STUDENT]},
        "split": {"kind": "similarity", "tasks": 2},
        "write": {"parquet": False},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    build = open_build(path, tmp_path / "built")
    ctx = build.context
    assert {s.status for s in build.run()} == {"todo"}
    assert {s.status for s in build.run()} == {"done"}
    rows = read_rows(ctx.root / "known.jsonl", KnownRow)
    assert 0.3 < sum(row.kept for row in rows) / len(rows) < 1
    benchmark = release.read(ctx.root / "release")
    assert sum(row.kept for row in rows) == len(benchmark.samples)
    items = read_rows(ctx.root / "reviewed.jsonl", ItemRow)
    base = toy_base(
        ToyConfig.model_validate(STUDENT), as_benchmark(ctx, items)
    )  # as the filter asked it
    chosen = [
        "benchmark.kind=release",
        f"benchmark.root={ctx.root / 'release'}",
        f"model.path={base}",
        "device=cpu",
    ]
    chosen += ["benchmark.order=null", "methods=[lumoe]", "evaluate.limit=10", "train.epochs=1"]
    results = run_lifelong(settings.load("smoke", chosen), tmp_path / "run", Console(quiet=True))
    assert {(c.task, c.after) for c in results.cells} == {
        ("A", "A"),
        ("A", "B"),
        ("B", "B"),
    }
    final = next(s for s in results.summary if s.method == "lumoe").final
    assert final["utility"] > 0.5
