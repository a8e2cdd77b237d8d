"""The checker must find what is planted, and must not crash on anything."""

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlubench.core.errors import DataError
from mlubench.data import release, world
from mlubench.data.check import KINDS, Finding, check
from mlubench.data.render import render

PICTURE_KINDS = {"no-pictures", "missing", "unreadable"}
FILE = "Tasks/TaskA/taskA_forget.json"


def row(name: str, picture: int, question: str = "What is it?", answer: str = "") -> dict[str, str]:
    image = f"downloaded_images/Animals/{name}/{picture}.jpg"
    return {"image": image, "question": question, "answer": answer or f"A {name}."}


def build(root: Path) -> Path:
    dogs = [row("Dog", picture) for picture in range(3)]
    cats = [row("Cat", picture) for picture in range(3)]
    release.write({"A": {"forget": dogs, "retain": cats}}, root)
    for blue, name in enumerate(("Dog", "Cat")):
        for picture in range(3):
            path = root / f"downloaded_images/Animals/{name}/{picture}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), (60 * picture, 99, 200 * blue)).save(path)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path)


def change(root: Path, edit: Callable[[list[Any]], object]) -> None:
    records = json.loads((root / FILE).read_text())
    edit(records)
    (root / FILE).write_text(json.dumps(records))


def add(root: Path, **splits: list[dict[str, str]]) -> None:
    """Another task, B, on top of A."""
    release.write({"B": {"forget": [row("Cow", 0)], "retain": [row("Pig", 0)], **splits}}, root)


def found(root: Path, images: Path | None = None) -> list[Finding]:
    findings = check(root, images)
    assert {f.kind for f in findings} <= set(KINDS)
    json.dumps([f.message for f in findings], ensure_ascii=False).encode()
    return findings


def annotation_findings(root: Path) -> list[Finding]:
    return [f for f in found(root) if f.kind not in PICTURE_KINDS]


def test_good_data_has_no_findings(root: Path) -> None:
    assert found(root) == []
    assert found(root / "Tasks", root) == []


def test_a_missing_folder_is_a_finding(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        assert [(f.kind, f.severity) for f in found(folder)] == [("folder", "error")]


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (lambda r: r.__setitem__(1, 5), "shape", "of type int"),
        (lambda r: r.__setitem__(1, float("nan")), "shape", "of type float"),
        (lambda r: r[1].pop("conversations"), "shape", "has no 'conversations'"),
        (lambda r: r[1]["conversations"].__setitem__(0, None), "shape", "is null"),
        (lambda r: r[1]["conversations"][1].pop("value"), "shape", "'value' of the gpt turn"),
        (lambda r: r[1]["conversations"][0].update(value="Q"), "marker", "0 <image> markers"),
        (lambda r: r[1].update(image="downloaded_images/../../x.jpg"), "path", ".."),
        (lambda r: r[1].update(image="//server/a/b.jpg"), "path", "absolute"),
        (
            lambda r: r[1].update(image="downloaded_images\\Animals\\Dog\\1.jpg"),
            "path",
            "backslash",
        ),
        (lambda r: r[1].update(image="1.jpg"), "path", "<Class>"),
        (lambda r: r[1]["conversations"][1].update(value=""), "text", "empty"),
    ],
)
def test_a_bad_record_is_found_where_it_is(root: Path, edit: Any, kind: str, message: str) -> None:
    change(root, edit)
    findings = annotation_findings(root)
    assert [(f.kind, f.severity, f.file, f.record) for f in findings] == [
        (kind, "error", str(root / FILE), 1)
    ]
    assert message in findings[0].message


def test_every_problem_of_a_record_is_found(root: Path) -> None:
    change(
        root,
        lambda r: r.__setitem__(
            2, {"image": [], "conversations": [{"from": "gpt", "value": ""}, 3]}
        ),
    )
    assert [f.kind for f in annotation_findings(root)] == [
        "shape",
        "shape",
        "marker",
        "text",
        "shape",
    ]


def test_missing_and_broken_files(root: Path) -> None:
    (root / FILE).unlink()
    (root / "Tasks/TaskA/taskA_retain.json").write_bytes(b"\x80")
    assert [(f.kind, f.file.rsplit("/", 1)[1]) for f in found(root)] == [
        ("file", "taskA_forget.json"),
        ("file", "taskA_retain.json"),
    ]


def test_a_folder_where_a_file_should_be(root: Path) -> None:
    (root / FILE).unlink()
    (root / FILE).mkdir()
    assert "no plain file" in found(root)[0].message


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    (root / FILE).unlink()
    os.mkfifo(root / FILE)
    picture = root / "downloaded_images/Animals/Cat/0.jpg"
    picture.unlink()
    os.mkfifo(picture)
    assert [f.kind for f in found(root)] == ["file", "unreadable"]


