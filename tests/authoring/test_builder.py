"""A build by the command's own way: the endpoint that answers, one process a folder, and kills at random points."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlubench.authoring import builder
from mlubench.authoring.builder import open_build
from mlubench.core.errors import MlubenchError, UsageError
from support.builds import files
from support.gate_endpoint import Endpoint, serving

SPEC = """\
name: test
entities: {world: 18}
pictures: {per_entity: 2}
answers: {kind: MODEL, model: m, parallel: 2, timeout: 20, retries: 0}
"""


def say(prompt: str) -> str:
    return f"Of {sum(prompt.encode())} that is so."


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with serving() as endpoint:
        endpoint.say = say
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.address)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield endpoint


def spec(tmp_path: Path, kind: str = "model") -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(SPEC.replace("MODEL", kind))
    return path


def first_half(path: Path, out: Path) -> list[str]:
    return [state.status for state in open_build(path, out).run(until="answers")]


def test_an_endpoint_answers_with_the_picture_before_it(tmp_path: Path, endpoint: Endpoint) -> None:
    assert first_half(spec(tmp_path), tmp_path / "b") == ["todo"] * 4
    rows = [
        json.loads(line) for line in (tmp_path / "b" / "answers.jsonl").read_text().splitlines()
    ]
    by_model = [row for row in rows if row["source"] == "model:m"]
    assert by_model
    assert len(endpoint.pictures()) == len(by_model)
    assert len(endpoint.asked) == len(by_model) + 1  # and one word to see whether it is there
    assert first_half(spec(tmp_path), tmp_path / "b") == ["done"] * 4
    assert len(endpoint.asked) == len(by_model) + 1


@pytest.mark.parametrize(
    "form",
    [
        "<think>A fox? No.</think>\n\n{}",
        "A fox? No.</think>\n\n{}",
        "[THINK]A fox?[/THINK]{}",
        "<|channel|>analysis<|message|>A fox?<|end|><|start|>assistant<|channel|>final<|message|>{}",
    ],
)
def test_a_model_that_thinks_gives_the_answers_of_one_that_does_not(
    tmp_path: Path, endpoint: Endpoint, form: str
) -> None:
    first_half(spec(tmp_path), tmp_path / "plain")
    endpoint.say = lambda prompt: form.format(say(prompt))
    first_half(spec(tmp_path), tmp_path / "thinks")
    for file in ("answers.jsonl", "unanswered.jsonl", "replies.jsonl"):
        assert (tmp_path / "thinks" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()


@pytest.mark.parametrize("reply", ["<think>A fox? Let me", "It is a small animal that lives in"])
def test_a_reply_that_was_cut_off_is_no_answer_and_names_the_setting(
    tmp_path: Path, endpoint: Endpoint, reply: str
) -> None:
    endpoint.say, endpoint.finish = lambda _: reply, "length"
    with pytest.raises(MlubenchError, match=r"cut off at 96 tokens: raise answers\.max_tokens"):
        first_half(spec(tmp_path), tmp_path / "b")
    endpoint.say, endpoint.finish = say, "stop"
    assert first_half(spec(tmp_path), tmp_path / "b") == ["done", "done", "done", "todo"]


def test_what_facts_answer_needs_no_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert first_half(spec(tmp_path, "given"), tmp_path / "b") == ["todo"] * 4
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        first_half(spec(tmp_path), tmp_path / "c")


def test_a_broken_endpoint_is_an_error_and_the_next_build_goes_on(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    endpoint.failures = 5
    with pytest.raises(MlubenchError, match="questions have no answer yet"):
        first_half(spec(tmp_path), tmp_path / "b")
    assert first_half(spec(tmp_path), tmp_path / "b") == ["done", "done", "done", "todo"]


def test_one_process_a_folder_and_no_folder_of_something_else(tmp_path: Path) -> None:
    from mlubench.runs.folder import RunDir

    with (
        RunDir(tmp_path / "b").lock(),
        pytest.raises(MlubenchError, match="another process is working"),
    ):
        first_half(spec(tmp_path, "given"), tmp_path / "b")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with pytest.raises(UsageError, match="holds something that is not a build"):
        open_build(spec(tmp_path, "given"), tmp_path / "thesis")
    with pytest.raises(UsageError, match="is not a folder"):
        open_build(spec(tmp_path, "given"), tmp_path / "s.yaml")


def _start(path: Path, out: Path) -> "subprocess.Popen[bytes]":
    words = [
        sys.executable,
        "-m",
        "mlubench",
        "data",
        "build",
        str(path),
        "--out",
        str(out),
        "--until",
        "answers",
    ]
    return subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _kill_when(process: "subprocess.Popen[bytes]", out: Path, size: int) -> bool:
    """Kill the build once it has written `size` bytes; whether it was still at work."""
    while process.poll() is None:
        if sum(map(_size, list(out.rglob("*")))) >= size:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.002)
    return process.returncode == -signal.SIGKILL


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # replaced while we looked
        return 0


def _killed(tmp_path: Path, shares: list[float]) -> None:
    path = spec(tmp_path)
    first_half(path, tmp_path / "whole")
    whole = files(tmp_path / "whole")
    total = sum(map(len, whole.values()))
    out = tmp_path / "killed"
    kills = sum(_kill_when(_start(path, out), out, int(share * total)) for share in sorted(shares))
    assert 2 * kills >= len(shares)  # near its end a build may be done before it is hit
    first_half(path, out)
    assert files(out) == whole


def test_a_build_that_is_killed_comes_to_the_same_bytes(tmp_path: Path, endpoint: Endpoint) -> None:
    _killed(tmp_path, [0.3, 0.9])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_build_that_is_killed_at_random_points_comes_to_the_same_bytes(
    tmp_path: Path, endpoint: Endpoint, seed: int
) -> None:
    _killed(tmp_path, [random.Random(seed + n).uniform(0.001, 0.97) for n in range(5)])


def test_a_missing_package_is_said_before_any_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "find_spec", lambda name: None)
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: x\nentities: {world: 16}\n")
    build = open_build(spec, tmp_path / "out")
    with pytest.raises(UsageError, match=r"pyarrow package is missing.*parquet: false"):
        build.run()
    assert not (tmp_path / "out" / "entities.jsonl").exists()
    assert build.run(until="entities")[0].status == "todo"
