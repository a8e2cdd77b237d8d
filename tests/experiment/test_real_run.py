"""The whole experiment on real pictures with a base of parts, which here are tiny and know nothing."""

import json
from pathlib import Path

import pytest

from mlubench.data.real.strangers import unseen_strangers
from support.runs import call
from support.tiny_parts import save_language, save_vision

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("parts")
    values = [
        f"model.real.vision={save_vision(folder / 'vision')}",
        f"model.real.language={save_language(folder / 'language')}",
        "model.real.steps=2",
        "model.real.views=2",
        "model.real.stranger_views=1",
        "benchmark.order=[A]",
        "benchmark.pictures=3",
        "know.enabled=false",
        "train.epochs=1",
        "train.per_method={lumoe: {lr: 0.01}}",
        "evaluate.limit=24",
        "evaluate.max_new_tokens=4",
    ]
    words = []
    for value in values:
        words += ["-s", value]
    return words


def test_it_runs_to_its_end_and_tells_kinds_of_pictures_apart(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    called = call("run", "real-smoke", *settings, "--out", out)
    assert called.code == 0, called.err
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert {cell["method"] for cell in results["cells"]} == {"po", "lumoe"}
    assert results["run"]["stand_ins"] is False
    by_picture = {row["value"] for row in results["breakdowns"] if row["by"] == "picture"}
    assert by_picture == {"same-photo", "other-photo"}
    for gate in results["gates"]:
        assert gate["stranger_rate_n"] == len(unseen_strangers())
        parts = {part["value"]: part for part in gate["breakdowns"]}
        assert set(parts) == {"same-photo", "other-photo"}
        assert sum(part["leak_rate_n"] for part in parts.values()) == gate["leak_rate_n"]
    by_knowledge = [row for row in results["breakdowns"] if row["by"] == "known before"]
    # The tiny language model knows nothing.
    assert {row["value"] for row in by_knowledge} == {"no"}
    assert {row["method"] for row in by_knowledge} == {"po", "lumoe"}
    # The base was made once, and is found again by its name.
    (base,) = (tmp_path / "cache" / "models").glob("real-*")
    assert results["run"]["model"] == base.name
    again = call("run", "real-smoke", *settings, "--out", out)
    assert again.code == 0
    picture = next((tmp_path / "cache" / "real").rglob("other_01.jpg"))
    asked = call("ask", out, "--image", picture, "What is this landmark called?")
    assert asked.code == 0, asked.err
