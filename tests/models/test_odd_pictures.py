"""Pictures that a model's processor refuses: one line with the file, and whoever else asks is answered."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.data import pixels
from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.adapters import add_adapter
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.probe import features_by_site
from mlubench.models.query import Query
from mlubench.settings.gates import GateConfig
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark
from support.short_training import FAMILIES

Load = Callable[..., MLLM]
NEW = 3
STRIPS = ((4000, 10), (500, 1), (1, 500))


def strip(folder: Path, size: tuple[int, int] = (4000, 10)) -> Path:
    path = folder / f"strip {size[0]}x{size[1]}.png"
    Image.new("RGB", size, "green").save(path)
    return path


@pytest.fixture
def qwen(load_family: Load, benchmark: Benchmark) -> LUMoE:
    mllm = load_family("qwen2_5_vl")
    for task in ("A", "B"):
        add_adapter(mllm, task, LoraConfig(r=4, alpha=4), "all", seed=1)
    engine = LUMoE(mllm, PrototypeGate(), FeatureCache(mllm))
    engine.gate.fit(list(benchmark), benchmark, engine.features, GateConfig())
    return engine


@pytest.fixture
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips get as far as the model's own processor, as any shape does that only some model refuses."""
    monkeypatch.setattr(pixels, "MAX_RATIO", 10**6)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", STRIPS)
def test_strips_are_refused_for_every_family(
    load_family: Load, tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    path = strip(tmp_path, size)
    with pytest.raises(MlubenchError, match="a strip thinner than 1 to 200") as error:
        load_family(name).generate([Query(path, "What?")], max_new_tokens=NEW)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", FAMILIES)
def test_small_and_thin_pictures_within_the_limit_are_answered(
    load_family: Load, tmp_path: Path, name: str
) -> None:
    mllm = load_family(name)
    for size in ((1, 1), (3, 3), (500, 3), (2, 400)):
        path = strip(tmp_path, size)
        assert len(mllm.generate([Query(path, "What?")], max_new_tokens=NEW)) == 1
        assert mllm.picture_features([path]).shape[0] == 1


@pytest.mark.usefixtures("no_limit")
def test_what_only_the_model_refuses_is_named(
    load_family: Load, shapes: list[Path], tmp_path: Path
) -> None:
    mllm = load_family("qwen2_5_vl")
    path = strip(tmp_path)
    queries = [Query(picture, "What?") for picture in (shapes[0], path, shapes[1])]
    for ask in (
        lambda: mllm.generate(queries, max_new_tokens=NEW),
        lambda: mllm.picture_features([shapes[0], path]),
        lambda: features_by_site(mllm, queries),
        lambda: mllm.require_picture(path),
    ):
        with pytest.raises(MlubenchError) as error:
            ask()
        assert str(error.value).startswith(
            f"picture {path} of 4000 x 10 pixels is refused by the model: "
        )
        assert "ratio" in str(error.value) and "\n" not in str(error.value)


def test_one_bad_picture_does_not_end_the_others(
    qwen: LUMoE, shapes: list[Path], tmp_path: Path
) -> None:
    one_bad_each(qwen, shapes, tmp_path, "a strip thinner than 1 to 200")


@pytest.mark.usefixtures("no_limit")
def test_nor_does_one_that_only_the_model_refuses(
    qwen: LUMoE, shapes: list[Path], tmp_path: Path
) -> None:
    one_bad_each(qwen, shapes, tmp_path, "is refused by the model")
    qwen.on_error = "base"
    one_bad_each(qwen, shapes, tmp_path, "is refused by the model")


def one_bad_each(qwen: LUMoE, shapes: list[Path], tmp_path: Path, told: str) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    bad = {
        "strip": (strip(tmp_path), told),
        "gone": (tmp_path / "gone.jpg", "is missing"),
        "cut": (tmp_path / "cut.jpg", "is a damaged JPEG"),
    }
    requests = [AskRequest("first", shapes[0], "What?")]
    requests += [AskRequest(name, path, "What?") for name, (path, _) in bad.items()]
    requests += [AskRequest("words", None, "What?"), AskRequest("last", shapes[1], "Who?")]
    found = {a.id: a for a in qwen.answers(requests, max_new_tokens=NEW)}
    assert len(found) == len(requests)
    for name, (path, said) in bad.items():
        assert found[name].text is None
        assert f"picture {path} " in str(found[name].error) and said in str(found[name].error)
        with pytest.raises(MlubenchError, match=said):
            qwen.answer("What?", path)
    for request in (requests[0], requests[-2], requests[-1]):
        alone = qwen.answer(request.question, request.image, max_new_tokens=NEW)
        assert (found[request.id].text, found[request.id].error) == (alone.text, None)
