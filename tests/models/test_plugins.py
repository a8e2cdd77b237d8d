"""Model classes from outside: from modules named by the user, never from a folder of weights; unknown ones are one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.reading import read_json
from mlubench.experiment.plan.plan import plan_run
from mlubench.lumoe.engine.opening import engine_source
from mlubench.models.mllm import MLLM
from mlubench.models.plugins import register_model_classes
from mlubench.models.rater import Rater
from mlubench.models.real.assembly import assemble
from mlubench.models.sizes import folder_shape
from mlubench.settings.loading import load
from support.runs import PRESET, call
from support.tiny_parts import save_language, save_vision

# A tower of a class of its own, which registers itself when it is imported.
OUTSIDE_TOWER = """
from transformers import AutoConfig, AutoModel, CLIPVisionConfig, CLIPVisionModel


class OutsideConfig(CLIPVisionConfig):
    model_type = "outside_tower"


class OutsideModel(CLIPVisionModel):
    config_class = OutsideConfig


AutoConfig.register("outside_tower", OutsideConfig)
AutoModel.register(OutsideConfig, OutsideModel)
"""
LIMIT = 300  # characters of one short line
UNKNOWN = "no model class is known for its model type 'glimmer'"


@pytest.fixture
def of_no_known_class(tmp_path: Path) -> Path:
    folder = tmp_path / "glimmer"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "glimmer"}))
    return folder


@pytest.fixture
def of_no_known_tower(tmp_path: Path) -> Path:
    """A LLaVA of which only the tower is unknown: transformers then lists all types that it knows."""
    folder = tmp_path / "llava"
    folder.mkdir()
    config = {"model_type": "llava", "vision_config": {"model_type": "glimmer"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("kind", ["of_no_known_class", "of_no_known_tower"])
@pytest.mark.parametrize("reader", ["load", "shape", "rater", "vision", "language"])
def test_an_unknown_class_is_one_short_line(
    kind: str, reader: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(kind)
    out = tmp_path / "out"
    readers = {
        "load": lambda: MLLM.load(folder, device="cpu"),
        "shape": lambda: folder_shape(folder, "auto"),
        "rater": lambda: Rater.load(folder, device="cpu"),
        "vision": lambda: assemble(out, vision=folder, language=folder),
        "language": lambda: assemble(out, vision=save_vision(tmp_path / "vision"), language=folder),
    }
    with pytest.raises(MlubenchError) as error:
        readers[reader]()
    assert UNKNOWN in str(error.value)
    assert "model.plugins=[MODULE]" in str(error.value)
    assert "\n" not in str(error.value)
    # The folders of tests have long names.
    assert len(str(error.value).replace(str(tmp_path), "")) < LIMIT


@pytest.mark.parametrize("setting", ["model.path", "model.real.vision", "model.real.language"])
def test_the_dry_run_says_so_too(of_no_known_tower: Path, tmp_path: Path, setting: str) -> None:
    words = [*PRESET[2:], f"{setting}={of_no_known_tower}"]
    if setting.startswith("model.real"):
        words.append("model.kind=real")
    plan = plan_run(load("smoke", words, draft=True), tmp_path / "run")
    said = [missing.what for missing in plan.missing if UNKNOWN in missing.what]
    assert said
    assert all(len(line.replace(str(tmp_path), "")) < LIMIT for line in said)


def test_a_plug_in_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"no_such_module cannot be imported: No module named"):
        register_model_classes(["no_such_module"])
    (tmp_path / "broken_plugin.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match=r"broken_plugin cannot be imported: division by zero"):
        register_model_classes(["broken_plugin"])
    for name in ("../weights/code", "a b", "code.py/", ""):
        with pytest.raises(UsageError, match="is no module's name"):
            register_model_classes([name])
        with pytest.raises(UsageError, match="no module's name"):
            load("smoke", [f"model.plugins=['{name}']"])
    plan = plan_run(load("smoke", ["model.plugins=[no_such_module]"], draft=True), tmp_path / "run")
    assert any("no_such_module cannot be imported" in missing.what for missing in plan.missing)


@pytest.mark.parametrize("weights", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("package", [False, True])
def test_no_code_is_taken_from_a_folder_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, package: bool
) -> None:
    name = f"sneaky_{weights[:5]}_{package}"
    (tmp_path / weights).write_text("{}")
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')\n"
    if package:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)
        (tmp_path / name / "inner.py").write_text(code)
    else:
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="is a folder of weights"):
        register_model_classes([f"{name}.inner" if package else name])
    assert not ran.exists()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the path of other processes, with the module that registers the tower."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "outside_tower.py").write_text(OUTSIDE_TOWER)
    return folder


def elsewhere(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, since what is registered stays for the life of one."""
    paths = [str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    return subprocess.run(
        [sys.executable, "-m", "mlubench", *map(str, words)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_tower_from_outside_goes_the_whole_way(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on it, the same run opened again by `ask`, and its experts as a store: all import the module by its name."""
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    vision = save_vision(tmp_path / "vision")
    config = json.loads((vision / "config.json").read_text())
    (vision / "config.json").write_text(json.dumps(config | {"model_type": "outside_tower"}))
    language = save_language(tmp_path / "language")
    llava = tmp_path / "llava"
    parts = ("parts", "assemble", llava, "--vision", vision, "--language", language)
    refused = elsewhere(site, *parts)
    assert refused.returncode == 1
    assert "no model class is known for its model type 'outside_tower'" in refused.stderr
    assembled = elsewhere(site, *parts, "--plugin", "outside_tower")
    assert assembled.returncode == 0, assembled.stderr

    out = tmp_path / "run"
    settings = (
        f"model.path={llava}", "model.plugins=[outside_tower]", "methods=[lumoe]", "benchmark.order=[A]",
        "know.enabled=false", "train.epochs=1", "evaluate.limit=2", "evaluate.max_new_tokens=4", "device=cpu",
    )  # fmt: skip
    words: list[object] = ["run", "smoke", "--out", out]
    for setting in settings:
        words += ["-s", setting]
    ran = elsewhere(site, *words)
    assert ran.returncode == 0, ran.stderr
    expert = out / "models" / "lumoe" / "A"
    assert read_json(expert / "manifest.json", dict)["base_plugins"] == ["outside_tower"]
    picture = tmp_path / "picture.png"
    Image.new("RGB", (32, 32)).save(picture)
    asked = elsewhere(site, "ask", out, "--image", picture, "What is this?")
    assert asked.returncode == 0, asked.stderr
    store = out / "models" / "lumoe"
    assert engine_source(store).plugins == ("outside_tower",)
    from_store = elsewhere(
        site, "ask", store, "--base-model", llava, "--image", picture, "What is this?"
    )
    assert from_store.returncode == 0, from_store.stderr
    judged = elsewhere(site, "judge", out, "--judge", f"local:{llava}")
    assert judged.returncode == 0, judged.stderr
    # Where the module is not there, that is said.
    lacking = call("ask", out, "--image", picture, "What is this?")
    assert lacking.code == 2
    assert "plug-in outside_tower cannot be imported" in lacking.err
