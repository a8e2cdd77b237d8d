"""`mlubench experts`: what scripts read and rely on, exit codes, and that a run with an expert switched off says so."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlubench.core.files import file_sha256
from mlubench.core.reading import read_json
from support.asking import picture, row_of
from support.runs import Finished, call

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def light(finished: Finished, tmp_path: Path) -> Path:
    """The experts of the finished run, in a store of their own that a test may change."""
    return shutil.copytree(finished.folder / "models" / "lumoe", tmp_path / "store")


def told(*words: object) -> dict:
    called = call(*words, "--json")
    assert called.code == 0, called.err
    return json.loads(called.out)


def test_a_run_archives_whole_manifests(finished: Finished) -> None:
    listed = told("experts", "list", finished.folder)
    assert [(r["expert"], r["version"], r["current"], r["enabled"]) for r in listed["experts"]] == [
        ("A", 1, True, True),
        ("B", 1, True, True),
    ]
    assert [r["missing"] for r in listed["experts"]] == [[], []]
    assert (listed["unfinished"], listed["history"]) == ([], [])
    manifest = read_json(finished.folder / "models" / "lumoe" / "B" / "manifest.json", dict)
    run = read_json(finished.folder / "run.json", dict)
    assert (manifest["task"], manifest["base"], manifest["base_sha256"]) == (
        "B",
        run["model"],
        run["model_sha256"],
    )
    assert manifest["versions"] == {
        name: run["versions"][name] for name in ("transformers", "peft")
    }
    assert len(manifest["data_sha256"]) == 64
    assert "model.language_model.layers.0.self_attn.q_proj" in manifest["modules"]


def test_verify_says_what_is_wrong_and_fails(light: Path) -> None:
    assert told("experts", "verify", light)["ok"] is True
    assert call("experts", "verify", light).out == "A version 1: whole\nB version 1: whole\n"
    (light / "B" / WEIGHTS).unlink()
    called = call("experts", "verify", light)
    assert called.code == 1
    assert "A version 1: whole\n" in called.out and "missing or changed" in called.out
    called = call("experts", "verify", light, "--json")
    assert (called.code, json.loads(called.out)["wrong"]) == (1, 1)
    assert call("experts", "verify", light, "A").code == 0


def test_an_older_manifest_is_listed_with_what_it_lacks(light: Path) -> None:
    path = light / "A" / "manifest.json"
    path.write_text(
        json.dumps(
            {k: v for k, v in read_json(path, dict).items() if k in ("base", "tasks", "files")}
        )
    )
    called = call("experts", "list", light)
    assert called.code == 0
    assert "entities not said; older manifest, lacks task, entities" in called.out
    assert "A version 1: whole; older manifest" in call("experts", "verify", light).out


def test_off_and_on_again(light: Path) -> None:
    assert told("experts", "disable", light, "A") == {
        "expert": "A",
        "enabled": False,
        "changed": True,
    }
    assert "already disabled" in call("experts", "disable", light, "A").out
    assert "A version 1 (current, disabled)" in call("experts", "list", light).out
    assert told("experts", "enable", light, "A")["changed"] is True
    assert [h["action"] for h in told("experts", "list", light)["history"]] == ["disable", "enable"]


def test_to_another_store_and_back(light: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.tar"
    facts = told("experts", "export", light, "A", out)
    assert facts == {"expert": "A", "version": 1, "file": str(out), "sha256": file_sha256(out)}
    other = tmp_path / "other"
    assert told("experts", "import", other, out) == {"expert": "A", "version": 1, "enabled": True}
    shutil.copytree(other / "A", other / "A@2")  # as a later version would lie there
    assert told("experts", "rollback", other, "A", "--to", "2")["version"] == 2
    called = call("experts", "rollback", other, "A")
    assert called.out == "expert A is now at version 1; `--to 2` undoes it\n"


def test_an_export_without_a_name_is_named_by_what_it_is(
    light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(light.parent)
    name = told("experts", "export", light, "B")["file"]
    assert name.startswith("B-1-") and name.endswith(".tar") and Path(name).is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("list", "gone"), 2, "holds no experts"),
        (("verify", "gone"), 2, "holds no experts"),
        (("disable", "store", "Z"), 1, "no expert 'Z'"),
        (("rollback", "store", "A"), 2, "no earlier version"),
        (("rollback", "store", "A", "--to", "0"), 2, "--to"),
        (("export", "store", "A", "store"), 2, "exists"),
        (("import", "store", "gone.tar"), 2, "not a file"),
        (("import", "store", "store/A/manifest.json"), 1, "no whole tar file"),
        (("import", "store/A/manifest.json", "x"), 2, "not a folder"),
    ],
    ids=lambda w: "-".join(w) if isinstance(w, tuple) else "",
)
def test_errors(
    light: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(light.parent)
    called = call("experts", *words)
    assert called.code == code
    assert said in called.error


def test_no_command_imports_torch(light: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from mlubench.cli.experts.group import experts\n"
        "experts(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules), 'heavy'"
    )
    for words in (
        ("list", light),
        ("disable", light, "A"),
        ("export", light, "A", tmp_path / "a.tar"),
        ("import", tmp_path / "new", tmp_path / "a.tar"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_ask_refuses_for_a_disabled_expert_unless_told(finished: Finished, copied: Path) -> None:
    row = row_of(finished, "A", "forget", "A")
    asked = ("ask", copied, "--image", picture(finished, row), row.question)
    assert call("experts", "disable", copied, "A").code == 0
    called = call(*asked)
    assert (called.code, called.out) == (1, "")
    assert "needs expert 'A', which is disabled" in called.error
    called = call(*asked, "--base")
    assert called.code == 0
    assert "the untouched base" in called.err and "left out, as asked" in called.err
    assert called.out.strip() != row.response
    other = row_of(finished, "B", "forget", "B")
    called = call("ask", copied, "--image", picture(finished, other), other.question)
    assert called.out == other.response + "\n"
    assert call("experts", "enable", copied, "A").code == 0
    assert call(*asked).out == row.response + "\n"
