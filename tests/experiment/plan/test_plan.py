"""The plan says beforehand what a real run then does, and what is missing; nothing is written anywhere."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mlubench.cli.plan import lines
from mlubench.core.errors import UsageError
from mlubench.core.reading import read_json
from mlubench.data.check import check
from mlubench.experiment.plan.parts import Plan
from mlubench.experiment.plan.plan import plan_run
from mlubench.experiment.prepare import open_benchmark
from mlubench.models.devices import pick_device
from mlubench.settings.loading import load
from mlubench.types import Benchmark
from support.damaged_models import LFS_POINTER, with_file, without
from support.runs import PRESET, Finished

SMOKE = list(PRESET[2:])


def planned(out: Path, *overrides: str, preset: str = "smoke") -> Plan:
    return plan_run(
        load(preset, [*(SMOKE if preset == "smoke" else []), *overrides], draft=True), out
    )


@pytest.fixture(scope="module")
def beside(finished: Finished) -> Plan:
    """The plan of the finished run, in its own folder, where know.json says what the base knows."""
    return plan_run(load("smoke", SMOKE), finished.folder)


def test_training_is_as_the_manifests_say(finished: Finished, beside: Plan) -> None:
    assert beside.exact_samples
    for method in beside.methods:
        assert method.tasks
        assert method.trained
        for task in method.tasks:
            manifest = read_json(
                finished.folder / "models" / method.name / task.name / "manifest.json", dict
            )
            facts = manifest["train"]
            assert (task.steps, task.forget) == (facts["steps"], facts["samples"])
            assert method.trained_parameters == facts["trained_parameters"]
            assert {k: v for part in method.trained.values() for k, v in part.items()} == facts[
                "trained"
            ]
            assert manifest["loss"] == method.loss
            assert manifest["settings"] == method.settings
            assert task.archived


def test_a_training_whose_only_step_has_no_rate_is_said(tmp_path: Path) -> None:
    one_step = ("methods=[ga, lumoe]", "train.batch=2048", "train.epochs=1")
    plan = planned(tmp_path, *one_step, "train.warmup_ratio=0.9")
    said = [missing.what for missing in plan.missing]
    assert len(said) == 4  # two methods, two tasks
    assert said[0] == "ga has one step on task A, and train.warmup_ratio=0.9 gives it a rate of 0"
    assert not planned(tmp_path, *one_step, "train.warmup_ratio=0.4").missing
    two_steps = planned(tmp_path, "train.epochs=1", "train.warmup_ratio=0.9")
    assert not two_steps.missing


def test_further_trainings_of_an_expert_are_said(tmp_path: Path) -> None:
    plan = planned(tmp_path, "methods=[po, lumoe]", "lumoe.retries=2")
    po, lumoe = plan.methods
    assert (po.retries, lumoe.retries) == (0, 2)
    said = [line for line in lines(plan, ()) if "lumoe.retries" in line]
    assert len(said) == 1
    assert lumoe.steps is not None
    assert f"at most {3 * lumoe.steps:,} steps" in said[0]
    once = planned(tmp_path, "methods=[lumoe]")
    assert not any("lumoe.retries" in line for line in lines(once, ()))
    # A method that does not teach to refuse is trained once.
    by_ga = planned(tmp_path, "methods=[lumoe]", "lumoe.retries=2", "lumoe.expert=ga")
    assert by_ga.methods[0].retries == 0


def test_answers_are_as_many_as_were_given(finished: Finished, beside: Plan) -> None:
    assert beside.asked
    know, base, *learners = beside.asked
    given = {
        f.name: [
            len(p.read_text().splitlines())
            for p in f.glob("*-U*.jsonl")
            if not p.name.startswith("know")
        ]
        for f in (finished.folder / "answers").iterdir()
    }
    for row in (base, *learners):
        assert (row.cells, row.questions) == (len(given[row.who]), sum(given[row.who]))
    # The gate alone asks nobody.
    assert {row.who for row in (base, *learners)} == set(given) - {"gate-only"}
    # What the base is asked to find out what it knows is asked of all facts; the rest only of those that it knows.
    asked = len((finished.folder / "answers/base/know-U0.jsonl").read_text().splitlines())
    fresh = plan_run(load("smoke", SMOKE), finished.folder.with_name("none")).asked
    assert fresh
    assert fresh[0].questions == asked >= know.questions


def test_files_are_those_that_a_run_writes(finished: Finished, beside: Plan) -> None:
    files = {
        p.relative_to(finished.folder).as_posix() for p in finished.folder.rglob("*") if p.is_file()
    } - {".lock"}
    single = {f for f in beside.files if not f.endswith("/")}
    folders = tuple(f for f in beside.files if f.endswith("/"))
    assert {f for f in files if not f.startswith(folders)} == single
    assert all((finished.folder / f).is_dir() for f in folders)


def test_a_reference_that_asks_nobody_has_files_and_no_questions(tmp_path: Path) -> None:
    plan = planned(tmp_path, "methods=[ga]", "references=[gate-only, training-free]")
    assert "answers/training-free/A-UB.jsonl" in plan.files
    assert "references/training-free.json" in plan.files
    # Without LUMoE there is no gate to be alone.
    assert not [file for file in plan.files if "gate-only" in file]
    assert plan.asked
    assert "training-free" not in {row.who for row in plan.asked}


def test_archives_take_what_was_planned(finished: Finished, beside: Plan) -> None:
    for method in beside.methods:
        files = (finished.folder / "models" / method.name).rglob("*.safetensors")
        taken = sum(p.stat().st_size for p in files)
        assert method.archive_bytes
        # Headers, and how the gate's strangers score.
        assert method.archive_bytes <= taken < 1.1 * method.archive_bytes


def test_nothing_is_written_and_nothing_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    plan = planned(Path("out"))
    assert plan.missing == []
    assert plan.samples
    assert not plan.exact_samples
    assert list(tmp_path.iterdir()) == []
    # The same world as the one that is drawn.
    monkeypatch.undo()
    assert replace(planned(Path("out")), out=plan.out) == plan


def test_memory_adds_up() -> None:
    plan = planned(Path("none"), "methods=[ga, lumoe]", "train.per_method={ga: {scope: all}}")
    ga, lumoe = plan.methods
    assert ga.memory
    assert lumoe.memory
    assert plan.model
    assert lumoe.trained_parameters
    size = 4 * lumoe.trained_parameters
    assert lumoe.memory.adapter == 4 * size
    assert lumoe.memory.experts == size  # of task A, while B is learned
    assert lumoe.memory.features == 512 * 2**20
    assert ga.memory.features == 0  # its adapter changes what pictures pass through
    assert ga.memory.base == plan.model.bytes == 4 * plan.model.parameters
    assert ga.memory.total == ga.memory.base + ga.memory.adapter


def test_retain_samples_count_where_they_are_used() -> None:
    ga, gd = planned(Path("none"), "methods=[ga, gd]").methods
    assert all(t.retain == 0 for t in ga.tasks or [])
    assert all(t.retain > 0 for t in gd.tasks or [])


@pytest.mark.parametrize("preset", ["llava-v1.6-7b", "qwen3-vl-4b"])
def test_without_annotations_and_weights_the_rest_is_said(tmp_path: Path, preset: str) -> None:
    plan = planned(tmp_path / "out", preset=preset)
    what = " ".join(f"{m.what}. {m.do}" for m in plan.missing)
    for word in ("-s benchmark.root=DIR", "-s model.path=FOLDER"):
        assert word in what
    assert (plan.samples, plan.asked, plan.steps) == (None, None, None)
    assert plan.model
    assert all(
        m.trained_parameters and m.memory and m.archive_bytes and m.tasks is None
        for m in plan.methods
    )
    npo, lumoe = (next(m for m in plan.methods if m.name == n) for n in ("npo", "lumoe"))
    assert npo.settings["options"] == {"beta": 5}
    assert npo.settings["part_lr"] == {"vision": 2e-6, "projector": 1e-5, "language": 5e-5}
    assert lumoe.memory
    assert lumoe.memory.experts == 3 * lumoe.memory.adapter // 4
    assert not (tmp_path / "out").exists()


def test_missing_pictures_are_counted(whole_benchmark: Benchmark, tmp_path: Path) -> None:
    root = tmp_path / "release"
    shutil.copytree(whole_benchmark.image_root / "Tasks", root / "Tasks")
    release = ("benchmark.kind=release", f"benchmark.root={root}", "benchmark.order=null")
    paths = {s.image for s in whole_benchmark.samples}
    (none,) = planned(tmp_path / "out", *release).missing
    assert f"{len(paths):,} pictures are not under" in none.what
    assert "-s benchmark.images=DIR" in none.do
    (nowhere,) = planned(tmp_path / "out", *release, f"benchmark.images={tmp_path / 'no'}").missing
    assert "does not exist" in nowhere.what
    there = root / min(paths)
    there.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(there)
    (fewer,) = planned(tmp_path / "out", *release).missing
    assert f"{len(paths) - 1:,} pictures are not under" in fewer.what
    # The others are there, and four of them are not what a run can use: the run would say the same.
    for path in paths - {min(paths)}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole_benchmark.image_root / path, root / path)
    assert planned(tmp_path / "out", *release).missing == []
    html, strip, huge, empty = sorted(paths)[:4]
    (root / html).write_text("<!DOCTYPE html><html>")
    Image.new("RGB", (4000, 10)).save(root / strip)
    Image.new("1", (10_000, 6_000)).save(root / huge, "PNG")
    (root / empty).write_bytes(b"")
    (odd,) = planned(tmp_path / "out", *release).missing
    assert odd.what == f"4 pictures under {root} cannot be used (first: {html} is an HTML page)"
    with pytest.raises(UsageError) as error:
        open_benchmark(load("smoke", [f"benchmark.images={root}", *release]))
    assert error.value.what == odd.what
    found = [finding for finding in check(root) if finding.kind == "unreadable"]
    assert sorted(finding.message.split("' ")[1] for finding in found) == [
        "has 10000 x 6000 pixels, more than 50,000,000",
        "has 4000 x 10 pixels, a strip thinner than 1 to 200",
        "is an HTML page",
        "is empty",
    ]
    assert planned(tmp_path / "out", *release, "benchmark.draw=true").missing == []
    (wrong,) = planned(tmp_path / "out", *release, f"benchmark.root={tmp_path / 'no'}").missing
    assert "-s benchmark.root=DIR" in wrong.do


def test_a_model_that_is_not_whole_or_not_known(tmp_path: Path, base_path: Path) -> None:
    (lack,) = planned(tmp_path / "out", f"model.path={tmp_path}").missing
    assert "holds no config.json" in lack.what
    shutil.copy(base_path / "config.json", tmp_path)
    plan = planned(tmp_path / "out", f"model.path={tmp_path}")
    assert "lacks 1 file(s) of weights" in plan.missing[0].what
    assert plan.model
    assert plan.model.source == "its config.json"
    unknown = planned(tmp_path / "out", "model.path=nobody/has-this-model")
    assert unknown.model is None
    assert unknown.steps
    assert all(m.trained is None and m.memory is None for m in unknown.methods)


def test_a_model_is_examined_before_anything_is_claimed(base_path: Path, tmp_path: Path) -> None:
    """What is wrong with weights and with the template is said at once, as the load would say it."""

    def missing(folder: Path) -> list[str]:
        return [wrong.what for wrong in planned(tmp_path / "out", f"model.path={folder}").missing]

    assert missing(base_path) == []
    hole = without(base_path, tmp_path / "hole", "vision_tower")
    (hole / "chat_template.jinja").write_text("{{ raise_exception('no images') }}")
    weights, template = missing(hole)
    assert "lacks 39 of its 73 tensors" in weights
    assert "fails at a question about a picture: no images" in template
    pointer = with_file(base_path, tmp_path / "pointer", "model.safetensors", LFS_POINTER)
    assert "is a Git LFS pointer" in missing(pointer)[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99", "cpu:no"])
def test_a_device_that_is_not_there_is_missing(tmp_path: Path, device: str) -> None:
    (wrong,) = planned(tmp_path / "out", f"device={device}").missing
    assert wrong.what == f"device '{device}' is not here"
    with pytest.raises(UsageError, match="is not here"):
        pick_device(device)


def test_a_folder_that_is_taken_is_missing_too(finished: Finished) -> None:
    (taken,) = planned(finished.folder, "seed=7").missing
    assert "other settings" in taken.what


@pytest.mark.parametrize("override", ["benchmark.order=[A, Z]", "train.options={beta: 1}"])
def test_settings_that_would_stop_a_run_are_errors(tmp_path: Path, override: str) -> None:
    with pytest.raises(UsageError):
        planned(tmp_path / "out", override)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        (["judge=openai:gpt-4o-2024-08-06"], None, "OPENAI_API_KEY is not set"),
        (
            ["judge=openai:nobody-knows-1", "judging.max_cost=1"],
            "secret",
            "the price of 'nobody-knows-1' is not known",
        ),
        (["judge=openai:gpt-4o-2024-08-06", "judging.template=no.yaml"], "secret", "no.yaml"),
        (["judge=local:no/such/folder"], None, "holds no model"),
        (["gates.also=[mllm]"], None, "OPENAI_API_KEY is not set"),
        (["gates.also=[mllm]", "gates.mllm.template=no.yaml"], "secret", "no.yaml"),
    ],
)
def test_what_a_judge_or_a_gate_beside_lacks_is_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: list[str],
    key: str | None,
    message: str,
) -> None:
    """Nobody is asked: the address leads nowhere. And no cache of replies is made."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    (missing,) = planned(tmp_path / "out", *settings).missing
    assert message in missing.what
    assert missing.do


