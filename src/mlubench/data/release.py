"""Reads and writes the official layout, `Tasks/TaskX/taskX_{forget,retain}.json`, as a Benchmark."""

import codecs
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
from mlubench.core.reading import json_value
from mlubench.core.tensor_files import LFS_POINTER
from mlubench.data.overlaps import Standing, find_overlaps
from mlubench.data.picture_kinds import PictureKind, read_kinds
from mlubench.data.records import IMAGE_MARKER, Record, parse, problems, short, unparse
from mlubench.data.roles import assign_roles
from mlubench.types import Benchmark, Role, Sample, Split, Task

# Lies in an image root that holds drawn stand-ins, so that no number from them passes for one from photographs.
STAND_IN_MARK = "STAND-INS.json"

SPLITS: tuple[Split, ...] = get_args(Split)
# A task's name becomes part of file names, so it may not wander: no separators, no leading or trailing dot or space.
_NAME = re.compile(r"\w(?:[\w .+-]*[\w+])?")

# A record with the task and the split that it stands in.
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
    _check_overlaps(rows, root)
    kinds = read_kinds(root)
    samples = _samples(rows, kinds, seed)
    image_root = images or root
    mark = image_root / STAND_IN_MARK
    made_of: dict[str, object] = {
        "seed": seed,
        "records": [(s.id, s.truth) for s in samples],
        "tasks": names,
        "mark": file_sha256(mark) if mark.is_file() else None,
    }
    # Only where there is such a table, so that other benchmarks keep the digest that they had.
    if kinds:
        made_of["picture_kinds"] = kinds
    return Benchmark(
        tasks=tuple(_task(name, samples) for name in names),
        image_root=image_root,
        stand_ins=mark.is_file(),
        digest=digest(made_of),
        background="drawn" if mark.is_file() else "",
    )


def write(
    records_by_task: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]], root: Path
) -> None:
    """Write {task: {split: [{image, question, answer}, ...]}} under `root`/Tasks so that `read` gives it back.

    A record in words alone has `entity`, the key of one, in the place of `image`.

    Each file is whole or absent; nothing is written when any record is wrong (DataError). Other tasks there stay.
    """
    texts: dict[Path, str] = {}
    for name, splits in records_by_task.items():
        wrong = name_problem(name)
        if wrong:
            raise DataError(f"task name {name!r} {wrong}", "Use letters, digits, _ and -.")
        for split, path in split_files(root / "Tasks" / f"Task{name}").items():
            records = _official(name, split, splits.get(split, ()))
            texts[path] = json.dumps(records, indent=4) + "\n"
    # Only now, since any record may still have been wrong.
    for path, text in texts.items():
        write_atomic(path, text)


def image_paths(benchmark: Benchmark) -> list[str]:
    """The distinct picture paths of all records, sorted."""
    return sorted({s.image for s in benchmark.samples} - {""})


def task_folders(root: Path) -> list[Path]:
    """The TaskX folders that `root` stands for, in natural order (Task2 before Task10).

    Raises UsageError when there are none.
    """
    hint = "Give the folder that holds Tasks/TaskA/taskA_forget.json."
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise UsageError(f"{root} {problem}", hint)
    # `Tasks` itself is spelled like the folder of a task "s": it is one only where it holds no task folders.
    for base in (root / "Tasks", root):
        if not base.is_dir():
            continue
        found = [path for path in base.iterdir() if re.match("Task.", path.name) and path.is_dir()]
        if found:
            return sorted(found, key=_natural_order)
    raise UsageError(f"{root} holds no TaskX folder", hint)


def task_name(folder: Path, root: Path) -> str:
    """X of a TaskX folder. Raises DataError when it cannot be part of a file name."""
    name = folder.name.removeprefix("Task")
    wrong = name_problem(name)
    if wrong:
        raise DataError(f"{folder}: the task name {name!r} {wrong}", _hint(root))
    return name


def name_problem(name: str) -> str | None:
    """What keeps a task's name from being part of file names. None: nothing."""
    if _NAME.fullmatch(name):
        return None
    return "is empty or holds characters that a file name should not"


def split_files(folder: Path) -> dict[Split, Path]:
    """Where the two files of a TaskX folder must lie."""
    name = folder.name.removeprefix("Task")
    return {split: folder / f"task{name}_{split}.json" for split in SPLITS}


def load_list(path: Path) -> list[Any]:
    """The records of one file as JSON gives them. Raises ValueError with one line that says why it cannot be read."""
    data = b""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no plain file")  # reading a pipe would wait for ever
        data = path.read_bytes()
        raw = json_value(data)
    except FileNotFoundError:
        raise ValueError("is missing") from None
    except MemoryError:
        raise ValueError("cannot be read: it does not fit into memory") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"cannot be read: {_nearly(data) or error}") from None
    if isinstance(raw, dict):
        lists = [key for key, value in raw.items() if isinstance(value, list)]
        under = (
            f" (its {short(lists[0])} is one: put that list alone into the file)" if lists else ""
        )
        raise ValueError(f"holds an object, not a list of records{under}")
    if not isinstance(raw, list):
        raise ValueError(f"holds {type(raw).__name__}, not a list of records")
    if not raw:
        raise ValueError("holds no records")
    return raw