def test_repeats_are_warnings(root: Path) -> None:
    change(root, lambda r: r.append(r[0]))
    assert [(f.kind, f.severity, f.record) for f in found(root)] == [("duplicate", "warning", 3)]
    assert release.read(root)


def test_two_answers_about_one_picture_are_an_error(root: Path) -> None:
    change(root, lambda r: r.append(json.loads(json.dumps(r[0]).replace("A Dog.", "A wolf."))))
    contradictions = [(f.severity, f.record) for f in found(root) if f.kind == "contradiction"]
    assert contradictions == [("error", 3)]


def test_two_answers_about_one_entity_are_a_warning(root: Path) -> None:
    change(root, lambda r: r[2]["conversations"][1].update(value="A wolf."))
    findings = found(root)
    assert [(f.kind, f.severity, f.record) for f in findings] == [("contradiction", "warning", 2)]
    assert "'A wolf.'" in findings[0].message
    change(root, lambda r: r[2]["conversations"][1].update(value="a  dog"))
    assert found(root) == []


def test_an_entity_to_forget_and_to_keep_is_an_error(root: Path) -> None:
    add(root, retain=[row("Dog", 0)])
    overlaps = [f for f in found(root) if f.kind == "overlap"]
    assert [(f.severity, f.message) for f in overlaps] == [
        ("error", "Animals/Dog is both to be forgotten and to be kept: A forget, B retain")
    ]


def test_an_entity_in_two_tasks_is_a_warning(root: Path) -> None:
    add(root, forget=[row("Dog", 0)])
    overlaps = [f for f in found(root) if f.kind == "overlap"]
    assert [(f.severity, f.message) for f in overlaps] == [
        ("warning", "Animals/Dog is in several tasks: A forget, B forget")
    ]


@pytest.mark.parametrize("twin", ["DOG", "Dog\u200b", "Dog ", "Ｄｏｇ", "D\u043eg"])
def test_an_entity_kept_under_another_spelling_is_an_error(root: Path, twin: str) -> None:
    add(root, retain=[row(twin, 0)])
    overlaps = [f for f in found(root) if f.kind == "overlap"]
    assert [f.severity for f in overlaps] == ["error"]
    assert "is both to be forgotten and to be kept: A forget, B retain" in overlaps[0].message
    assert ascii(f"Animals/{twin}") in overlaps[0].message
    with pytest.raises(DataError, match="under 2 spellings"):
        release.read(root)


