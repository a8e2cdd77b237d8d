"""Text in and out: any locale, stray bytes, brackets in names, closed pipes and full devices."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlubench.core.files import write_json
from support.runs import PRESET, Finished, call

# Without these Python goes over to UTF-8 by itself.
BARE = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LOCALES = {
    "C": {"LC_ALL": "C", **BARE},
    "POSIX": {"LC_ALL": "POSIX", **BARE},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin": {"PYTHONIOENCODING": "iso-8859-1"},
    "utf-8": {"LC_ALL": "C.UTF-8"},
}
FULL = Path("/dev/full")


def program(
    *words: object, env: dict[str, str] | None = None, **options: object
) -> "subprocess.CompletedProcess[bytes]":
    """`mlubench WORDS` as a process of its own. A word may be bytes."""
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    command: list[str | bytes] = [sys.executable, "-m", "mlubench", *raw]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    whole = {**os.environ, **(env or {})}
    return subprocess.run(command, env=whole, timeout=120, check=False, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def hostile(finished: Finished, tmp_path: Path) -> Path:
    """A run in a folder whose name is markup, an emoji's code and letters of no single encoding."""
    folder = tmp_path / "run[" / "b][red]:smile: Zoë 月の塔"
    shutil.copytree(finished.folder, folder)
    return folder


@pytest.mark.parametrize("name", LOCALES)
def test_every_locale_reads_and_shows_every_name(hostile: Path, name: str) -> None:
    env = LOCALES[name]
    done = program("status", hostile, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    # A name may be wrapped anywhere, by how long the folder's path is.
    shown = "".join(done.stdout.decode(errors="replace").split())
    assert "run[/b][red]:smile:Zo" in shown
    assert ":finished" in shown
    facts = json.loads(
        program("status", hostile, "--json", env=env).stdout.decode(
            "latin-1" if name == "latin" else "utf-8"
        )
    )
    assert facts["run"] == str(hostile)
    assert b"UnicodeEncodeError" not in program("report", hostile, env=env).stderr


@pytest.mark.parametrize("name", ["C", "latin", "utf-8"])
def test_an_error_in_every_locale_is_one_line(tmp_path: Path, name: str) -> None:
    done = program("status", tmp_path / "Zoë", env=LOCALES[name])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(b"mlubench: error: ")


@pytest.mark.parametrize("name", ["C", "utf-8"])
@pytest.mark.parametrize(
    "words",
    [
        ("ask", "run", b"caf\xe9?"),
        ("run", "smoke", "--out", b"o\xff"),
        ("run", "smoke", "-s", b"judge=\xc3"),
        ("status", b"\xed\xa0\x80"),
    ],
    ids=["question", "out", "setting", "surrogate"],
)
def test_stray_bytes_are_one_line(tmp_path: Path, name: str, words: tuple[object, ...]) -> None:
    done = program(*words, env=LOCALES[name], cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert "holds bytes that are no UTF-8 text. Write it in UTF-8." in line
    assert "\\x" in line
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_is_one_line_from_python_too() -> None:
    called = call("status", "a\ud800")
    assert (called.code, "'a\\ud800' holds bytes" in called.error) == (2, True)


def test_brackets_are_text_wherever_data_is_shown(hostile: Path, tmp_path: Path) -> None:
    for words in (("status", hostile), ("judge", hostile), ("report", hostile)):
        called = call(*words)
        assert called.code == 0
    root = tmp_path / "[/x][bold]"
    rows = [
        {"id": "1", "image": f"downloaded_images/[red]/[/b]/{n}.jpg", "conversations": []}
        for n in range(2)
    ]
    for split in ("forget", "retain"):
        write_json(root / "Tasks" / "TaskA" / f"taskA_{split}.json", rows)
    called = call("data", "check", root)
    assert called.code == 1
    assert "[/x][bold]" in "".join(called.out.split())


def test_a_closed_pipe_ends_a_command_quietly_with_its_own_code() -> None:
    for words, code in ((("list", "settings"), 0), (("list", "settings", "--json"), 0)):
        read, write = os.pipe()
        os.close(read)
        done = program(*words, stdout=write)
        os.close(write)
        assert (done.returncode, done.stderr) == (code, b"")


def test_a_run_goes_on_when_nobody_reads_it(cache: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = ["-s", "methods=[ga]", "-s", "train.epochs=1", "-s", "evaluate.limit=2"]
    done = program("run", *PRESET, *words, "--out", tmp_path / "run", stdout=write, stderr=write)
    os.close(write)
    assert done.returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    "words", [("list", "settings"), ("list", "settings", "--json"), ("--help",)]
)
def test_a_full_device_is_named(words: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        done = program(*words, stdout=full)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("mlubench: error: No space left on device: standard output.")


def test_closed_streams_do_no_harm() -> None:
    command = f'"{sys.executable}" -m mlubench list gates'
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f"{command} {closed}"], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, closed
        assert b"Traceback" not in done.stderr


def test_a_run_into_a_file_writes_plain_whole_lines(finished: Finished) -> None:
    """Neither blank lines for bars nor lines that are broken where a terminal would end."""
    lines = finished.called.err.splitlines()
    assert lines[0].startswith("benchmark: ")
    assert lines[-1] == f"report: {finished.folder / 'report.html'}"
    assert all(line.strip() and "\x1b" not in line for line in lines)
