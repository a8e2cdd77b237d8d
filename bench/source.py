"""How our source reads, in counts that can be laid beside those of other projects.

For each folder: tokens per code line, comprehensions per 100 code lines, comment lines, private helpers used once, `Any`,
files in import cycles, and the median lengths of files and functions. The counts are for looking and not for passing: no
build fails by them, except by a cycle (see `tests/bench/test_source.py`).

    python bench/source.py                   the package
    python bench/source.py --rooms           each of its rooms too
    python bench/source.py FOLDER --json     the source of any other project
"""

import argparse
import ast
import io
import json
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

PACKAGE = Path(__file__).parents[1] / "src" / "mlubench"
# From Python 3.12 on the tokeniser cuts an f-string into parts; its beginning stands for all of it.
FSTRING_START = getattr(tokenize, "FSTRING_START", tokenize.STRING)
CODE = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING, FSTRING_START}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What is counted of one file."""

    path: Path
    lines: int
    code_lines: int  # lines that hold code; a docstring is no code
    tokens: int  # names, operators, numbers and strings in those lines
    comment_lines: int  # lines that hold a comment, also behind code
    comprehensions: int
    anys: int  # uses of the name `Any`, its imports among them
    function_lengths: tuple[int, ...]  # in lines, from `def` to the last line of the body
    private_functions: tuple[str, ...]  # names with one leading underscore
    uses: Mapping[str, int]  # how often each name is read in this file


@dataclass(frozen=True, slots=True)
class Measures:
    """One line of the table: all files of a folder together. None where there is nothing to divide by."""

    files: int
    lines: int
    code_lines: int
    tokens_per_code_line: float | None
    comprehensions_per_100_code_lines: float | None
    comment_lines_percent: float | None
    private_used_once_percent: float | None  # of all functions, as the field's numbers are
    any_per_1000_lines: float | None
    files_in_import_cycles: int
    median_file_lines: float | None
    median_function_lines: float | None


def read_source(path: Path) -> SourceFile:
    text = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    documentation = docstring_lines(nodes)
    code_lines: set[int] = set()
    comment_lines: set[int] = set()
    tokens = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            comment_lines.add(line)
        elif token.type in CODE and line not in documentation:
            tokens += 1
            code_lines.add(line)
    functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    uses = Counter(names_read(nodes))
    return SourceFile(
        path=path,
        lines=text.count("\n"),
        code_lines=len(code_lines),
        tokens=tokens,
        comment_lines=len(comment_lines),
        comprehensions=sum(isinstance(node, COMPREHENSIONS) for node in nodes),
        anys=uses["Any"],
        function_lengths=tuple(lengths),
        private_functions=tuple(node.name for node in functions if is_private(node.name)),
        uses=uses,
    )


def docstring_lines(nodes: Iterable[ast.AST]) -> set[int]:
    """The numbers of all lines that docstrings take up."""
    lines: set[int] = set()
    for node in nodes:
        if not isinstance(node, DOCUMENTED) or ast.get_docstring(node) is None:
            continue
        docstring = node.body[0]
        lines.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return lines


def names_read(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Each use of a name: read by itself, as an attribute, or imported."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def import_graph(paths: Iterable[Path]) -> dict[Path, set[Path]]:
    """Which of these files each of them imports.

    Imports inside functions and below `if TYPE_CHECKING` count too: whoever reads one file has to know the other.
    """
    files = {module_name(path): path for path in paths}
    graph: dict[Path, set[Path]] = {}
    for module, path in files.items():
        imported = imported_modules(ast.parse(path.read_text(encoding="utf-8")), module, path)
        graph[path] = {files[name] for name in imported if name in files} - {path}
    return graph


def module_name(path: Path) -> str:
    """The dotted name that the file is imported by, from the folder above its outermost package."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(parts))


