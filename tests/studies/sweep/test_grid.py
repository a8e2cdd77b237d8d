"""A sweep's file, the runs that it stands for, their names, and their states."""

from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.runs.folder import RunDir
from mlubench.settings.loading import dump, load
from mlubench.studies.sweep.grid import ERROR, expand, is_finished, read_sweep, state_of
from support.paths import EXAMPLES
from support.sweeps import finish, runs_of

EXAMPLE = EXAMPLES / "sweep.yaml"


def wrong(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_sweep(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_stands_for_twelve_runs() -> None:
    sweep = read_sweep(EXAMPLE)
    runs = expand(sweep, Path("out"))
    assert (len(runs), sweep.parallel, sweep.slurm["partition"]) == (12, 2, "gpu")
    assert len({run.name for run in runs}) == 12
    assert {run.config.evaluate.limit for run in runs} == {20}
    assert runs[0].name.startswith("methods-npo_order-A+B_seed-0_")


def test_the_grid_is_a_product_in_its_order() -> None:
    runs = runs_of({"seed": [0, 1], "train.images": ["seen", "blind"]})
    assert [(r.config.seed, r.config.train.images) for r in runs] == [
        (0, "seen"),
        (0, "blind"),
        (1, "seen"),
        (1, "blind"),
    ]
    assert runs[1].settings == {"seed": 0, "train.images": "blind"}
    assert [r.settings for r in runs_of({})] == [{}]


@pytest.mark.parametrize(
    "settings",
    [
        ["train.lr=1.0e-05", "model.toy.width=64", "methods=[npo]"],
        {"train": {"lr": 1e-5}, "model.toy": {"width": 64}, "methods": ["npo"]},
    ],
    ids=["list", "mapping"],
)
def test_settings_hold_for_every_run(settings: list | dict) -> None:
    for run in runs_of({"seed": [0, 1]}, settings=settings):
        assert (run.config.train.lr, run.config.model.toy.width, run.config.methods) == (
            1e-5,
            64,
            ["npo"],
        )
        assert run.config.model.toy.vision_width == 64  # of the preset, beside the width


def test_values_of_every_kind_reach_the_configuration() -> None:
    grid = {
        "train.lr": [1e-05],
        "device": ["null", "cpu"],
        "benchmark.order": [None, ["B", "A"]],
        "train.per_method": [{"lumoe": {"lr": 0.5}}],
        "model.path": ["models/a: b #c"],
    }
    runs = runs_of(grid)
    assert [(r.config.device, r.config.benchmark.order) for r in runs[1:3]] == [
        ("null", ["B", "A"]),
        ("cpu", None),
    ]
    assert {r.config.train.lr for r in runs} == {1e-05}
    assert {r.config.model.path for r in runs} == {"models/a: b #c"}
    assert runs[0].config.train.for_method("lumoe").lr == 0.5
    for run in runs:
        assert set(run.name) & set("/: #[]{}") == set()


def test_a_name_is_stable_and_the_hash_is_of_what_the_run_depends_on() -> None:
    first = runs_of({"seed": [0, 1]})[1]
    assert first.name == runs_of({"seed": [1, 2]})[0].name
    assert (
        first.name == runs_of({"seed": [1]}, settings=["train.images=seen"], parallel=3)[0].name
    )  # the default
    assert first.name != runs_of({"seed": [1]}, settings=["train.images=blind"])[0].name
    tails = [run.name.rpartition("_")[2] for run in runs_of({"seed": [1], "device": ["auto"]})]
    assert tails == [first.name.rpartition("_")[2]]


def test_labels_are_as_short_as_they_can_be() -> None:
    (run,) = runs_of(
        {"seed": [0], "benchmark.seed": [3], "model.toy.seed": [4], "train.lora.r": [8]}
    )
    assert run.name.startswith("seed-0_benchmark.seed-3_toy.seed-4_r-8_")


def test_long_values_are_cut_but_tell_apart() -> None:
    names = [run.name for run in runs_of({"model.path": ["x" * 300 + "a", "x" * 300 + "b"]})]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 120


def test_a_key_added_to_the_grid_finds_the_runs_that_are_there(tmp_path: Path) -> None:
    (old,) = runs_of({"seed": [1]}, tmp_path)
    finish(old)
    new = runs_of({"seed": [1], "train.images": ["seen", "blind"]}, tmp_path)
    assert [is_finished(run) for run in new] == [True, False]
    assert new[0].folder == old.folder


def test_two_combinations_of_one_run_are_refused() -> None:
    with pytest.raises(UsageError, match="are the same run"):
        runs_of({"seed": [1, "1"]})


def test_every_error_at_once(tmp_path: Path) -> None:
    said = wrong(
        tmp_path,
        "preset: smoke\nparalel: 2\nparallel: 0\nsettings: {device: cpu}\n"
        "grid: {train.lr: [-1, 1], seed: [0, many], methods: [[lumo], [ga]], gate: [oracle]}",
    )
    for part in ("paralel", "got 0", "train.lr", "got -1", "got 'many'", "Did you mean 'lumoe'?"):
        assert said.count(part) == 1, part


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid: {seed: 3}", "grid.seed"),
        ("grid: {seed: []}", "seed has no values"),
        ("grid: {seed: [1, 1]}", "seed has a value twice"),
        ("grid: {sed: [1]}", "sed: "),
        ("grid: {preset.x: [1]}", "not a group"),
        ("settings: [seed=1]\ngrid: {seed: [1]}", "in settings and in grid: seed"),
        ("settings: [seed]", "key.path=value"),
        ("preset: smok", "Did you mean 'smoke'?"),
        ("preset: absent.yaml", "absent.yaml does not exist"),
        ("- 1", "not settings"),
        ("grid: [", "is not YAML"),
        ("1: 2", "string"),
    ],
)
def test_a_bad_file_says_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    assert said in wrong(tmp_path, text)


def test_an_absent_file() -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml does not exist"):
        read_sweep(Path("absent.yaml"))


def test_a_preset_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seed: 5\n")
    (tmp_path / "sweep.yaml").write_text("preset: mine.yaml\n")
    (run,) = expand(read_sweep(tmp_path / "sweep.yaml"), tmp_path)
    assert run.config == load(str(tmp_path / "mine.yaml"))


def test_states(tmp_path: Path) -> None:
    (run,) = runs_of({"seed": [1]}, tmp_path)
    logs = tmp_path / "logs"
    assert state_of(run, logs) == "not started"
    with RunDir(run.folder).lock():
        assert state_of(run, logs) == "running"
    assert state_of(run, logs) == "interrupted"
    for start in ("2", "10"):
        (logs / run.name / start).mkdir(parents=True)
    (logs / run.name / "2" / ERROR).write_text("an earlier failure\n")
    assert state_of(run, logs) == "interrupted"
    (logs / run.name / "10" / ERROR).write_text("why\n")
    assert state_of(run, logs) == "failed"
    finish(run)
    assert state_of(run, logs) == "finished"
    (run.folder / "results.json").unlink()  # written last
    assert state_of(run, logs) == "failed"


def test_a_finished_run_of_other_settings_is_not_taken(tmp_path: Path) -> None:
    (run,) = runs_of({"seed": [1]}, tmp_path)
    finish(run)
    (run.folder / "config.yaml").write_text(dump(load("smoke", ["seed=2"])))
    with pytest.raises(UsageError, match="other settings"):
        is_finished(run)