def _nearly(data: bytes) -> str | None:
    """What a file that is no JSON is instead, with what to do, where it is a kind that people often bring."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        return "it is UTF-16 text; save it as UTF-8"
    if data.startswith(LFS_POINTER):
        return "it is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
    first_line, _, rest = data.partition(b"\n")
    if rest.strip() and _is_object(first_line):
        return "it is JSON lines, an object a line; put them into one list, with [ ] around and commas between"
    return None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json_value(line), dict)
    except ValueError:
        return False


def fold(text: str) -> str:
    """One spelling for answers that differ only in case, width, spacing or a closing full stop."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .")


def _natural_order(path: Path) -> tuple[list[int | str], str]:
    """Sorts numbers in a name by their size. The name itself decides between Task1 and Task01."""
    parts: list[int | str] = []
    for part in re.split(r"(\d+)", path.name):
        parts.append(int(part) if part.isdigit() else part)
    return parts, path.name


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


def _check_overlaps(rows: Iterable[_Row], root: Path) -> None:
    """Raises DataError for an entity, however spelt, that is to be forgotten and to be kept."""
    standings = (Standing(record.entity, task, split) for task, split, record in rows)
    for overlap in find_overlaps(standings):
        if overlap.is_error:
            raise DataError(f"{root}: {overlap.message}", _hint(root))


def _official(task: str, split: Split, rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    if not rows:
        raise DataError(f"task {task} has no {split} records", "Give at least one.")
    records = []
    for index, row in enumerate(rows):
        where = f"task {task} {split} record {index}"
        try:
            if "image" not in row and "entity" in row:
                record = Record("", row["question"], row["answer"], row["entity"])
            else:
                record = Record(row["image"], row["question"], row["answer"])
        except KeyError as error:
            raise DataError(f"{where} has no {error}", "Give image, question, answer.") from None
        raw = unparse(index + 1, record)
        found = problems(raw)
        if found:
            raise DataError(
                f"{where}: {found[0].message}",
                f"Give plain texts without {IMAGE_MARKER} and a path in the official layout.",
            )
        records.append(raw)
    return records


def _fact(record: Record) -> str:
    """The fact's id: one answer about one entity, however it is spelled."""
    key = record.entity.key
    text = f"{key}\0{fold(record.truth)}"
    return f"{key}#{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _ids(rows: Iterable[_Row]) -> list[str]:
    """An id for each row from what it says, so that it outlives reordering; a counter only tells exact copies apart."""
    seen: Counter[str] = Counter()
    ids = []
    for task, split, record in rows:
        content = "\0".join((record.shown, record.question, record.truth))
        stem = f"{task}-{split}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        seen[stem] += 1
        ids.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return ids


def _samples(rows: list[_Row], kinds: Mapping[str, PictureKind], seed: int) -> list[Sample]:
    facts = [_fact(record) for _, _, record in rows]
    units: dict[str, set[str]] = {}
    for fact, (_, _, record) in zip(facts, rows, strict=True):
        units.setdefault(fact, set()).add(record.unit)
    roles = _roles(units, kinds, seed)
    phrasings = _phrasings(facts, rows, roles)
    samples = []
    for sample_id, fact, (task, split, record) in zip(_ids(rows), facts, rows, strict=True):
        sample = Sample(
            id=sample_id,
            task=task,
            split=split,
            entity=record.entity,
            image=record.image,
            question=record.question,
            truth=record.truth,
            fact=fact,
            phrasing=phrasings[fact][record.question],
            role=roles[record.unit],
            picture_kind=kinds.get(record.image, ""),
        )
        samples.append(sample)
    return samples


def _phrasings(
    facts: Sequence[str], rows: Sequence[_Row], roles: Mapping[str, Role]
) -> dict[str, dict[str, int]]:
    """By fact and question, the question's number among those of the fact, in the order of the records.

    Wordings without a picture come after those that train: the first phrasing is the one that is trained on.
    """
    numbers: dict[str, dict[str, int]] = {}
    held_out: list[tuple[str, str]] = []
    for fact, (_, _, record) in zip(facts, rows, strict=True):
        if not record.image and roles[record.unit] != "fit":
            held_out.append((fact, record.question))
            continue
        of_fact = numbers.setdefault(fact, {})
        of_fact.setdefault(record.question, len(of_fact))
    for fact, question in held_out:
        of_fact = numbers.setdefault(fact, {})
        of_fact.setdefault(question, len(of_fact))
    return numbers


def _roles(
    pictures_of: Mapping[str, set[str]], kinds: Mapping[str, PictureKind], seed: int
) -> dict[str, Role]:
    """The role of every picture, and of every wording that has none.

    Pictures by another author are only ever tested on, so the others are shared out without them.
    """
    roles: dict[str, Role] = {}
    shared: dict[str, set[str]] = {}
    for fact, pictures in pictures_of.items():
        others = {picture for picture in pictures if kinds.get(picture) == "other-photo"}
        roles.update(dict.fromkeys(others, "test"))
        shared[fact] = pictures - others
    roles.update(assign_roles(shared, seed=seed))
    return roles


def _task(name: str, samples: list[Sample]) -> Task:
    forget: list[Sample] = []
    retain: list[Sample] = []
    for sample in samples:
        if sample.task == name:
            group = forget if sample.split == "forget" else retain
            group.append(sample)
    return Task(name, tuple(forget), tuple(retain))
