"""The house's own rules that no linter checks: short files, short functions, a reason for every file, no leftovers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(f for top in ("src", "tests", "bench") for f in (ROOT / top).rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 300, 40
# A path from the root of the file system; the system's own /proc and /dev are the same everywhere.
ABSOLUTE = re.compile(r"""(?<![\w.:/*<>)}\]~-])/(?!proc/|dev/)[A-Za-z][\w.-]*/[\w.-]+""")
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError|breakpoint\(\))")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function and its lines, without decorators and docstring."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or 0) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                lines -= (first.end_lineno or 0) - first.lineno + 1
            yield node.name, lines


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) < FILE_LINES
    assert not text.strip() or ast.get_docstring(tree), "the first line says why the module exists"
    assert {n: lines for n, lines in functions(tree) if lines >= FUNCTION_LINES} == {}


@pytest.mark.parametrize(
    "path", sorted(f for f in (ROOT / "src").rglob("*") if f.suffix in (".py", ".yaml", ".j2")), ids=name
)
def test_source_holds_no_leftovers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert LEFTOVER.findall(text) == []
    if path.suffix != ".j2":  # markup is full of slashes
        assert ABSOLUTE.findall(text) == []


def test_the_rules_catch_what_they_are_for() -> None:
    long = "def f():\n" + '    """one\n    two"""\n' + "    x = 1\n" * 40
    assert list(functions(ast.parse(long))) == [("f", 41)]
    home, elsewhere = "/ho" + "me/someone/x", "/pro" + "c/self/status"
    assert ABSOLUTE.search(f'Path("{home}")')
    assert not ABSOLUTE.search(f'Path("{elsewhere}"); a/b/c; x // y; "https://host/a/b"; and/or')
    assert LEFTOVER.search("# TO" + "DO: later")
