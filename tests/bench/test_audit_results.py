"""The tables of an audit as Markdown: one line an attack and a way, with every system's figure in its column."""

from pathlib import Path
from shutil import copytree

import pytest

import audit_results
from mlubench.core.errors import MlubenchError
from mlubench.runs.audits import AttackFacts, AttackRow, Audit, WayRow
from mlubench.runs.opening import open_run
from mlubench.runs.oracles import OracleReport
from support.runs import Finished


def made_up() -> Audit:
    ways = []
    summary = []
    for system, rate in (("base", 1.0), ("lumoe", 0.25)):
        missed = None if system == "base" else 0.5
        ways.append(
            WayRow(
                system=system,
                attack="plain",
                way="as it stands",
                harm="leak",
                rate=rate,
                n=4,
                facts=4,
                missed=missed,
            )
        )
        summary.append(
            AttackRow(
                system=system,
                attack="plain",
                harm="leak",
                average=rate,
                worst_way="as it stands",
                worst=rate,
                any_way=rate,
            )
        )
    facts = AttackFacts(attack="plain", meaning="", access="asking", harm="leak")
    return Audit(systems=["base", "lumoe"], attacks=[facts], summary=summary, ways=ways)


def test_a_way_has_a_figure_in_every_systems_column() -> None:
    assert list(audit_results.way_lines(made_up())) == [
        ["plain: as it stands", "1.00", "0.25", "0.50"]
    ]


def test_tables_of_a_run_hold_the_difference_to_the_gate_alone(finished: Finished) -> None:
    lines = audit_results.tables(open_run(Path(finished.folder)), made_up(), None)
    assert "| Attack | Counts | Base | LUMoE |" in lines
    assert "| plain | leak | 1.00 (1.00) | 0.25 (0.25) |" in lines
    assert sum("LUMoE − Gate only" in line for line in lines) == 2


def test_several_runs_are_ranked_together(finished: Finished, tmp_path: Path) -> None:
    folders = [copytree(finished.folder, tmp_path / name) for name in ("one", "two")]
    with pytest.raises(MlubenchError, match="was not held against its oracle"):
        audit_results.over_runs(folders)
    for folder in folders:
        OracleReport(floor="another").write(open_run(folder).folder.oracle)
    rows = audit_results.over_runs(folders)
    assert {row.metric for row in rows} >= {"utility", "forget quality"}
    assert all(row.n == 0 for row in rows)
    assert "| utility | higher | – | – | – | – |" in audit_results.rank_tables(rows)
