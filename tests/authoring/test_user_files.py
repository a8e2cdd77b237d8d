"""Files that people bring may be of any encoding, shape and size."""

import os
from pathlib import Path

import pytest

from mlubench.authoring.user_files import CsvRow, read_csv, read_text, read_yaml_value
from mlubench.core.errors import UsageError


def known(column: str) -> bool:
    return column in ("name", "class", "note")


def test_a_csv_reads_by_column_with_quotes_marks_and_non_ascii(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b"\xef\xbb\xbf" + 'class,name\r\nX, "Ångström, 月"\r\n\r\n,\r\nY,"a ""b"""\r\n'.encode()
    )
    (tmp_path / "b.csv").write_bytes('class,name\nX,"Ångström,\n月"\nY\n'.encode())
    assert read_csv(tmp_path / "b.csv", ("name", "class"), known) == [
        CsvRow(3, {"class": "X", "name": "Ångström,\n月"}),
        CsvRow(4, {"class": "Y"}),
    ]
    with pytest.raises(
        UsageError, match="line 2"
    ):  # a space before a quote makes three cells of it
        read_csv(tmp_path / "a.csv", ("name", "class"), known)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no column name, class"),
        (b"name\nx\n", "has no column class"),
        (b"name,class,colour\n", "'colour'"),
        (b"name,class,name\n", "'name'"),
        (b"name,class\na,b,c\n", "line 2 has 3 cells, not 2"),
        (b'name,class\n"a,b\n', "is no CSV"),
        (b"name,class\n" + b"x" * 200_000 + b",b\n", "is no CSV"),
        (b"name,class\n\xff,b\n", "not UTF-8"),
    ],
)
def test_a_wrong_csv_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(UsageError) as error:
        read_csv(tmp_path / "a.csv", ("name", "class"), known)
    assert message in str(error.value)


def test_yaml_that_could_swell_is_refused(tmp_path: Path) -> None:
    lines = [
        "a: &a [x, x, x]",
        *(f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
    ]
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="anchors"):
        read_yaml_value(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("a: '* a star'\nb: 1 * 2")
    assert read_yaml_value(tmp_path / "b.yaml") == {"a": "* a star", "b": "1 * 2"}


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.getcwd []", "[" * 5000])
def test_yaml_that_is_broken_or_names_code_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match="is not YAML"):
        read_yaml_value(tmp_path / "a.yaml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match="no plain file"):
        read_text(tmp_path / "pipe.csv")
