"""Reads and writes the official layout, `Tasks/TaskX/taskX_{forget,retain}.json`, as a Benchmark."""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from mlubench.core.errors import DataError, UsageError
from mlubench.core.files import digest, file_sha256, write_atomic
from mlubench.data.records import IMAGE_MARKER, Record, parse, problems, unparse
from mlubench.data.roles import assign_roles
from mlubench.types import Benchmark, Role, Sample, Split, Task

# Lies in an image root that holds drawn stand-ins, so that no number from them passes for one from photographs.
STAND_IN_MARK = "STAND-INS.json"

SPLITS: tuple[Split, ...] = get_args(Split)
# A task's name becomes part of file names, so it may not wander: no separators, no leading or trailing dot or space.
_NAME = re.compile(r"\w(?:[\w .+-]*[\w+])?")

_Row = tuple[str, Split, Record]


def read(root: Path, images: Path | None = None, *, seed: int = 0) -> Benchmark:
    """The benchmark at `root`: the folder that holds `Tasks`, `Tasks` itself, or any folder of TaskX folders.

    Pictures are looked for under `images` (default: `root`), but not opened. `seed` draws the pictures' roles. Raises
    UsageError when there is no such folder, DataError naming file and record when the data cannot be used.
    """
    rows: list[_Row] = []
    names = []
    for folder in task_folders(root):
        names.append(task_name(folder, root))
        for split, path in split_files(folder).items():
            rows += [(names[-1], split, record) for record in _read_file(path, root)]
    samples = _samples(rows, seed)
    image_root = images or root
    mark = image_root / STAND_IN_MARK
    facts = {"seed": seed, "records": [(s.id, s.truth) for s in samples], "tasks": names}
    return Benchmark(
        tasks=tuple(_task(name, samples) for name in names),
        image_root=image_root,
        stand_ins=mark.is_file(),
        digest=digest(facts | {"mark": file_sha256(mark) if mark.is_file() else None}),
    )


def write(
    records_by_task: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]], root: Path
) -> None:
    """Write {task: {split: [{image, question, answer}, ...]}} under `root`/Tasks so that `read` gives it back.

    Each file is whole or absent; nothing is written when any record is wrong (DataError). Other tasks there stay.
    """
    texts = {}
    for name, splits in records_by_task.items():
        if wrong := name_problem(name):
            raise DataError(f"task name {name!r} {wrong}", "Use letters, digits, _ and -.")
        for split, path in split_files(root / "Tasks" / f"Task{name}").items():
            texts[path] = json.dumps(_official(name, split, splits.get(split, ())), indent=4) + "\n"
    for path, text in texts.items():
        write_atomic(path, text)


def image_paths(benchmark: Benchmark) -> list[str]:
    """The distinct picture paths of all records, sorted."""
    return sorted({s.image for s in benchmark.samples})


def task_folders(root: Path) -> list[Path]:
    """The TaskX folders that `root` stands for, in natural order (Task2 before Task10).

    Raises UsageError when there are none.
    """
    hint = "Give the folder that holds Tasks/TaskA/taskA_forget.json."
    if not root.is_dir():
        raise UsageError(
            f"{root} is not a folder" if root.exists() else f"{root} does not exist", hint
        )
    # `Tasks` itself is spelled like the folder of a task "s": it is one only where it holds no task folders.
    for base in (root / "Tasks", root):
        if base.is_dir() and (
            found := [p for p in base.iterdir() if re.match("Task.", p.name) and p.is_dir()]
        ):
            return sorted(
                found,
                key=lambda p: ([int(w) if w.isdigit() else w for w in _words(p.name)], p.name),
            )
    raise UsageError(f"{root} holds no TaskX folder", hint)


def task_name(folder: Path, root: Path) -> str:
    """X of a TaskX folder. Raises DataError when it cannot be part of a file name."""
    name = folder.name.removeprefix("Task")
    if wrong := name_problem(name):
        raise DataError(f"{folder}: the task name {name!r} {wrong}", _hint(root))
    return name


