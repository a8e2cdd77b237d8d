"""A run held against its own base in the place of an oracle: then the base is at no distance, and LUMoE is at some."""

from pathlib import Path
from shutil import copytree

import pytest

from mlubench.audits.oracle import run as oracle_run
from mlubench.runs.oracles import DistanceRow, OracleReport, read_oracle
from support.runs import Called, Finished, call


@pytest.fixture(scope="module")
def folder(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copytree(finished.folder, tmp_path_factory.mktemp("oracle") / "run")


@pytest.fixture(scope="module")
def called(folder: Path, base_path: Path) -> Called:
    """Training oracles takes minutes; that they are trained rightly is tested apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle_run, "oracle_base", lambda *given, **options: base_path)
        return call("audit", folder, "--oracle", "--systems", "lumoe,gate-only", "--facts", "4")


@pytest.fixture(scope="module")
def report(folder: Path, called: Called) -> OracleReport:
    assert called.code == 0, called.err
    found = read_oracle(folder / "oracle.json")
    assert found is not None
    return found


def row(report: OracleReport, system: str, about: str, after: str = "B") -> DistanceRow:
    (found,) = [
        row
        for row in report.distances
        if (row.system, row.after, row.about) == (system, after, about)
    ]
    return found


def test_a_model_is_at_no_distance_from_itself(report: OracleReport) -> None:
    for system in ("base", report.floor):
        for about in ("forgotten", "kept", "stranger"):
            itself = row(report, system, about)
            assert itself.same_text == itself.same_kind == 1
            assert itself.kl == pytest.approx(0, abs=1e-5)


def test_a_gate_is_far_where_it_refuses_and_near_elsewhere(report: OracleReport) -> None:
    assert row(report, "lumoe", "forgotten").same_kind < 0.5
    assert (row(report, "lumoe", "forgotten").kl or 0) > 1
    assert row(report, "lumoe", "kept").same_text == 1
    # A fixed sentence has no probabilities to compare.
    alone = row(report, "gate-only", "forgotten")
    assert (alone.refusals, alone.kl, alone.kl_n) == (1, None, 0)


def test_every_step_and_metric_is_there(report: OracleReport) -> None:
    assert {(row.system, row.after) for row in report.metrics} == {
        (system, after) for system in ("base", "lumoe", "gate-only") for after in "AB"
    }
    assert len({row.metric for row in report.correlations}) == 9


def test_it_is_drawn(folder: Path, called: Called) -> None:
    assert "Beside exact unlearning" in called.out
    assert 'id="oracle"' in (folder / "report.html").read_text()


def test_a_second_oracle_may_be_left_out(
    finished: Finished, base_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copytree(finished.folder, tmp_path / "run")
    taught: list[dict[str, object]] = []

    def noted(*given: object, **options: object) -> Path:
        taught.append(options)
        return base_path

    monkeypatch.setattr(oracle_run, "oracle_base", noted)
    said = call("audit", folder, "--oracle", "--no-floor", "--systems", "lumoe", "--facts", "2")
    assert said.code == 0, said.err
    found = read_oracle(folder / "oracle.json")
    assert found is not None
    assert (found.floor, {row.system for row in found.distances}) == ("", {"base", "lumoe"})
    assert taught == [{}, {}]
    assert call("audit", folder, "--no-floor").code == 2
