"""`data audit`: what it prints, its exit codes, and that a patch is written and nothing applied."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlubench.cli.data.group import data
from mlubench.core.errors import UsageError
from mlubench.data import release


def call(*words: object) -> Result:
    return CliRunner().invoke(data, ["audit", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def rows(name: str, answer: str) -> list[dict[str, str]]:
        image = f"downloaded_images/Animals/{name}/1.jpg"
        return [{"image": image, "question": "What is [it]?", "answer": answer}]

    splits = {"forget": rows("Füchsin", "**Füchsin**"), "retain": rows("Cat", "Cat")}
    release.write({"A": splits}, tmp_path / "data")
    return tmp_path / "data"


def test_table_and_json(root: Path) -> None:
    result = call(root)
    assert (result.exit_code, "markup" in result.output, "Animals" in result.output) == (
        0,
        True,
        True,
    )
    facts = json.loads(call(root, "--json").output)
    assert (facts["findings"], facts["records"], facts["patch"]) == (1, 1, None)
    assert facts["kinds"]["markup"] | {"what": ""} == {
        "what": "",
        "fix": "rewrite",
        "findings": 1,
        "records": 1,
    }
    assert facts["found"] == [
        {"kind": "markup", "message": "Animals/Füchsin: '**Füchsin**'", "records": ["A/forget/0"]}
    ]
    assert facts["classes"]["Animals"]["records"] == 2


def test_strict_and_kind(root: Path) -> None:
    assert call(root, "--strict").exit_code == 1
    clean = call(root, "--strict", "--kind", "typo", "--kind", "leak")
    assert (clean.exit_code, "nothing found of 2 kinds" in clean.output) == (0, True)
    with pytest.raises(UsageError, match="typo"):
        call(root, "--kind", "tipo")


def test_fix(root: Path, tmp_path: Path) -> None:
    path, patch = root / "Tasks/TaskA/taskA_forget.json", tmp_path / "fix.patch"
    before = path.read_bytes()
    result = call(root, "--fix", patch)
    assert "Nothing is applied" in result.output
    assert path.read_bytes() == before
    assert '+                "value": "F\\u00fcchsin"' in patch.read_text()
    with pytest.raises(UsageError, match="exists"):
        call(root, "--fix", patch)
    none = json.loads(
        call(root, "--kind", "leak", "--fix", tmp_path / "none.patch", "--json").output
    )
    assert none["patch"] == {"file": None, "rewritten": 0, "removed": 0, "applied": False}
    assert not (tmp_path / "none.patch").exists()
