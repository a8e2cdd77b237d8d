"""What docs/serving.md shows can be copied: its calls of curl and its Python are run against a live server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mlubench.data.render import render
from support.paths import REPOSITORY

SHOWN = "http://127.0.0.1:8000"
PAGE = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(language: str, word: str) -> list[str]:
    """The page's blocks of code that hold the word."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return [block for block in found if word in block]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("block", blocks("sh", "curl"), ids=["words", "picture"])
def test_curl_is_answered(server: str, tmp_path: Path, block: str) -> None:
    render("Animals/Cat", "picture.jpg").save(tmp_path / "picture.jpg")
    called = subprocess.run(
        ["bash", "-c", block.replace(SHOWN, server)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    (choice,) = json.loads(called.stdout)["choices"]
    assert choice["message"]["content"]


def test_python_is_answered(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python", "openai")
    exec(block.replace(SHOWN, server))
    assert capsys.readouterr().out.strip()
