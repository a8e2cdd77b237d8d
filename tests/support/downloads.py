"""Small downloads of other benchmarks in their true schema, written by the tests, and what an import makes of them."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from PIL import Image
from pyarrow import parquet

from mlubench.data import release
from mlubench.data.check import check
from mlubench.data.formats.importing import ImportFacts, import_benchmark
from mlubench.data.formats.item import ImportOptions
from mlubench.types import Benchmark, Sample


def picture(number: int, form: str = "png") -> bytes:
    """A picture that no other number has: no two are alike after scaling."""
    size = 16
    drawn = Image.new("RGB", (size, size))
    for place in range(size * size):
        value = (place * (number + 3) * 7919) % 256
        colour = (value, (value * (number + 2)) % 256, (place + 31 * number) % 256)
        drawn.putpixel((place % size, place // size), colour)
    buffer = io.BytesIO()
    drawn.save(buffer, format=form)
    return buffer.getvalue()


def hub_picture(number: int) -> dict[str, Any]:
    """As `datasets` writes a picture into parquet."""
    return {"bytes": picture(number), "path": f"{number}.png"}


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, row_group_size=2)


def write_config(root: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A configuration of a data set on the hub: NAME/train-00000-of-00001.parquet."""
    write_parquet(root / name / "train-00000-of-00001.parquet", rows)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote."""

    root: Path
    facts: ImportFacts
    benchmark: Benchmark

    def asked(self, name: str) -> list[Sample]:
        """The samples about the entity of this name, as its folder spells it."""
        return [sample for sample in self.benchmark.samples if sample.entity.name == name]

    def names(self, split: str) -> set[str]:
        return {s.entity.name for s in self.benchmark.samples if s.split == split}


def imported(kind: str, source: Path, **options: Any) -> Imported:
    """The import of `source` into a folder beside it. `data check` finds no error in it."""
    out = source.parent / f"{source.name}-imported"
    options = {"tasks": 1, **options}
    facts = import_benchmark(kind, source, out, ImportOptions(**options), quiet=True)
    errors = [finding for finding in check(out) if finding.severity == "error"]
    assert errors == []
    return Imported(out, facts, release.read(out))