def imported_modules(tree: ast.Module, module: str, path: Path) -> set[str]:
    """Names of all modules that may be meant: `from a import b` is the module `a.b`, or the module `a` that holds `b`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute_origin(node, module, path)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
            found.add(origin)
    return found


def absolute_origin(node: ast.ImportFrom, module: str, path: Path) -> str:
    """The dotted name after `from`, with the leading dots of a relative import resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    # One dot means the file's own package, which for an `__init__.py` is the module itself.
    ups = node.level - 1 if path.name == "__init__.py" else node.level
    package = parts[: len(parts) - ups]
    return ".".join([*package, node.module] if node.module else package)


def import_cycles(graph: Mapping[Path, set[Path]]) -> list[list[Path]]:
    """Groups of files that all import each other, directly or through others of the group."""
    files = sorted(graph)
    index = {path: number for number, path in enumerate(files)}
    edges = [(index[path], index[other]) for path in files for other in graph[path]]
    if not edges:
        return []
    sources, targets = zip(*edges, strict=True)
    matrix = coo_array(([1] * len(edges), (sources, targets)), shape=(len(files), len(files)))
    _, labels = connected_components(matrix, connection="strong")
    groups: dict[int, list[Path]] = {}
    for path, label in zip(files, labels, strict=True):
        groups.setdefault(int(label), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def measure(files: Sequence[SourceFile], in_cycles: set[Path]) -> Measures:
    """The counts of some files; `in_cycles` are all files that stand in an import cycle."""
    lines = sum(file.lines for file in files)
    code_lines = sum(file.code_lines for file in files)
    lengths = [length for file in files for length in file.function_lengths]
    return Measures(
        files=len(files),
        lines=lines,
        code_lines=code_lines,
        tokens_per_code_line=rate(sum(file.tokens for file in files), code_lines, 1),
        comprehensions_per_100_code_lines=rate(
            sum(file.comprehensions for file in files), code_lines, 100
        ),
        comment_lines_percent=rate(sum(file.comment_lines for file in files), lines, 100),
        private_used_once_percent=rate(private_used_once(files), len(lengths), 100),
        any_per_1000_lines=rate(sum(file.anys for file in files), lines, 1000),
        files_in_import_cycles=sum(file.path in in_cycles for file in files),
        median_file_lines=median(file.lines for file in files) if files else None,
        median_function_lines=median(lengths) if lengths else None,
    )


def private_used_once(files: Sequence[SourceFile]) -> int:
    """How many private functions are named once in their own file besides their definition."""
    used_once = 0
    for file in files:
        used_once += sum(file.uses.get(name) == 1 for name in file.private_functions)
    return used_once


def rate(count: int, total: int, scale: int) -> float | None:
    return round(scale * count / total, 2) if total else None


def measure_folder(folder: Path) -> dict[str, Measures]:
    """The measures of the whole folder, under its own name, and of each room: a folder or file directly below it."""
    paths = sorted(folder.rglob("*.py"))
    cycles = import_cycles(import_graph(paths))
    in_cycles = {path for group in cycles for path in group}
    rooms: dict[str, list[SourceFile]] = {}
    for path in paths:
        room = path.relative_to(folder).parts[0]
        rooms.setdefault(room, []).append(read_source(path))
    everything = [file for files in rooms.values() for file in files]
    found = {str(folder): measure(everything, in_cycles)}
    for room, files in rooms.items():
        found[room] = measure(files, in_cycles)
    return found


def print_table(rows: Mapping[str, Measures]) -> None:
    """A line for each folder, in the order of the measures."""
    from rich.console import Console
    from rich.table import Table

    names = [field.name for field in fields(Measures)]
    table = Table("folder", *(name.replace("_", " ") for name in names))
    for folder, measures in rows.items():
        table.add_row(folder, *(str(getattr(measures, name)) for name in names))
    Console(width=180).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=PACKAGE)
    parser.add_argument("--rooms", action="store_true", help="a column for each room as well")
    parser.add_argument(
        "--quick", action="store_true", help="as every program here; all of it takes seconds"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = measure_folder(args.folder)
    whole = str(args.folder)
    if not args.rooms:
        rows = {whole: rows[whole]}
    if args.json:
        facts = {name: asdict(measures) for name, measures in rows.items()}
        print(json.dumps({"folder": whole, "measures": facts}))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
