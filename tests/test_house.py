"""The house's own rules that no linter checks: a reason for every file, no leftovers."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(f for top in ("src", "tests", "bench") for f in (ROOT / top).rglob("*.py"))
# A path from the root of the file system; the system's own /proc and /dev are the same everywhere.
ABSOLUTE = re.compile(r"""(?<![\w.:/*<>)}\]~-])/(?!proc/|dev/)[A-Za-z][\w.-]*/[\w.-]+""")
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError|breakpoint\(\))")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file_says_why_it_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize(
    "path",
    sorted(f for f in (ROOT / "src").rglob("*") if f.suffix in (".py", ".yaml", ".j2")),
    ids=name,
)
def test_source_holds_no_leftovers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert LEFTOVER.findall(text) == []
    if path.suffix != ".j2":  # markup is full of slashes
        assert ABSOLUTE.findall(text) == []


ROOMS = sorted(path.parent for path in (ROOT / "src").rglob("__init__.py"))


def files_named_in(room: Path) -> set[str]:
    """Files and folders that the map in a room's `__init__.py` names."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    return set(re.findall(r"[A-Za-z0-9_.-]+\.(?:py|yaml|j2|jsonl|html)\b|\b[a-z_]+/(?=\s)", text))


@pytest.mark.parametrize("room", [room for room in ROOMS if room.name != "presets"], ids=name)
def test_a_room_explains_itself(room: Path) -> None:
    """Its map names every file and folder that is there, and nothing that is gone."""
    here = {path.name for path in room.iterdir() if path.is_file()} - {"__init__.py", "py.typed"}
    here |= {f"{path.name}/" for path in room.iterdir() if (path / "__init__.py").is_file()}
    assert files_named_in(room) == here


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_names_files_that_are_there(page: str) -> None:
    """Paths of our own files in the docs, as `data/release.py` or `tests/core/test_files.py`, lead to a file."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w./:-])([a-z_]+(?:/[a-zA-Z_]+)*/[a-z_]+\.(?:py|yaml))\b", text))
    places = (ROOT, ROOT / "src" / "mlubench", ROOT / "src" / "mlubench" / "unlearning")
    lost = {path for path in named if not any((place / path).is_file() for place in places)}
    assert not lost


def test_the_rules_catch_what_they_are_for() -> None:
    home, elsewhere = "/ho" + "me/someone/x", "/pro" + "c/self/status"
    assert ABSOLUTE.search(f'Path("{home}")')
    assert not ABSOLUTE.search(f'Path("{elsewhere}"); a/b/c; x // y; "https://host/a/b"; and/or')
    assert LEFTOVER.search("# TO" + "DO: later")