def name_problem(name: str) -> str | None:
    """What keeps a task's name from being part of file names. None: nothing."""
    return (
        None
        if _NAME.fullmatch(name)
        else "is empty or holds characters that a file name should not"
    )


def split_files(folder: Path) -> dict[Split, Path]:
    """Where the two files of a TaskX folder must lie."""
    name = folder.name.removeprefix("Task")
    return {split: folder / f"task{name}_{split}.json" for split in SPLITS}


def load_list(path: Path) -> list[Any]:
    """The records of one file as JSON gives them. Raises ValueError with one line that says why it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no plain file")  # reading a pipe would wait for ever
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("is missing") from None
    except RecursionError:
        raise ValueError("cannot be read: it is nested too deeply") from None
    except MemoryError:
        raise ValueError("cannot be read: it does not fit into memory") from None
    except UnicodeDecodeError:
        raise ValueError("cannot be read: it is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(raw, list):
        raise ValueError(f"holds {type(raw).__name__}, not a list of records")
    if not raw:
        raise ValueError("holds no records")
    return raw


def fold(text: str) -> str:
    """One spelling for answers that differ only in case, width, spacing or a closing full stop."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .")


def _words(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def _hint(root: Path) -> str:
    return f"`mlubench data check {root}` lists everything that is wrong."


def _read_file(path: Path, root: Path) -> list[Record]:
    try:
        raws = load_list(path)
    except ValueError as error:
        raise DataError(f"{path} {error}", _hint(root)) from None
    records = []
    for index, raw in enumerate(raws):
        try:
            records.append(parse(raw))
        except ValueError as error:
            raise DataError(f"{path} record {index}: {error}", _hint(root)) from None
    return records


def _official(task: str, split: Split, rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    if not rows:
        raise DataError(f"task {task} has no {split} records", "Give at least one.")
    out = []
    for index, row in enumerate(rows):
        try:
            raw = unparse(index + 1, Record(row["image"], row["question"], row["answer"]))
        except KeyError as error:
            raise DataError(
                f"task {task} {split} record {index} has no {error}",
                "Give image, question, answer.",
            ) from None
        if found := problems(raw):
            message = f"task {task} {split} record {index}: {found[0].message}"
            raise DataError(
                message,
                f"Give plain texts without {IMAGE_MARKER} and a path in the official layout.",
            )
        out.append(raw)
    return out


def _fact(record: Record) -> str:
    key = record.entity.key
    text = f"{key}\0{fold(record.truth)}"
    return f"{key}#{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _ids(rows: Iterable[_Row]) -> list[str]:
    """An id for each row from what it says, so that it outlives reordering; a counter only tells exact copies apart."""
    seen: Counter[str] = Counter()
    ids = []
    for task, split, r in rows:
        content = "\0".join((r.image, r.question, r.truth))
        stem = f"{task}-{split}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        seen[stem] += 1
        ids.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return ids


def _samples(rows: list[_Row], seed: int) -> list[Sample]:
    facts = [_fact(record) for _, _, record in rows]
    pictures: dict[str, set[str]] = {}
    phrasings: dict[str, dict[str, int]] = {}
    for fact, (_, _, record) in zip(facts, rows, strict=True):
        pictures.setdefault(fact, set()).add(record.image)
        asked = phrasings.setdefault(fact, {})
        asked.setdefault(record.question, len(asked))
    roles: dict[str, Role] = assign_roles(pictures, seed=seed)
    return [
        Sample(
            id=id_,
            task=task,
            split=split,
            entity=r.entity,
            image=r.image,
            question=r.question,
            truth=r.truth,
            fact=fact,
            phrasing=phrasings[fact][r.question],
            role=roles[r.image],
        )
        for id_, fact, (task, split, r) in zip(_ids(rows), facts, rows, strict=True)
    ]


def _task(name: str, samples: list[Sample]) -> Task:
    mine = [s for s in samples if s.task == name]
    forget, retain = (tuple(s for s in mine if s.split == split) for split in SPLITS)
    return Task(name, forget, retain)