def test_a_judge_that_has_its_key_lacks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    settings = ("judge=openai:gpt-4o-2024-08-06", "judging.max_cost=1")
    assert planned(tmp_path / "out", *settings).missing == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("gates.aliases={Animals/Nobody: [x]}", "entity in gates.aliases"),
        ("lumoe.weights.Z=0.5", "task in lumoe.weights"),
        ("benchmark.order=[Z]", "task in benchmark.order"),
    ],
)
def test_names_that_do_not_exist_are_refused_as_by_the_run(
    tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(UsageError, match=f"unknown {message}"):
        planned(tmp_path / "out", setting)


def test_what_stands_in_the_folder_is_named(finished: Finished) -> None:
    (missing,) = planned(finished.folder, "seed=7").missing
    assert "seed is 0 there and 7 here" in missing.what


@pytest.mark.parametrize(
    ("pictures", "settings", "missing"),
    [
        (6, [], []),
        (3, [], []),
        (2, [], ["forget"]),
        (2, ["know.enabled=false"], []),
        (1, ["know.enabled=false"], ["forget"]),
        # What trains is tested, but the base is asked beforehand on other pictures.
        (1, ["know.enabled=false", "benchmark.protocol=published"], []),
        (1, ["benchmark.protocol=published"], ["forget"]),
    ],
)
def test_a_split_without_a_picture_to_test_on_is_named(
    whole_benchmark: Benchmark, tmp_path: Path, pictures: int, settings: list[str], missing: list
) -> None:
    """As the run would stop at it, after its base was loaded and asked."""
    from mlubench.data import release

    def row(name: str, number: int) -> dict[str, str]:
        image = f"downloaded_images/Animals/{name}/{number}.jpg"
        return {"image": image, "question": "What is it?", "answer": name}

    splits = {
        "forget": [row("Dog", number) for number in range(pictures)],
        "retain": [row("Cat", number) for number in range(6)],
    }
    release.write({"A": splits}, tmp_path / "data")
    words = [
        "benchmark.kind=release",
        f"benchmark.root={tmp_path / 'data'}",
        "benchmark.order=null",
    ]
    plan = planned(tmp_path / "out", *words, "benchmark.draw=true", *settings)
    named = [f"no fact of task A's {split} set has a picture to test on" for split in missing]
    assert [m.what for m in plan.missing] == named
