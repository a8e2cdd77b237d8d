"""A base is made once for its settings, and all bases of one language model are taught the same ordinary answers."""

from pathlib import Path

import pytest

from mlubench.experiment.prepare import open_benchmark
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.real import base
from mlubench.models.real.base import real_base
from mlubench.settings.loading import parse
from mlubench.settings.model import RealConfig
from support.tiny_parts import save_language, save_vision


@pytest.mark.usefixtures("cache")
def test_bases_of_one_language_hear_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = open_benchmark(parse({"benchmark": {"kind": "real", "pictures": 3}}))
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    config = RealConfig(
        vision=save_vision(tmp_path / "vision"),
        language=save_language(tmp_path / "language"),
        views=1,
        stranger_views=1,
        steps=1,
        batch=2,
    )
    monkeypatch.setattr(base, "STEPS", 2)
    asked = 0
    hear = base.answers_in_words

    def counted(*given: object, **options: object) -> list[str]:
        nonlocal asked
        asked += 1
        return hear(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(base, "answers_in_words", counted)
    first = real_base(config, benchmark, device="cpu", progress=False)
    assert real_base(config, benchmark, device="cpu", progress=False) == first
    other_seed = config.model_copy(update={"seed": 1})
    second = real_base(other_seed, benchmark, device="cpu", progress=False)
    assert second != first
    assert asked == 1
    question = Query(None, "What is the capital of France?")
    assert MLLM.load(second, device="cpu").generate([question], max_new_tokens=3)
    # Another language model is heard anew.
    other = config.model_copy(update={"language": save_language(tmp_path / "other", seed=1)})
    real_base(other, benchmark, device="cpu", progress=False)
    assert asked == 2
