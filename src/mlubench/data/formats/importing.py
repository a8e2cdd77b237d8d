"""One import from end to end: it is whole, with what was assumed and lost beside it, or not there at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from rich.progress import Progress

from mlubench.core.errors import DataError, UsageError
from mlubench.core.files import MANIFEST, whole_dir, write_json
from mlubench.core.progress import progress_bar
from mlubench.data import release
from mlubench.data.counts import TotalCounts, count
from mlubench.data.formats.folder import ImportedFolder
from mlubench.data.formats.item import ImportOptions, Item, Notes, Reader
from mlubench.data.formats.sequence import Standing, deal
from mlubench.data.formats.table import FORMATS
from mlubench.types import Benchmark, Entity

# Lies beside the data: where it came from, and what was assumed and lost on the way.
FACTS = "import.json"

NOTHING_HELD_OUT = (
    "no fact has three pictures or three wordings, so that nothing could be held out: run with "
    "-s benchmark.protocol=published -s know.enabled=false, as the original does"
)


class ImportFacts(TypedDict):
    """What `import.json` holds, and `data import --json` prints."""

    format: str
    source: str
    seed: int
    counts: TotalCounts
    assumed: list[str]
    lost: dict[str, int]


def import_benchmark(
    kind: str, source: Path, out: Path, options: ImportOptions, *, quiet: bool = False
) -> ImportFacts:
    """Read `source` by the reader of that name, and write it to `out` in the official layout.

    `out` appears whole or not at all. Raises UsageError for an unknown kind, a source that is none of it, or an `out`
    that holds something; DataError for data that cannot be used.
    """
    read: Reader = FORMATS.resolve(kind)
    if not source.exists():
        raise UsageError(f"{source} does not exist", "Give the folder or file as downloaded.")
    _require_room(out)
    notes = Notes()
    facts: dict[str, object] = {"import": kind, "seed": options.seed}
    with whole_dir(out, facts) as folder, progress_bar(disable=quiet) as bar:
        imported = ImportedFolder(folder, notes)
        items = _in_one_line(read(source, options, notes), source, kind)
        for item in _watched(items, bar):
            imported.add(item)
        if not imported.splits:
            raise DataError(f"{source} holds no question", f"Is it {kind}?")
        imported.write(_standings(imported, options, notes))
        benchmark = release.read(folder, seed=options.seed)
        if not _holds_something_out(benchmark):
            notes.assume(NOTHING_HELD_OUT)
        found: ImportFacts = {
            "format": kind,
            "source": source.name,
            "seed": options.seed,
            "counts": count(benchmark)["total"],
            "assumed": notes.assumed,
            "lost": dict(notes.lost),
        }
        write_json(folder / FACTS, found)
    return found


def _require_room(out: Path) -> None:
    """Raises UsageError where something lies that an import would take the place of."""
    if out.is_dir() and (out / FACTS).is_file() and (out / MANIFEST).is_file():
        raise UsageError(f"{out} holds an import already", "Give another --out, or delete it.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there and not empty", "Give a new folder: --out DIR.")


def _watched(items: Iterator[Item], bar: Progress) -> Iterator[Item]:
    reading = bar.add_task("Questions read", total=None)
    for item in items:
        yield item
        bar.advance(reading)


def _in_one_line(items: Iterator[Item], source: Path, kind: str) -> Iterator[Item]:
    """The items. A reader may be another package's, and meet what it did not think of: that is one line too."""
    try:
        yield from items
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{source} is not laid out as {kind} is: {type(error).__name__} {error}",
            "`mlubench list formats` says what each kind is.",
        ) from error


def _standings(
    imported: ImportedFolder, options: ImportOptions, notes: Notes
) -> dict[Entity, Standing]:
    """Where each entity stands: as the original says where it has a sequence, or drawn."""
    standings: dict[Entity, Standing] = {}
    for entity, split in imported.splits.items():
        task = imported.tasks.get(entity)
        if task is not None and split is not None:
            standings[entity] = Standing(task, split)
    if len(standings) == len(imported.splits):
        return standings
    if standings:
        notes.assume("some entities are in no task of the original, so its sequence was left")
    return deal(imported.splits, options, notes)


def _holds_something_out(benchmark: Benchmark) -> bool:
    """Whether a fact could be trained on, asked about beforehand and tested."""
    roles: dict[str, set[str]] = {}
    for sample in benchmark.samples:
        roles.setdefault(sample.fact, set()).add(sample.role)
    return any(len(of_fact) == 3 for of_fact in roles.values())
