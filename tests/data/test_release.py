"""The reader must give back what the writer wrote, and refuse what it cannot use in one line that says where."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError, UsageError
from mlubench.data import release, render
from mlubench.types import Entity


def rows(cls: str, name: str, pictures: int = 6, phrasings: int = 2) -> list[dict[str, str]]:
    found = []
    for picture in range(pictures):
        for phrasing in range(phrasings):
            image = f"downloaded_images/{cls}/{name}/{picture}.jpg"
            question = f"What is it, way {phrasing}?"
            found.append({"image": image, "question": question, "answer": f"A {name}."})
    return found


def plain(pictures: int = 6) -> dict[str, dict[str, list[dict[str, str]]]]:
    return {
        "A": {
            "forget": rows("Animals", "Dog", pictures),
            "retain": rows("Plants", "Rose", pictures),
        },
        "B": {
            "forget": rows("Personage", "苏姿丰", pictures),
            "retain": rows("TV series", "Lost", pictures),
        },
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    release.write(plain(), tmp_path)
    return tmp_path


@pytest.fixture
def official() -> Path:
    folder = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not folder:
        pytest.skip("MLUBENCH_ANNOTATIONS does not name the folder that holds Tasks")
    return Path(folder)


def spoil(root: Path, change: Any) -> None:
    """Apply `change` to record 3 of task A's forget file."""
    path = root / "Tasks/TaskA/taskA_forget.json"
    records = json.loads(path.read_text())
    change(records[3])
    path.write_text(json.dumps(records))


def test_what_was_written_comes_back(root: Path) -> None:
    benchmark = release.read(root)
    assert [t.name for t in benchmark] == ["A", "B"]
    for name, splits in plain().items():
        for split in release.SPLITS:
            samples = benchmark.task(name).split(split)
            assert [
                {"image": s.image, "question": s.question, "answer": s.truth} for s in samples
            ] == splits[split]
            assert {(s.task, s.split) for s in samples} == {(name, split)}
    assert benchmark.task("B").forget_entities == [Entity("Personage", "苏姿丰")]
    assert benchmark.image_root == root
    assert not benchmark.stand_ins


def test_written_files_are_the_official_layout(root: Path) -> None:
    first = json.loads((root / "Tasks/TaskA/taskA_forget.json").read_text(encoding="ascii"))[0]
    turns = [
        {"from": "human", "value": "<image>\nWhat is it, way 0?"},
        {"from": "gpt", "value": "A Dog."},
    ]
    assert first == {
        "id": "1",
        "image": "downloaded_images/Animals/Dog/0.jpg",
        "conversations": turns,
    }


def test_facts_phrasings_and_roles(root: Path) -> None:
    dogs = release.read(root).task("A").forget
    assert {s.fact.split("#")[0] for s in dogs} == {"Animals/Dog"}
    assert len({s.fact for s in dogs}) == 1
    assert {(s.phrasing, s.question) for s in dogs} == {
        (0, "What is it, way 0?"),
        (1, "What is it, way 1?"),
    }
    assert Counter(s.role for s in dogs if s.phrasing == 0) == {"fit": 3, "calibrate": 1, "test": 2}
    assert len({(s.image, s.role) for s in dogs}) == 6, "a picture has one role in all its records"


def test_answers_that_differ_only_in_spelling_are_one_fact(root: Path) -> None:
    spoil(root, lambda r: r["conversations"][1].update(value="  a  DOG"))
    dogs = release.read(root).task("A").forget
    assert len({s.fact for s in dogs}) == 1
    assert dogs[3].truth == "a  DOG"


def test_ids_depend_on_content_not_on_place(root: Path) -> None:
    before = {s.id: (s.image, s.question, s.role, s.fact) for s in release.read(root).samples}
    assert len(before) == 48
    path = root / "Tasks/TaskA/taskA_forget.json"
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    assert {
        s.id: (s.image, s.question, s.role, s.fact) for s in release.read(root).samples
    } == before


def test_exact_copies_are_told_apart(root: Path) -> None:
    path = root / "Tasks/TaskA/taskA_forget.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([*records, records[0], records[0]]))
    ids = [s.id for s in release.read(root).task("A").forget]
    assert ids[-2:] == [f"{ids[0]}-2", f"{ids[0]}-3"]


def test_digest_follows_what_matters(root: Path) -> None:
    before = release.read(root)
    assert before.digest == release.read(root / "Tasks", root).digest
    assert before.digest != release.read(root, seed=1).digest
    (root / release.STAND_IN_MARK).write_text("{}")
    marked = release.read(root)
    assert marked.stand_ins
    assert marked.digest != before.digest
    spoil(root, lambda r: r["conversations"][1].update(value="A cat."))
    assert release.read(root).digest != marked.digest


def test_the_mark_is_the_one_that_rendering_writes() -> None:
    assert release.STAND_IN_MARK == render.STAND_IN_MARK


def test_images_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    benchmark = release.read(root, tmp_path / "photos")
    sample = benchmark.samples[0]
    assert benchmark.picture(sample) == tmp_path / "photos" / sample.image


