"""Whether a run's answers and verdicts are whole: their counts and hashes stand in the run, so that a cut file is noticed.

A file without a record, of an older run or of one that was killed right after writing it, is held against the number of
samples that run.json says were tested.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import file_sha256, write_json
from mlubench.core.lines import read_lines
from mlubench.core.reading import read_json
from mlubench.runs.folder import KNOW, AnswerFile, RunDir
from mlubench.runs.results import RunFacts


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a file held when the run wrote it."""

    lines: int
    sha256: str


def record(run: RunDir, path: Path) -> None:
    """Note what the run has just written to `path`."""
    records = _records(run)
    found = FileRecord(len(read_lines(path)), file_sha256(path))
    if records.get(_name(run, path)) != found:
        records[_name(run, path)] = found
        write_json(run.file_records, {name: asdict(known) for name, known in records.items()})


def is_recorded(run: RunDir, path: Path) -> bool:
    return _name(run, path) in _records(run)


def damage(run: RunDir, path: Path) -> str | None:
    """What happened to a file since the run wrote it, in words; None where it is as it was, or was never recorded."""
    known = _records(run).get(_name(run, path))
    if known is None or not path.is_file() or file_sha256(path) == known.sha256:
        return None
    return _in_words(_count(path), known.lines)


def damaged_answers(run: RunDir, file: AnswerFile) -> str | None:
    """As `damage`, but a file of answers that was never recorded must have as many lines as samples were tested."""
    if is_recorded(run, file.path):
        return damage(run, file.path)
    expected = _tested(run, file.task)
    count = _count(file.path)
    return None if expected is None or count == expected else _in_words(count, expected)


def require_whole(run: RunDir, file: AnswerFile) -> None:
    """Raises MlubenchError for answers of which some are gone: no score may be computed on what is left."""
    found = damaged_answers(run, file) if file.path.is_file() else None
    if found:
        raise MlubenchError(
            f"{file.path} is not as the run wrote it: {found}",
            "Run it again with the same settings and --out, which asks for these answers anew.",
        )


def damaged_files(run: RunDir) -> list[str]:
    """Each file of answers or verdicts that is not as the run wrote it, with what happened to it."""
    found = []
    for file in run.answer_files():
        why = damaged_answers(run, file)
        if why:
            found.append(f"{_name(run, file.path)}: {why}")
    for judge in run.judges():
        for path in sorted((run.root / "verdicts" / judge).glob("*/*.jsonl")):
            why = damage(run, path)
            if why:
                found.append(f"{_name(run, path)}: {why}")
    return found


def _in_words(count: int | str, expected: int) -> str:
    if isinstance(count, str):
        return count
    if count != expected:
        return f"{count:,} of {expected:,} lines"
    return "its lines were changed"


def _count(path: Path) -> int | str:
    """How many whole lines a file has; what is wrong, in words, where one in its middle is broken."""
    try:
        return len(read_lines(path))
    except MlubenchError as error:
        return error.what.replace(str(path), path.name)


def _tested(run: RunDir, task: str) -> int | None:
    """How many samples of a task were tested; None where the run does not say."""
    if task == KNOW or not run.facts_file.is_file():
        return None
    splits = read_json(run.facts_file, RunFacts).tested_samples.get(task)
    if not splits:
        return None
    limit = _limit(run.config_file, run.config_file.stat().st_mtime_ns)
    return sum(count if limit is None else min(count, limit) for count in splits.values())


# All files of a run are held against it, and parsing YAML takes a while.
@lru_cache(maxsize=8)
def _limit(config_file: Path, changed: int) -> int | None:
    return RunDir(config_file.parent).config().evaluate.limit


def _records(run: RunDir) -> dict[str, FileRecord]:
    """By the file's path within the run."""
    path = run.file_records
    if not path.is_file():
        return {}
    return read_json(
        path, dict[str, FileRecord], "Delete it: files are then held against run.json."
    )


def _name(run: RunDir, path: Path) -> str:
    return path.relative_to(run.root).as_posix()
