"""`mlubench run`: table or JSON, the default folder, and a finished run that is asked for again."""

import json
import shutil
from pathlib import Path

import pytest

from mlubench.core.reading import read_json
from mlubench.runs.folder import RunDir
from mlubench.settings.loading import load, preset_names
from mlubench.types import Benchmark
from support.runs import PRESET, Finished, call, scores


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(finished: Finished) -> None:
    assert finished.called.code == 0
    for word in ("LUMoE", "NPO", "A-UB", "Stability", "Forget quality", "Utility", "stand-ins"):
        assert word in finished.called.out
    assert "report.html" in finished.called.err
    assert "report.html" not in finished.called.out


def test_a_finished_run_asked_for_again_gives_the_same_results(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: without --out the folder is runs/PRESET, and with --json stdout is one object, as in results.json."""
    shutil.copytree(finished.folder, tmp_path / "runs" / "smoke")
    monkeypatch.chdir(tmp_path)
    archives = {
        p: p.stat().st_mtime_ns for p in Path("runs/smoke/models").rglob("*") if p.is_file()
    }
    answers = {p: p.stat().st_mtime_ns for p in Path("runs/smoke/answers").rglob("*.jsonl")}
    called = call("run", *PRESET, "--json")
    assert called.code == 0
    printed = json.loads(called.out)
    assert printed == read_json(tmp_path / "runs" / "smoke" / "results.json", dict)
    assert scores(printed["cells"]) == scores(finished.results["cells"])
    for path, time in {**archives, **answers}.items():
        assert path.stat().st_mtime_ns == time  # nothing is trained or asked twice
    assert printed["run"]["seconds"] >= finished.results["run"]["seconds"]


def test_a_second_process_is_refused(finished: Finished, copied: Path) -> None:
    with RunDir(copied).lock():
        for words in (["run", *PRESET, "--out", copied], ["judge", copied]):
            called = call(*words)
            assert called.code == 1
            assert "another process" in called.error


@pytest.mark.parametrize("preset", preset_names())
def test_dry_run_of_each_preset(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 0 where all is there, 1 with lines that say what to add where it is not; nothing is written."""
    monkeypatch.chdir(tmp_path)
    if preset.startswith("real"):
        # Whatever this machine has fetched.
        monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    ready = preset in ("smoke", "toy")
    called = call("run", preset, "--dry-run")
    assert called.code == (0 if ready else 1), called.err
    missing = [line for line in called.out.splitlines() if line.startswith("missing: ")]
    assert bool(missing) is not ready
    wanted = "mlubench parts fetch" if preset.startswith("real") else "-s benchmark.root=DIR"
    assert ready or any(wanted in line for line in missing)
    assert "trained parameters" in called.out
    assert ("optimiser steps" in called.out) is (ready or preset.startswith("real"))
    assert list(tmp_path.iterdir()) == []


def test_dry_run_as_json(tmp_path: Path) -> None:
    called = call("run", *PRESET, "--dry-run", "--json", "--out", tmp_path / "new")
    assert called.code == 0
    plan = json.loads(called.out)
    assert (plan["preset"], plan["order"], plan["missing"]) == ("smoke", ["A", "B"], [])
    assert plan["steps"] == sum(m["steps"] for m in plan["methods"])
    for method in plan["methods"]:
        memory = method["memory"]
        assert memory["total"] == sum(v for k, v in memory.items() if k != "total")
    missing = call("run", "qwen3-vl-4b", "--dry-run", "--json")
    assert missing.code == 1
    assert {"what", "do"} == set(json.loads(missing.out)["missing"][0])


def test_presets_of_published_models_say_what_to_add(tmp_path: Path) -> None:
    for preset in ("llava-v1.6-7b", "llava-v1.6-13b", "qwen3-vl-4b", "llava-v1.6-7b-published"):
        called = call("run", preset, "--out", tmp_path / "run")
        assert called.code == 2
        assert "-s benchmark.root=DIR" in called.error
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_a_card_is_to_take(tmp_path: Path) -> None:
    options = ("--dry-run", "--card", "rtx4090", "--picture", "96x48", "--utilisation", "0.25")
    called = call("run", *PRESET, *options, "--out", tmp_path / "new")
    assert called.code == 0
    for text in (
        "forecast for one rtx4090: 24 GB, 165 TFLOP/s of dense bfloat16, of which 0.25 is reached",
        "a picture of 96 x 48 (as given) becomes 16 tokens",
        "it fits rtx4090; as it is set it fits l4, a10,",
        "time in all: ",
    ):
        assert text in called.out
    facts = json.loads(call("run", *PRESET, *options, "--json", "--out", tmp_path / "new").out)
    (first, *_) = facts["forecast"]["methods"]
    need = first["training"]
    assert need["total"] > need["weights"] + need["adapters"] + need["batch"]
    assert facts["forecast"]["disk"]["total"] > 0


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--card", "l4"), "--card goes with --dry-run"),
        (("--dry-run", "--picture", "96x48"), "go with --card"),
        (("--dry-run", "--card", "l4", "--picture", "large"), "a size as 640x480, got 'large'"),
        (("--dry-run", "--card", "l5"), "unknown card 'l5'"),
    ],
)
def test_options_of_a_forecast(tmp_path: Path, options: tuple[str, ...], what: str) -> None:
    called = call("run", *PRESET, *options, "--out", tmp_path / "new")
    assert called.code == 2
    assert what in called.err