def test_tasks_of_any_name_in_natural_order(tmp_path: Path) -> None:
    two = plain()["A"]
    release.write({"10": two, "9": two, "s": two, "α-b": two}, tmp_path)
    names = [t.name for t in release.read(tmp_path)]
    assert names == ["9", "10", "s", "α-b"]
    assert [t.name for t in release.read(tmp_path / "Tasks")] == names
    (tmp_path / "Tasks").rename(tmp_path / "renamed")
    assert [t.name for t in release.read(tmp_path / "renamed")] == names


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", " a", "a ", "../x"])
def test_a_wandering_task_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="task name"):
        release.write({name: plain()["A"]}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wandering_task_folder_is_refused(root: Path) -> None:
    (root / "Tasks/Task..").mkdir()
    with pytest.raises(DataError, match="task name"):
        release.read(root)


def test_a_missing_folder_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist\. Give the folder"):
        release.read(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no TaskX folder"):
        release.read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        release.read(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("image"), "has no 'image'"),
        (lambda r: r.update(image=7), "'image' is of type int"),
        (
            lambda r: r.update(image="downloaded_images/Dog/1.jpg"),
            "is not downloaded_images/<Class>",
        ),
        (lambda r: r.update(image="downloaded_images/../Dog/1.jpg"), "leaves its folder"),
        (lambda r: r.update(image="/etc/a/b/c.jpg"), "is absolute"),
        (lambda r: r.update(image="C:/a/b/c.jpg"), "is absolute"),
        (lambda r: r.update(image="a\\b/c/d.jpg"), "backslash"),
        (lambda r: r.update(image="a/b/\0.jpg"), "control character"),
        (lambda r: r.update(conversations=None), "'conversations' is null"),
        (lambda r: r["conversations"].pop(), "has 1 turns"),
        (lambda r: r["conversations"].reverse(), "the human turn is not 'from' 'human'"),
        (lambda r: r["conversations"][0].update(value="What?"), "holds 0 <image> markers"),
        (
            lambda r: r["conversations"][0].update(value="<image><image>What?"),
            "holds 2 <image> markers",
        ),
        (lambda r: r["conversations"][1].update(value="<image> Dog"), "the gpt turn holds 1"),
        (lambda r: r["conversations"][0].update(value="<image>\n "), "the question is empty"),
        (lambda r: r["conversations"][1].update(value="\n"), "the answer is empty"),
        (lambda r: r["conversations"][1].update(value="\ud800"), "surrogate"),
        (lambda r: r["conversations"][1].update(value=["Dog"]), "is of type list, not a text"),
    ],
)
def test_bad_records_are_named(root: Path, change: Any, message: str) -> None:
    spoil(root, change)
    with pytest.raises(DataError) as caught:
        release.read(root)
    assert message in str(caught.value)
    assert "taskA_forget.json record 3: " in str(caught.value)
    assert f"`mlubench data check {root}`" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe\xfd", "cannot be read: it is UTF-16 text"),
        (b'["\xe9"]', "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"{}", "holds an object, not a list of records"),
        (b'{"v": 1, "data": [1]}', "(its 'data' is one: put that list alone into the file)"),
        (
            b'{"id": "1"}\n{"id": "2"}\n',
            "it is JSON lines, an object a line; put them into one list",
        ),
        (b'{"id": "1"}\n{"id": ', "it is JSON lines"),
        ("[]".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        ("[{}]".encode("utf-16-be"), "it is UTF-16 text; save it as UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
        (b"null", "holds NoneType"),
        (b"[]", "holds no records"),
        (b"[1]", "record 0: is of type int"),
        (None, "is missing"),
    ],
)
def test_bad_files_are_named(root: Path, content: bytes | None, message: str) -> None:
    path = root / "Tasks/TaskB/taskB_retain.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        release.read(root)
    assert message in str(caught.value)
    assert "taskB_retain.json" in str(caught.value)


def test_files_with_a_byte_order_mark_are_read(root: Path) -> None:
    path = root / "Tasks/TaskA/taskA_forget.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(release.read(root).task("A").forget) == 12


@pytest.mark.parametrize(
    "row",
    [
        {"image": "downloaded_images/a/b/c.jpg", "question": "Q"},
        {"image": "../a/b/c.jpg", "question": "Q", "answer": "A"},
        {"image": "downloaded_images/a/b/c.jpg", "question": "<image>Q", "answer": "A"},
        {"image": "downloaded_images/a/b/c.jpg", "question": "Q", "answer": " "},
    ],
)
def test_nothing_is_written_when_a_record_is_wrong(tmp_path: Path, row: dict[str, str]) -> None:
    with pytest.raises(DataError, match="task B retain record 0"):
        release.write({**plain(), "B": {**plain()["B"], "retain": [row]}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_split_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="task A has no retain records"):
        release.write({"A": {"forget": rows("Animals", "Dog")}}, tmp_path)


def test_the_official_release(official: Path) -> None:
    benchmark = release.read(official)
    samples = benchmark.samples
    assert [t.name for t in benchmark] == ["A", "B", "C", "D"]
    assert (len(samples), len({s.id for s in samples})) == (15_414, 15_414)
    asked: dict[str, set[int]] = {}
    seen: dict[str, set[str]] = {}
    for sample in samples:
        asked.setdefault(sample.fact, set()).add(sample.phrasing)
        seen.setdefault(sample.fact, set()).add(sample.image)
    assert Counter(map(len, asked.values())) == {5: 505, 1: 44}
    assert set(map(len, seen.values())) == {6}
    assert len(release.image_paths(benchmark)) == 2_453
    assert all("<image>" not in s.question and s.question == s.question.strip() for s in samples)
