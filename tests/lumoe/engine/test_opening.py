"""An engine opens from a run or a plain folder of experts, and says what it lacks where it cannot."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.lumoe import engine
from mlubench.lumoe.engine.opening import engine_source
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.oracle import OracleGate
from mlubench.models.mllm import MLLM
from support.asking import picture, row_of
from support.runs import Finished, call


@pytest.fixture
def folder(finished: Finished, tmp_path: Path) -> Path:
    """The experts of the finished run, on their own."""
    return copytree(finished.folder / "models" / "lumoe", tmp_path / "experts")


def test_a_plain_folder_answers_as_its_run(
    finished: Finished, folder: Path, load_base: Callable[[], MLLM], base_path: Path
) -> None:
    of_run = engine.open(finished.folder)
    of_folder = engine.open(folder, load_base())
    # The base's folder lies in the cache, and its name alone is enough.
    by_name = engine.open(str(folder))
    for split in ("forget", "retain"):
        experts = ("A",) if split == "forget" else ()
        row = row_of(finished, "A", split, *experts)
        for lumoe in (of_run, of_folder, by_name):
            answer = lumoe.answer(row.question, picture(finished, row))
            assert answer.route is not None
            assert (answer.route.experts, answer.text) == (experts, row.response)
    called = call(
        "ask", folder, "--base-model", base_path, "--image", picture(finished, row), row.question
    )
    assert (called.code, called.out) == (0, row.response + "\n")


def test_a_run_and_its_folder_of_experts_look_twice(
    finished: Finished, folder: Path, mllm: MLLM
) -> None:
    of_run = engine.open(finished.folder)
    of_folder = engine.open(folder, mllm)
    assert of_run.forgotten is not None and of_folder.forgotten is not None
    assert of_run.forgotten.saved == of_folder.forgotten.saved
    assert len(of_run.forgotten.facts) > 10
    assert (of_run.second_look, of_folder.second_look) == ("band", "band")
    assert read_json(folder / "B" / "manifest.json", dict)["second_look"] == "band"


def test_experts_of_an_older_version_are_opened_without_a_second_look(
    finished: Finished, folder: Path, mllm: MLLM
) -> None:
    for name in ("A", "B"):
        manifest = read_json(folder / name / "manifest.json", dict)
        del manifest["second_look"], manifest["files"]["second_look.json"]
        (folder / name / "second_look.json").unlink()
        write_json(folder / name / "manifest.json", manifest)
    older = engine.open(folder, mllm)
    assert older.forgotten is None
    row = row_of(finished, "A", "forget", "A")
    answer = older.answer(row.question, picture(finished, row))
    assert (answer.text, answer.second_look) == (row.response, None)


def test_the_settings_of_a_run_hold_unless_others_are_given(finished: Finished) -> None:
    source = engine_source(finished.folder)
    assert (source.tasks, source.gate, source.version) == (("A", "B"), "hybrid", 1)
    lumoe = engine.open(source, on_error="base", weights={"A": 0.5}, resident=1)
    assert (lumoe.on_error, lumoe.weights, lumoe.experts.limit) == ("base", {"A": 0.5}, 1)
    assert engine.open(source).on_error == "refuse"


def test_what_is_not_there_is_named(folder: Path, tmp_path: Path, mllm: MLLM) -> None:
    with pytest.raises(UsageError, match="holds no experts"):
        engine.open(tmp_path / "absent", mllm)
    for name in ("A", "B"):
        manifest = folder / name / "manifest.json"
        write_json(manifest, {**read_json(manifest, dict), "gate": None, "base": "moved"})
    with pytest.raises(UsageError, match="has a gate beside it"):
        engine.open(folder, mllm)
    with pytest.raises(UsageError, match=r"where the base of the experts .* is not known"):
        engine.open(folder, gate=OracleGate())


def test_an_expert_that_the_gate_names_has_to_be_there(folder: Path, mllm: MLLM) -> None:
    rmtree(folder / "A")
    with pytest.raises(MlubenchError, match=r"names expert 'A', which .* has not") as error:
        engine.open(folder, mllm)
    assert "experts import" in error.value.hint


def test_an_expert_that_the_gate_never_names_is_an_error(folder: Path, mllm: MLLM) -> None:
    """Its queries would reach the base, which still knows what the expert suppresses."""
    copytree(folder / "A", folder / "C")
    manifest = folder / "C" / "manifest.json"
    write_json(manifest, {**read_json(manifest, dict), "tasks": ["C"]})
    with pytest.raises(MlubenchError, match="does not know expert 'C'"):
        engine.open(ExpertStore(folder), mllm)


def test_a_gate_of_ones_own_takes_the_place_of_the_saved_one(folder: Path, mllm: MLLM) -> None:
    gate = OracleGate()
    lumoe = engine.open(folder, mllm, gate=gate)
    assert lumoe.gate is gate
    assert lumoe.expert_for == {"A": "A", "B": "B"}
