"""What `bench/source.py` counts, on sources whose counts are known by hand; and that our own source has no import cycle."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import BENCH, REPOSITORY

ALPHA = '''\
"""Five lines
of documentation
are no
code
at all."""

from typing import Any

# One comment line, and one behind code.
NUMBERS = [n for n in (1, 2)]  # here


def whole(value: Any) -> int:
    """A docstring."""
    return _used_once(_used_twice(_used_twice(value)))


def _used_once(value: int) -> int:
    return value


def _used_twice(value: int) -> int:
    return value
'''


@pytest.fixture
def source():
    import source

    return source


def plant(root: Path, **files: str) -> Path:
    """Files of a package, given by their dotted names with `__` for each dot."""
    root.mkdir()
    (root / "__init__.py").write_text("")
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        if path.parent != root:
            (path.parent / "__init__.py").write_text("")
        path.write_text(text)
    return root


def test_each_count_of_one_file(source, tmp_path: Path) -> None:
    (tmp_path / "alpha.py").write_text(ALPHA)
    found = source.read_source(tmp_path / "alpha.py")
    assert found.lines == 23
    # The import, NUMBERS, and three functions of two lines each.
    assert found.code_lines == 8
    # from typing import Any (4); NUMBERS = [n for n in (1, 2)] (13); whole (10 + 11);
    # each of the two others: `def name(value: int) -> int:` (10) and `return value` (2).
    assert found.tokens == 4 + 13 + 10 + 11 + 2 * (10 + 2)
    assert found.comment_lines == 2
    assert found.comprehensions == 1
    assert found.anys == 2
    assert found.function_lengths == (3, 2, 2)
    assert found.private_functions == ("_used_once", "_used_twice")


def test_rates_of_a_folder(source, tmp_path: Path) -> None:
    (tmp_path / "alpha.py").write_text(ALPHA)
    (tmp_path / "empty.py").write_text("")
    whole = source.measure_folder(tmp_path)[str(tmp_path)]
    assert (whole.files, whole.lines, whole.code_lines) == (2, 23, 8)
    assert whole.tokens_per_code_line == round(62 / 8, 2)
    assert whole.comprehensions_per_100_code_lines == 12.5
    assert whole.comment_lines_percent == round(200 / 23, 2)
    assert whole.private_used_once_percent == round(100 / 3, 2)
    assert whole.any_per_1000_lines == round(2000 / 23, 2)
    assert whole.median_file_lines == 11.5
    assert whole.median_function_lines == 2


def test_nothing_to_divide_by_is_no_number(source, tmp_path: Path) -> None:
    whole = source.measure_folder(plant(tmp_path / "package"))[str(tmp_path / "package")]
    assert whole.tokens_per_code_line is None
    assert whole.median_function_lines is None


@pytest.mark.parametrize(
    "back",
    [
        "import package.one\n",
        "from package import one\n",
        "from package.one import name\n",
        "from . import one\n",
        "from .one import name\n",
        "def later():\n    from package.one import name\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.one import name\n",
    ],
)
def test_a_cycle_is_seen_however_it_is_written(source, tmp_path: Path, back: str) -> None:
    folder = plant(tmp_path / "package", one="from package import two\n", two=back, three="")
    (cycle,) = source.import_cycles(source.import_graph(sorted(folder.rglob("*.py"))))
    assert [path.name for path in cycle] == ["one.py", "two.py"]


def test_a_cycle_through_three_rooms(source, tmp_path: Path) -> None:
    folder = plant(
        tmp_path / "package",
        red__a="from ..green.b import x\n",
        green__b="from package.blue import c\n",
        blue__c="import package.red.a as a\n",
        blue__d="from package.red import a\n",
    )
    found = source.measure_folder(folder)
    assert found[str(folder)].files_in_import_cycles == 3
    assert found["blue"].files_in_import_cycles == 1


def test_one_direction_is_no_cycle(source, tmp_path: Path) -> None:
    folder = plant(tmp_path / "package", one="from package import two\n", two="import json\n")
    assert source.import_cycles(source.import_graph(sorted(folder.rglob("*.py")))) == []


@pytest.mark.parametrize("top", ["src", "bench"])
def test_our_source_has_no_import_cycle(source, top: str) -> None:
    paths = sorted((REPOSITORY / top).rglob("*.py"))
    graph = source.import_graph(paths)
    assert sum(map(len, graph.values())) >= 5  # imports are seen at all
    found = source.import_cycles(graph)
    cycles = [[str(path.relative_to(REPOSITORY)) for path in cycle] for cycle in found]
    assert cycles == []


def test_the_command_line(tmp_path: Path) -> None:
    folder = plant(tmp_path / "package", one="X = 1\n", room__two="Y = 2\n")
    words = [sys.executable, str(BENCH / "source.py"), str(folder)]
    done = subprocess.run([*words, "--rooms", "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["folder"] == str(folder)
    assert list(found["measures"]) == [str(folder), "__init__.py", "one.py", "room"]
    assert found["measures"][str(folder)]["code_lines"] == 2
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert {"tokens", "cycles", "median"} <= set(done.stdout.split())
