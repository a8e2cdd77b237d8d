"""What every command promises: exit codes, errors of one line, help with examples, and nothing half-written."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.core.files import is_whole
from mlubench.data import release
from support.runs import PRESET, call

QUICK = (
    *PRESET,
    "-s",
    "methods=[lumoe]",
    "-s",
    "train.epochs=1",
    "-s",
    "evaluate.limit=2",
    "-s",
    "know.enabled=false",
)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A release of one task, without pictures."""

    def rows(name: str) -> list[dict[str, str]]:
        images = [f"downloaded_images/Animals/{name}/{p}.jpg" for p in range(6)]
        return [
            {"image": image, "question": "What is it?", "answer": f"It is a {name}."}
            for image in images
        ]

    release.write({"A": {"forget": rows("Dog"), "retain": rows("Cat")}}, tmp_path / "records")
    return tmp_path / "records"


def left(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.name != ".lock")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes meanwhile: to the program, a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["run", "smok"], "Did you mean 'smoke'?"),
        (["run", "absent.yaml"], "absent.yaml does not exist"),
        (["run", "smoke", "-s", "methods=[lumo]"], "Did you mean 'lumoe'?"),
        (["run", "smoke", "-s", "sed=1"], "Did you mean 'seed'?"),
        (["run", "smoke", "-s", "methods=ga"], "`mlubench list settings`"),
        (["run", "smoke", "-s", "seed"], "key.path=value"),
        (["run", "smoke", "--frobnicate"], "--frobnicate"),
        (["run", "official-rendered"], "benchmark.root"),
        (["status", "absent"], "absent is not a run"),
        (["report", "absent"], "absent is not a run"),
        (["report"], "RUNS"),
        (["judge", "absent"], "absent is not a run"),
        (["judge", "absent", "--judge", "rule"], "Did you mean 'rules'?"),
        (["data", "stats", "absent"], "absent does not exist"),
        (["data", "check", "absent"], "absent does not exist"),
        (["list", "colours"], "colours"),
        (["ask", "absent", "What is it?"], "absent"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called = call(*words)
    assert called.code == 2
    assert said in called.error
    assert called.out == ""
    assert left(tmp_path) == []  # and no folder is begun


def test_run_on_an_absent_release(tmp_path: Path) -> None:
    called = call(
        "run",
        *QUICK,
        "-s",
        "benchmark.kind=release",
        "-s",
        f"benchmark.root={tmp_path / 'absent'}",
        "--out",
        tmp_path / "out",
    )
    assert called.code == 2
    assert "absent does not exist" in called.error


def test_run_without_the_release_s_pictures(records: Path, tmp_path: Path) -> None:
    words = [
        *QUICK,
        "-s",
        "benchmark.kind=release",
        "-s",
        "benchmark.order=null",
        "-s",
        f"benchmark.root={records}",
    ]
    called = call("run", *words, "--out", tmp_path / "out")
    assert called.code == 2
    for said in (
        "12 pictures are not under",
        "Cat/0.jpg",
        "benchmark.images=DIR",
        "benchmark.draw=true",
    ):
        assert said in called.error


def test_a_mistyped_folder_can_be_mended_in_the_same_out(records: Path, tmp_path: Path) -> None:
    """The hint says to give another setting; a run that never began must not stand in its way."""
    words = [
        *QUICK,
        "-s",
        "benchmark.kind=release",
        "-s",
        "benchmark.order=null",
        "--out",
        tmp_path / "out",
    ]
    assert call("run", *words, "-s", f"benchmark.root={tmp_path / 'typo'}").code == 2
    again = call("run", *words, "-s", f"benchmark.root={records}")
    assert "other settings" not in again.error
    assert "pictures are not under" in again.error


def test_broken_annotations_are_a_failure(records: Path, tmp_path: Path) -> None:
    path = records / "Tasks" / "TaskA" / "taskA_forget.json"
    path.write_text(path.read_text()[:-20])
    words = [
        *QUICK,
        "-s",
        "benchmark.kind=release",
        "-s",
        "benchmark.order=null",
        "-s",
        f"benchmark.root={records}",
    ]
    for called in (call("run", *words, "--out", tmp_path / "out"), call("data", "stats", records)):
        assert called.code == 1
        assert "taskA_forget.json" in called.error
        assert "data check" in called.error
    assert call("data", "check", records).code == 1


def test_run_in_a_folder_of_other_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("preset: smoke\nseed: 1\n")
    called = call("run", *QUICK, "--out", tmp_path)
    assert called.code == 2
    assert "other settings" in called.error
    assert left(tmp_path) == ["config.yaml"]


@pytest.mark.parametrize(
    "content", ["", "seed: [1", "seed: many", "- 1"], ids=["empty", "cut", "wrong", "list"]
)
def test_a_broken_config_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    called = call("status", tmp_path)
    assert called.code in (1, 2)
    assert called.error


def test_an_unknown_task_in_the_order_is_wrong_use(cache: Path, tmp_path: Path) -> None:
    called = call("run", *QUICK, "-s", "benchmark.order=[A, Z]", "--out", tmp_path / "out")
    assert called.code == 2
    assert "unknown task in benchmark.order 'Z'" in called.err


def test_a_toy_that_cannot_be_built_is_one_line(tmp_path: Path) -> None:
    """104 is a multiple of 8, but attention heads are 32 wide."""
    called = call("run", *QUICK, "-s", "model.toy.width=104", "--out", tmp_path / "out")
    assert called.code == 2
    assert "model.toy.width" in called.error
    assert "got 104" in called.error
    assert left(tmp_path) == []


def test_full_disk_leaves_nothing_half_written_and_the_same_command_goes_on(
    base_path: Path, tmp_path: Path
) -> None:
    adapter = 100_000  # bytes: less than an adapter takes
    with largest_file(adapter):
        called = call("run", *QUICK, "--out", tmp_path)
    assert called.code == 1
    assert "Traceback" not in called.err
    assert called.err.strip().splitlines()[-1].startswith("mlubench: error: ")
    assert not is_whole(tmp_path / "models" / "lumoe" / "A")
    assert [f for f in left(tmp_path) if f.endswith(".tmp") or "safetensors" in f] == []
    assert call("run", *QUICK, "--out", tmp_path).code == 0
    assert is_whole(tmp_path / "models" / "lumoe" / "B")


def test_full_disk_at_the_first_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    called = call("run", *QUICK, "--out", tmp_path / "out")
    assert called.code == 1
    # The folder is claimed once the benchmark is open, which is said before.
    last = called.err.splitlines()[-1]
    assert last.startswith("mlubench: error: No space left on device")
    assert "Traceback" not in called.err
    assert left(tmp_path) == ["out"]


def test_interrupted_base_training_leaves_no_model(
    cache: Path, base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        cache / "worlds", tmp_path / "cache" / "worlds"
    )  # so that the training begins at once
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    models = tmp_path / "cache" / "models"
    seen: list[str] = []

    def interrupt() -> None:
        for _ in range(30_000):
            if models.is_dir() and left(models):
                time.sleep(1)  # well into the training
                seen.extend(left(models))
                break
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs ignore it
    try:
        watcher.start()
        called = call("run", *QUICK, "-s", "model.toy.steps=5000", "--out", tmp_path / "out")
        watcher.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert called.code == 130
    assert "interrupted" in called.err.strip().splitlines()[-1]
    assert "Traceback" not in called.err
    assert seen
    assert left(models) == []


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(MlubenchError):
        call("--debug", "status", tmp_path)
    words = [sys.executable, "-m", "mlubench", "--debug", "status", "absent"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback (most recent call last)" in done.stderr
    assert "absent is not a run" in done.stderr
    plain = subprocess.run(
        [w for w in words if w != "--debug"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert plain.returncode == 2
    assert plain.stderr.count("\n") == 1


def test_version() -> None:
    from mlubench import __version__

    assert __version__ in call("--version").out


def test_a_picture_that_is_none_is_a_failure(tmp_path: Path) -> None:
    """A unit of its own, since every command that looks at pictures goes through it."""
    from mlubench.data.pictures import open_picture

    (tmp_path / "x.jpg").write_bytes(b"not a picture")
    with pytest.raises(MlubenchError, match=r"x\.jpg is no JPEG, PNG or WebP"):
        open_picture(tmp_path / "x.jpg")
    Image.new("L", (4, 4)).save(tmp_path / "y.png")
    assert open_picture(tmp_path / "y.png").mode == "RGB"


@pytest.mark.parametrize("words", [(), ("data",), ("experts",), ("parts",)])
def test_without_a_command_its_help_is_shown(words: tuple[str, ...]) -> None:
    called = call(*words)
    assert called.code == 2
    assert called.err.startswith(f"Usage: {' '.join(('mlubench', *words))} [OPTIONS] COMMAND")
    assert called.err.count("\n") > 5
