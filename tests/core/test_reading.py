"""Files of another shape: one line that names the file, the place and what was expected, and never a crash."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypedDict

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.lines import read_lines
from mlubench.core.reading import (
    as_it_stands,
    of_shape,
    parse_yaml,
    read_json,
    read_json_as_it_stands,
    read_yaml,
)


class Inner(BaseModel):
    """A group of a file."""

    n: int = 0


class Shape(BaseModel):
    """A file."""

    name: str
    inner: Inner = Inner()


class Raw(TypedDict):
    """A file that is handed on as it stands."""

    files: dict[str, str]


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "cannot be used: Input should be an object, got []"),
        (b"{}", "cannot be used: name: Field required"),
        (b"null", "cannot be used: Input should be an object, got null"),
        (b"7", "cannot be used: Input should be an object, got 7"),
        (b'{"name": []}', "cannot be used: name: Input should be a valid string, got []"),
        (b'{"name": "a", "inner": {"n": "x"}}', "cannot be used: inner.n: Input should be a valid"),
        (b'{"name": "a", "inner": [1]}', "cannot be used: inner: Input should be an object, got"),
        (b'{"name": "a"', "cannot be read: Expecting"),
        (b"\0", "cannot be read: Expecting value"),
        (b"", "cannot be read: Expecting value"),
        (b"\xff\xfe{\0", "cannot be read: it is not UTF-8 text (byte 0)"),
        (DEEP.encode(), "cannot be read: it is nested too deeply"),
        (b"1" * 5000, "cannot be read: Exceeds the limit"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_file_of_another_shape_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(MlubenchError) as error:
        read_json(path, Shape)
    assert str(error.value).startswith(f"{path} {said}")
    assert "\n" not in str(error.value)
    assert "Shape" not in str(error.value)


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(MlubenchError, match=r"absent\.json does not exist"):
        read_json(tmp_path / "absent.json", Shape)
    with pytest.raises(MlubenchError, match=r"absent\.json does not exist\. Give another\."):
        read_json(tmp_path / "absent.json", Shape, "Give another.")
    with pytest.raises(MlubenchError, match="cannot be read: Is a directory"):
        read_json(tmp_path, Shape)
    with pytest.raises(UsageError, match=r"is not a plain file\. Give one\."):
        read_yaml(tmp_path, "Give one.")


def test_what_fits_is_read_and_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"name": "Zoë", "inner": {"n": 3}, "later": 1}', encoding="utf-8-sig")
    assert read_json(path, Shape) == Shape(name="Zoë", inner=Inner(n=3))


def test_what_is_handed_on_keeps_its_order_and_unknown_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    text = '{"z": 1, "files": {"b": "2", "a": "1"}, "later": [1.0]}'
    path.write_text(text)
    assert json.dumps(read_json_as_it_stands(path, Raw)) == text
    with pytest.raises(MlubenchError, match=r"here cannot be used: files\.a: .* got 1\."):
        as_it_stands({"files": {"a": 1}}, Raw, "here")


TWICE = [
    ("seed: 1\nseed: 2\n", 2, "seed", 1),
    ("train:\n  lr: 1\n  batch: 2\n  lr: 3\n", 4, "lr", 2),
    ("a: {b: [{c: 1,\n  c: 2}]}", 2, "c", 1),
    ('"a": 1\na: 2\n', 2, "a", 1),
    ("1: a\n0x1: b\n", 2, "0x1", 1),
    ("x: &x\n  a: 1\n  a: 2\ny: *x\n", 3, "a", 2),
]


@pytest.mark.parametrize(("text", "line", "key", "first"), TWICE)
def test_a_key_twice_is_an_error_at_any_depth(
    tmp_path: Path, text: str, line: int, key: str, first: int
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_yaml(path, "")
    what = f"{path}, line {line}: the key {key!r} is there already, in line {first}"
    assert error.value.what == what


def test_equal_keys_in_different_groups_and_merged_groups_are_no_doubles() -> None:
    text = "base: &base {lr: 1, batch: 2}\nga: {<<: *base, lr: 3}\nnpo: {<<: *base, lr: 4}\n"
    found = parse_yaml(text, "x")
    assert found["ga"] == {"lr": 3, "batch": 2}
    assert found["npo"] == {"lr": 4, "batch": 2}
    assert parse_yaml('1: a\n"1": b\n', "x") == {1: "a", "1": "b"}


LAUGHS = "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" if n else "a0: &a0 [1]\n" for n in range(10)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * 50_000, "x is not YAML: "),
        ("a: " + "[" * 500 + "]" * 500, "x, line 1: nested more than 100 deep"),
        ("- " * 3000 + "1", "x, line 1: nested more than 100 deep"),
        ("a: &a [*a]", "x, line 1: a value holds itself"),
        (LAUGHS, "its aliases stand for too large a value"),
        ("a: 2020-13-45", "x is not YAML: month must be in"),
        ("a: !!bool maybe", "x is not YAML: 'maybe'"),
        ("a: !!timestamp no", "x is not YAML: "),
        ("a: !!python/object/apply:os.getcwd []", "x is not YAML: could not determine"),
        ("[1]: 2", "x is not YAML: while constructing a mapping found unhashable key"),
        ("? {a: 1}\n: 2", "x is not YAML: "),
        ("a: \0", "x is not YAML: "),
    ],
    ids=lambda value: str(value)[:20],
)
def test_odd_yaml_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_yaml(text, "x")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# Each example of hypothesis is a seed of twenty inputs, 10,000 of a kind: drawing them one by one takes a minute.
FUZZ = settings(max_examples=500, deadline=None, database=None)
SEEDS = st.integers(0, 2**32).map(Random)
INPUTS = range(20)
# Pieces of which texts are made that are nearly YAML, or nearly JSON.
PIECES = [
    *(
        "a",
        "b:",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "!!int ",
        "!!bool ",
        "!!omap ",
        "!",
        "|",
    ),
    *(
        ">",
        "'",
        '"',
        "#",
        "%",
        "@",
        "`",
        "\n",
        "\n  ",
        "\n- ",
        "\t",
        "? ",
        "<<: ",
        "~",
        "1",
        ".inf",
        "2020-01-01",
    ),
    *(
        "0x",
        "\\",
        "\ufeff",
        "\0",
        "\x85",
        "é",
        "---\n",
        "...\n",
        "null",
        "NaN",
        '{"a": 1}',
        "\ud800",
        "\\ud800",
    ),
]


def nearly(random: Random) -> str:
    return "".join(random.choices(PIECES, k=random.randrange(12)))


def anything(random: Random, depth: int = 3) -> Any:
    """A value as JSON may hold it."""
    kinds: list[Any] = [None, True, random.randrange(3), 1e400, nearly(random)]
    if depth:
        keys = random.choices(
            ["name", "inner", "n", "files", nearly(random)], k=random.randrange(3)
        )
        kinds.append({key: anything(random, depth - 1) for key in keys})
        kinds.append([anything(random, depth - 1) for _ in range(random.randrange(3))])
    return random.choice(kinds)


@FUZZ
@given(SEEDS)
def test_no_text_crashes_the_yaml_reader(random: Random) -> None:
    for _ in INPUTS:
        try:
            parse_yaml(nearly(random), "x")
        except UsageError as error:
            assert str(error).startswith("x")


@FUZZ
@given(SEEDS)
def test_no_value_crashes_the_typed_reader(random: Random) -> None:
    for _ in INPUTS:
        value = anything(random)
        for shape in (Shape, Raw, list[Shape]):
            try:
                of_shape(value, shape, "x")
            except MlubenchError as error:
                assert str(error).startswith("x cannot be used: ")


@FUZZ
@given(SEEDS)
def test_no_bytes_crash_the_line_reader(lines_file: Path, random: Random) -> None:
    # A file each is slow.
    for _ in range(4):
        lines = [nearly(random).encode(errors="replace"), random.randbytes(3), b'{"a": 1}']
        random.shuffle(lines)
        lines_file.write_bytes(b"\n".join(lines))
        try:
            rows = read_lines(lines_file)
        except MlubenchError as error:
            assert str(error).startswith(f"{lines_file}, line ")
        else:
            assert all(isinstance(row, dict) for row in rows)


@pytest.fixture(scope="module")
def lines_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "x.jsonl"
