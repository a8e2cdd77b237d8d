"""A whole run shared by two processes comes to what one process comes to, also where they hold the base in shards."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mlubench.core.reading import read_json
from mlubench.types import Benchmark
from support.processes import accelerate_launch, torchrun
from support.runs import PRESET, call

# Batches of 3 leave one process with fewer items than the other, and at times with none; so do chunks of 4 answers.
SMALL = (*PRESET, "-s", "methods=[kl, lumoe]", "-s", "train.batch=3", "-s", "train.epochs=1", "-s", "evaluate.limit=5",
         "-s", "evaluate.batch=4", "-s", "know.enabled=false", "-s", "benchmark.order=[A, B]",
         "-s", "evaluate.probability=true")  # fmt: skip
STATES = [(method, task) for method in ("kl", "lumoe") for task in "AB"]


def same_cells(one: Path, two: Path) -> None:
    """To the digit, but for probabilities, which show the rounding of sums in another order."""
    found = [read_json(run / "results.json", dict)["cells"] for run in (one, two)]
    chances = [[cell.pop("truth_probability") for cell in cells] for cells in found]
    assert found[0] == found[1]
    assert chances[0] == pytest.approx(chances[1], abs=1e-3)
    # A cell has none where the second look refused every draft.
    measured = [chance for chance in chances[0] if chance is not None]
    assert len(measured) > len(chances[0]) / 2
    assert all(0 < chance < 1 for chance in measured)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, base_path: Path) -> Path:
    """The run of one process."""
    out = tmp_path_factory.mktemp("processes") / "one"
    assert call("run", *SMALL, "--out", out).code == 0
    return out


@pytest.fixture(scope="module", params=["shared", "sharded"])
def together(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base_path: Path
) -> Path:
    """The run of two processes."""
    folder = tmp_path_factory.mktemp("processes")
    words = ("-m", "mlubench", "run", *SMALL, "--out", folder / "two")
    done = torchrun(*words) if request.param == "shared" else accelerate_launch(folder, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Forget quality (") == 1, "only one process speaks"
    facts = read_json(folder / "two" / "run.json", dict)
    assert (facts["processes"], facts["sharded"]) == (2, request.param == "sharded")
    return folder / "two"


def test_losses_are_those_of_one_process(alone: Path, together: Path) -> None:
    for method, task in STATES:
        one, two = (
            read_json(r / "models" / method / task / "manifest.json", dict)["train"]
            for r in (alone, together)
        )
        assert one["steps"] == two["steps"]
        for name in ("first_loss", "last_loss"):
            assert two[name] == pytest.approx(one[name], rel=1e-4)


def test_adapters_are_those_of_one_process(alone: Path, together: Path) -> None:
    for method, task in STATES:
        file = Path("models", method, task, "adapter_model.safetensors")
        one, two = load_file(alone / file), load_file(together / file)
        assert one.keys() == two.keys()
        apart = sum((one[k] - two[k]).square().sum() for k in one) / sum(
            x.square().sum() for x in one.values()
        )
        assert apart < 1e-6  # AdamW blows up the rounding of gradients that are next to nothing


def test_answers_and_scores_are_those_of_one_process(
    alone: Path, together: Path, benchmark: Benchmark
) -> None:
    """The answers of LUMoE's first expert come from adapters mounted again from their files."""
    files = sorted(f.relative_to(alone) for f in (alone / "answers").rglob("*.jsonl"))
    assert files == sorted(f.relative_to(together) for f in (together / "answers").rglob("*.jsonl"))
    for file in files:
        one, two = (
            [json.loads(line) for line in (r / file).read_text().splitlines()]
            for r in (alone, together)
        )
        assert [row["response"] for row in one] == [row["response"] for row in two]
    same_cells(alone, together)
    assert not list(together.rglob("*.part"))


def test_one_process_goes_on_with_what_two_have_begun(alone: Path, together: Path) -> None:
    """A killed run, as far as its files tell: the last cell half answered, and no result yet."""
    cell = together / "answers" / "lumoe" / "B-UB.jsonl"
    whole = cell.read_text()
    cell.with_name(cell.name + ".part").write_text(whole[: len(whole) // 2])
    for gone in (
        cell,
        together / "results.json",
        *(together / "verdicts").rglob("lumoe/B-UB.jsonl"),
    ):
        gone.unlink()
    assert call("run", *SMALL, "--out", together).code == 0
    same_cells(alone, together)


def test_a_mistake_is_told_and_ends_all(tmp_path: Path) -> None:
    done = torchrun(
        "-m", "mlubench", "run", *PRESET, "-s", "benchmark.order=[Z]", "--out", tmp_path / "out"
    )
    assert done.returncode != 0
    assert "unknown task in benchmark.order 'Z'" in done.stderr