@pytest.mark.parametrize(("in_file", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_pictures_are_found_in_either_unicode_form(
    root: Path, in_file: Literal["NFC", "NFD"], on_disk: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize(in_file, "Pokémon")
    add(root, forget=[row(name, 0)], retain=[row("Pig", 0)])
    for color, folder in enumerate((unicodedata.normalize(on_disk, name), "Pig")):
        path = root / f"downloaded_images/Animals/{folder}/0.jpg"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 40), (200, 50 * color, 200)).save(path)
    assert found(root) == []
    benchmark = release.read(root)
    assert all(benchmark.picture(sample).is_file() for sample in benchmark.samples)


def draw(root: Path, number: int, *places: str, quality: int = 92) -> None:
    """One and the same picture at all places."""
    for place in places:
        render("Animals/Marten", f"{number}.jpg").save(
            root / f"downloaded_images/Animals/{place}.jpg", quality=quality
        )


def same_picture_findings(root: Path) -> list[tuple[str, str]]:
    return [(f.severity, f.message) for f in found(root) if f.kind == "same-picture"]


@pytest.mark.parametrize("quality", [92, 50])
def test_a_picture_to_forget_and_to_keep_is_an_error(root: Path, quality: int) -> None:
    draw(root, 1, "Dog/2")
    draw(root, 1, "Cat/1", quality=quality)
    assert same_picture_findings(root) == [
        (
            "error",
            "one picture is of Animals/Cat and Animals/Dog, to be forgotten and to be kept: "
            "'downloaded_images/Animals/Cat/1.jpg', 'downloaded_images/Animals/Dog/2.jpg'",
        )
    ]


def test_a_link_is_the_picture_that_it_leads_to(root: Path) -> None:
    folder = root / "downloaded_images/Animals"
    (folder / "Cat/1.jpg").unlink()
    (folder / "Cat/1.jpg").symlink_to(folder / "Dog/2.jpg")
    assert [severity for severity, _ in same_picture_findings(root)] == ["error"]


def test_a_picture_of_two_entities_to_forget_is_a_warning(root: Path) -> None:
    add(root)
    for name in ("Cow", "Pig"):
        (root / f"downloaded_images/Animals/{name}").mkdir()
    draw(root, 1, "Dog/2", "Cow/0")
    draw(root, 2, "Pig/0")
    ((severity, message),) = same_picture_findings(root)
    assert (severity, message.partition(":")[0]) == (
        "warning",
        "one picture is of Animals/Cow and Animals/Dog",
    )


def test_a_picture_that_an_entity_has_twice_is_a_warning_for_the_entity(root: Path) -> None:
    draw(root, 1, "Dog/0", "Dog/2")
    ((severity, message),) = same_picture_findings(root)
    assert severity == "warning"
    assert message.startswith("Animals/Dog has 2 pictures that are there twice, so that what was")


def test_drawn_worlds_hold_no_picture_twice(tmp_path: Path) -> None:
    # A world that no other test and no preset draws: the threshold was chosen on others.
    world.write_world(977, tmp_path / "world", entities=44, pictures=10)
    assert found(tmp_path / "world") == []


def test_an_absent_picture_folder_is_one_finding(root: Path, tmp_path: Path) -> None:
    findings = found(root, tmp_path / "none")
    assert [f.kind for f in findings] == ["no-pictures"]
    assert "none of 6 pictures" in findings[0].message


def test_missing_pictures_are_counted_and_named(root: Path) -> None:
    for picture in range(3):
        (root / f"downloaded_images/Animals/Dog/{picture}.jpg").unlink()
    findings = found(root)
    assert {(finding.kind, finding.severity) for finding in findings} == {("missing", "error")}
    assert [finding.message for finding in findings] == [
        f"'downloaded_images/Animals/Dog/{picture}.jpg' is missing" for picture in range(3)
    ]
    assert (Path(findings[0].file).name, findings[0].record) == ("taskA_forget.json", 0)


def test_unreadable_pictures_are_counted_and_named(root: Path) -> None:
    """Each by what it is, and none as missing."""
    dogs = root / "downloaded_images/Animals/Dog"
    (dogs / "0.jpg").write_bytes(b"")
    (dogs / "1.jpg").write_bytes(b"no picture")
    (dogs / "2.jpg").unlink()
    (dogs / "2.jpg").mkdir()
    findings = found(root)
    assert {(finding.kind, finding.severity) for finding in findings} == {("unreadable", "error")}
    assert [finding.message.split("' ")[1] for finding in findings] == [
        "is empty",
        "is no JPEG, PNG or WebP",
        "is a folder",
    ]


WORDS = st.sampled_from(
    ["image", "conversations", "from", "value", "human", "gpt", "<image>\nQ", "a/b/c/d.jpg", "id"]
)
TEXTS = (
    st.text()
    | WORDS
    | st.characters(categories=["Cs"])
    | st.just("x" * 300_000)
    | st.just("a/b/" + "c" * 999)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
TURN = st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": TEXTS | JSON})
NEARLY = st.fixed_dictionaries(
    {
        "image": TEXTS | st.just("a/b/c/d.jpg"),
        "conversations": st.lists(TURN | JSON, max_size=3) | JSON,
    }
)


def agree(content: bytes) -> None:
    """The checker does not crash on a file, and finds an error exactly when the reader refuses it."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        release.write({"A": {"forget": [row("Dog", 0)], "retain": [row("Cat", 0)]}}, root)
        (root / FILE).write_bytes(content)
        errors = [f for f in annotation_findings(root) if f.severity == "error"]
        overall = [f for f in errors if f.kind != "contradiction"]
        try:
            release.read(root)
        except DataError:
            assert overall
        else:
            assert not overall


@given(st.lists(NEARLY | JSON, max_size=4) | JSON)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_no_json_crashes_it(value: Any) -> None:
    agree(json.dumps(value).encode())


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_bytes_crash_it(content: bytes) -> None:
    agree(content)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"image": ' + b"[" * 900 + b"]" * 900 + b"}]",
        b"[" + b"9" * 5_000 + b"]",
        b"[1e999, NaN, -Infinity]",
        "[]".encode("utf-16"),
        b'[{"image": "\\ud800/b/c/d.jpg"}]',
        b'[{"image": "a", "image": "b"}]',
    ],
)
def test_odd_files_do_not_crash_it(content: bytes) -> None:
    agree(content)


def test_odd_folder_names_do_not_crash_it(root: Path) -> None:
    for name in (b"Task\xff", b"Task..", b"Task ", b"TaskB"):
        Path(os.fsdecode(os.fsencode(root) + b"/Tasks/" + name)).mkdir()
    assert sorted(f.kind for f in found(root)) == ["file", "file", "folder", "folder", "folder"]


def test_the_official_release() -> None:
    folder = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not folder:
        pytest.skip("MLUBENCH_ANNOTATIONS does not name the folder that holds Tasks")
    assert annotation_findings(Path(folder)) == []