def test_dry_run_refuses_wrong_settings(tmp_path: Path) -> None:
    called = call("run", "smoke", "--dry-run", "-s", "methods=[gaa]")
    assert called.code == 2
    assert "Did you mean" in called.error


def test_a_gate_without_its_key_ends_the_run_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    called = call("run", *PRESET, "-s", "gate=mllm", "--out", tmp_path / "x")
    assert called.code == 2
    assert "OPENAI_API_KEY is not set" in called.error
    assert not (tmp_path / "x" / "config.yaml").exists()
    dry = call("run", *PRESET, "-s", "gate=mllm", "--out", tmp_path / "x", "--dry-run")
    assert dry.code == 1
    assert "OPENAI_API_KEY is not set" in dry.out
    dry = call(
        "run",
        *PRESET,
        "-s",
        "gate=mllm",
        "-s",
        "methods=[ga]",
        "--out",
        tmp_path / "x",
        "--dry-run",
    )
    assert "OPENAI_API_KEY" not in dry.out


WRONG_STARTS = [
    ("device=cuda:99", 2),
    ("device=toaster", 2),
    ("model.path=no/such-model", 1),
    ("gates.aliases={Animals/Nobody: [x]}", 2),
    ("benchmark.order=[Z]", 2),
]


@pytest.mark.parametrize(("wrong", "code"), WRONG_STARTS)
def test_a_run_that_failed_before_it_began_leaves_its_folder_free(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, code: int
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    called = call("run", *PRESET, "-s", wrong, "--out", tmp_path / "run")
    assert called.code == code
    assert called.err.count("mlubench: error: ") == 1
    assert RunDir(tmp_path / "run").require_free(load("smoke", ["device=cpu"])) is False
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_method_added_to_a_finished_run_goes_on_with_what_is_there(
    finished: Finished, copied: Path
) -> None:
    before = {p: p.read_bytes() for p in copied.glob("answers/*/*.jsonl")}
    methods = ("-s", "methods=[ga, npo, po, lumoe, gd]", "-s", "train.per_method.gd.epochs=1")
    dry = call("run", *PRESET, *methods, "--out", copied, "--dry-run")
    assert dry.code == 0, dry.out
    called = call("run", *PRESET, *methods, "--out", copied)
    assert called.code == 0, called.err
    results = read_json(copied / "results.json", dict)
    assert {p: p.read_bytes() for p in before} == before
    old, new = scores(finished.results["cells"]), scores(results["cells"])
    assert {cell: new[cell] for cell in old} == old
    assert {cell[1] for cell in new.keys() - old.keys()} == {"gd"}
    assert len(new) - len(old) == 6
    # The run is now one of five methods, and the earlier command is told so.
    refused = call("run", *PRESET, "--out", copied)
    assert refused.code == 2
    assert 'methods is ["ga", "npo", "po", "lumoe", "gd"] there' in refused.error


def test_a_run_by_relative_paths_is_used_from_anywhere(
    whole_benchmark: Benchmark,
    base_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A release and a base beside the working directory: reported with its pictures, asked and gone on with elsewhere."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    (tmp_path / "here" / "data").symlink_to(whole_benchmark.image_root)
    (tmp_path / "here" / "base").symlink_to(base_path)
    monkeypatch.chdir(tmp_path / "here")
    settings = ["methods=[lumoe]", "evaluate.limit=4", "train.epochs=1", "benchmark.kind=release"]

    def words(data: str, base: str) -> list[str]:
        places = [f"benchmark.root={data}", f"model.path={base}", "judge=rules"]
        return [w for s in [*settings, *places] for w in ("-s", s)]

    called = call("run", *PRESET, *words("data", "./base"), "--out", "../runs/x")
    assert called.code == 0, called.err
    run = tmp_path / "runs" / "x"
    config = RunDir(run).config()
    assert config.benchmark.root == tmp_path / "here" / "data"
    assert config.model.path == str(tmp_path / "here" / "base")
    facts = read_json(run / "run.json", dict)
    assert (facts["image_root"], facts["model"]) == (str(tmp_path / "here" / "data"), "base")

    monkeypatch.chdir(tmp_path / "there")
    assert call("report", "../runs/x").code == 0
    page = (run / "report.html").read_text()
    assert "pictures could not be shown" not in page
    assert page.count("data:image/") > 2
    sample = whole_benchmark.task("A").forget[0]
    asked = call("ask", "../runs/x", "--image", whole_benchmark.picture(sample), "What is it?")
    assert asked.code == 0, asked.err
    (run / "answers" / "lumoe" / "A-UB.jsonl").unlink()
    again = call("run", *PRESET, *words("../here/data", "../here/base"), "--out", "../runs/x")
    assert again.code == 0, again.err
    assert (run / "answers" / "lumoe" / "A-UB.jsonl").is_file()
    # Elsewhere the same words name another place, which is named.
    other = call("run", *PRESET, *words("data", "../here/base"), "--out", "../runs/x")
    assert other.code == 2
