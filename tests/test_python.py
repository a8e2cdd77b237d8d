"""The Python surface: every block of docs/python.md runs as it stands, and it can be extended from outside."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

import mlubench
from mlubench.core.files import file_sha256
from mlubench.core.reading import read_json
from support.paths import REPOSITORY
from support.runs import Finished

PAGE = REPOSITORY / "docs" / "python.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PACKAGE = REPOSITORY / "src" / "mlubench"

ENTRY_POINTS = """\
[mlubench.methods]
outside_ascent = outside_things:ScaledAscent
[mlubench.gates]
newest = outside_things:NewestGate
[mlubench.judges]
exact = outside_things:ExactJudge
[mlubench.families]
outside_llava = outside_things:PARTS
[mlubench.formats]
outside_people = outside_things:read_people
"""
FORMATS_PAGE = REPOSITORY / "docs" / "formats.md"


def blocks() -> list[str]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def test_every_public_name_is_there_and_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in mlubench.__all__:
        assert getattr(mlubench, name) is not None
        if not name.startswith("_"):
            assert name in text
    assert set(dir(mlubench)) == set(mlubench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        mlubench.absent  # noqa: B018 - the look itself is what is tested


def test_types_come_with_the_package() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_page_runs(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, as it registers names. The run in it is finished already."""
    copytree(finished.folder, tmp_path / "runs" / "smoke")
    (tmp_path / "page.py").write_text("\n".join(blocks()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "['A', 'B'] ['A', 'B']" in done.stdout
    assert "('A',) picture: likeness" in done.stdout


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which a package is installed that adds one thing of each kind."""
    site = tmp_path / "site"
    info = site / "outside_things-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    own = [b for b in blocks() if "class " in b]
    # What the page registers by a call, the package names by an entry point.
    lines = [ln for b in own for ln in b.splitlines() if not ln.startswith("register_")]
    lines += [
        "from mlubench.models.families import Parts",
        'PARTS = Parts(("eyes",), ("bridge",), ("mouth",))',
    ]
    lines += BLOCK.findall(FORMATS_PAGE.read_text(encoding="utf-8"))
    (site / "outside_things.py").write_text("\n".join(lines) + "\n")
    paths = [str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}


def hashes() -> dict[Path, str]:
    return {
        f: file_sha256(f) for f in sorted(PACKAGE.rglob("*")) if f.suffix != ".pyc" and f.is_file()
    }


def test_a_reader_is_added_from_outside(outside: dict[str, str], tmp_path: Path) -> None:
    """The one that docs/formats.md shows."""
    source = tmp_path / "people.csv"
    source.write_text("name,question,answer\nAda,Where is Ada?,Here.\nBo,Where is Bo?,There.\n")
    words = ("data", "import", "outside_people", str(source), "--out", str(tmp_path / "out"))
    done = subprocess.run(
        [sys.executable, "-m", "mlubench", *words, "--tasks", "1"],
        env=outside,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 records of 2 entities in 1 tasks" in done.stdout


@pytest.mark.slow
def test_one_of_each_is_added_from_outside(
    outside: dict[str, str], tmp_path: Path, base_path: Path
) -> None:
    """One file and one row each, in a package of its own; no file of this one changes."""
    before = hashes()
    out = tmp_path / "run"
    settings = (
        "device=cpu", "methods=[outside_ascent, lumoe]", "gate=newest", "judge=exact",
        "train.epochs=1", "evaluate.limit=2", "evaluate.max_new_tokens=12",
        "train.per_method.outside_ascent.options.scale=0.25",
    )  # fmt: skip
    words = ["run", "smoke", "--out", str(out)]
    for setting in settings:
        words += ["-s", setting]

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=outside, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("-m", "mlubench", *words)
    # This process knows nothing of the package, so it reads the file as it is.
    cells = read_json(out / "results.json", dict)["cells"]
    assert {cell["method"] for cell in cells} == {"outside_ascent", "lumoe"}
    assert {cell["judge"] for cell in cells} == {"exact"}
    assert read_json(out / "models" / "lumoe" / "B" / "manifest.json", dict)["gate"] == "newest"
    assert "outside-things" in call("-m", "mlubench", "list", "methods")
    asked = "import mlubench; print(mlubench.LUMoE.open('{}').route('Who is this?').experts)"
    assert call("-c", asked.format(out)) == "('B',)\n"
    family = (
        "from types import SimpleNamespace as N; from mlubench.models.families import parts_of;"
        "print(parts_of(N(config=N(model_type='outside_llava'))).vision)"
    )
    assert call("-c", family) == "('eyes',)\n"
    assert hashes() == before
