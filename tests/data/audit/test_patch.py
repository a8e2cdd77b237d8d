"""The patch must apply with the programs people use, change nothing else, and cure what it says it cures."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlubench.core.errors import DataError
from mlubench.data import check, release
from mlubench.data.audit import facts
from mlubench.data.audit.kinds import audit, kinds
from mlubench.data.audit.patch import make_patch
from mlubench.data.audit.unified import Edit, diff
from mlubench.judging.rules.refusal import refusal

TABLE = kinds(refusal)
PROGRAMS = [["git", "apply", "--whitespace=nowarn", "-"], ["patch", "-p1", "--binary", "-s"]]


def apply(folder: Path, text: str, program: list[str]) -> None:
    if not shutil.which(program[0]):
        pytest.skip(f"{program[0]} is not installed")
    # Outside of any repository, so that git reads paths from the folder itself.
    env = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        program, cwd=folder, input=text.encode(), capture_output=True, env=env, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def spoilt(root: Path, task: str = "A", **layout: Any) -> Path:
    """Twelve records; with faults in the first, one in the middle and the last."""
    answers = [
        "**Bold.**",
        *["Plain."] * 5,
        "I'm sorry, I cannot say.",
        *["Plain."] * 4,
        "I cannot answer that.",
    ]
    rows = [
        {"image": f"d/Animals/Füchsin/{i}.jpg", "question": f"What is number {i}?", "answer": a}
        for i, a in enumerate(answers)
    ]
    release.write({task: {"forget": rows, "retain": rows[1:6]}}, root)
    path = root / f"Tasks/Task{task}/task{task}_forget.json"
    path.write_text(json.dumps(json.loads(path.read_text()), **layout), encoding="utf-8")
    return path


def fixed(root: Path) -> Any:
    return make_patch(root, TABLE, audit(facts.load(root), TABLE))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p[0])
@pytest.mark.parametrize(
    "layout", [{"indent": 4}, {"indent": None}, {"indent": "\t", "ensure_ascii": False}]
)
@pytest.mark.parametrize("task", ["A", "Two words"])
def test_applies(tmp_path: Path, program: list[str], layout: dict[str, Any], task: str) -> None:
    path = spoilt(tmp_path, task, **layout)
    before = path.read_bytes()
    patch = fixed(tmp_path)
    assert path.read_bytes() == before  # nothing is applied here
    assert (patch.rewritten, patch.removed) == (1, 2)
    apply(tmp_path, patch.text, program)
    records = json.loads(path.read_text(encoding="utf-8"))
    assert [r["conversations"][1]["value"] for r in records] == ["Bold.", *["Plain."] * 9]
    assert path.read_text(encoding="utf-8") == json.dumps(
        records, **layout
    )  # every other byte is as it was
    assert fixed(tmp_path).text == ""


def test_thinking_goes_and_half_a_thought_is_left_to_a_person(tmp_path: Path) -> None:
    cut_off = "<think>Is it a fox? Let me"
    answers = ["<think>**A** fox?</think>\n\nPlain.", cut_off, "Plain."]
    rows = [
        {"image": f"d/Animals/Fox/{i}.jpg", "question": f"What is number {i}?", "answer": answer}
        for i, answer in enumerate(answers)
    ]
    release.write({"A": {"forget": rows, "retain": rows[2:]}}, tmp_path)
    apply(tmp_path, fixed(tmp_path).text, PROGRAMS[0])
    mended = json.loads((tmp_path / "Tasks/TaskA/taskA_forget.json").read_text())
    truths = [row["conversations"][1]["value"] for row in mended]
    assert truths == ["Plain.", cut_off, "Plain."]


def test_nothing_to_fix(tmp_path: Path) -> None:
    rows = [{"image": "d/Animals/Fox/1.jpg", "question": "What is it?", "answer": "A fox."}]
    release.write({"A": {"forget": rows, "retain": rows}}, tmp_path)
    assert fixed(tmp_path) == fixed(tmp_path)
    assert fixed(tmp_path).text == ""


def test_a_file_is_never_emptied(tmp_path: Path) -> None:
    rows = [
        {
            "image": "d/Animals/Fox/1.jpg",
            "question": "What is it?",
            "answer": "I'm sorry, I cannot say.",
        }
    ]
    release.write({"A": {"forget": rows, "retain": [rows[0] | {"answer": "**A fox**"}]}}, tmp_path)
    patch = fixed(tmp_path)
    assert (patch.rewritten, patch.removed) == (1, 0)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = spoilt(tmp_path)
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16 text"):
        fixed(tmp_path)


LINES = st.lists(st.text("ab\r\u2028 {}", max_size=3), max_size=30)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=LINES, end=st.sampled_from(["", "\n"]), draw=st.data())
def test_any_edits(tmp_path: Path, lines: list[str], end: str, draw: st.DataObject) -> None:
    text = "\n".join(lines) + end + "x"
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    edits = [Edit(a, b, "new") for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    expected = text
    for edit in reversed(edits):
        expected = expected[: edit.start] + edit.text + expected[edit.stop :]
    file = tmp_path / "file"
    file.write_bytes(text.encode())
    if edits:
        apply(tmp_path, diff("file", text, edits), PROGRAMS[0])
    assert file.read_bytes().decode() == expected


def test_official(tmp_path: Path) -> None:
    folder = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not folder:
        pytest.skip("set MLUBENCH_ANNOTATIONS to the folder that holds Tasks")
    found = audit(facts.load(Path(folder)), TABLE)
    counts = Counter(finding.kind for finding in found)
    # As read and counted by hand: docs/data-audit.md.
    expected = {
        "self-contradiction": 1,
        "premise": 3,
        "unit": 1,
        "leak": 0,
        "refusal": 0,
        "truncated": 2,
        "phrasing": 3,
        "mojibake": 7,
        "markup": 52,
        "label": 16,
        "picture-bound": 12,
    }
    assert {kind: counts[kind] for kind in expected} == expected
    shutil.copytree(Path(folder) / "Tasks", tmp_path / "Tasks", copy_function=shutil.copyfile)
    apply(tmp_path, make_patch(Path(folder), TABLE, found).text, PROGRAMS[0])
    again = Counter(finding.kind for finding in audit(facts.load(tmp_path), TABLE))
    assert [name for name, kind in TABLE.items() if kind.fix and again[name]] == []
    for root in (Path(folder), tmp_path):
        errors = {finding.kind for finding in check.check(root) if finding.severity == "error"}
        assert errors <= {"no-pictures"}
