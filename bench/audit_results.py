"""Prints the tables of docs/results: of a run that was audited, attacks by system, every way, and the oracle's.

mlubench run toy -s 'references=[gate-only, prompt-only]' --out runs/toy
mlubench audit runs/toy
mlubench audit runs/toy --oracle
python bench/audit_results.py runs/toy

Of several runs that were held against their oracles, which metrics rank as closeness does over all of them.
python bench/audit_results.py runs/toy runs/toy-1 runs/toy-2
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlubench.audits.oracle.correlations import correlations
from mlubench.core.errors import MlubenchError
from mlubench.report import audit_table, oracle_table
from mlubench.report.labels import TITLES, label
from mlubench.runs.audits import Audit, WayRow, read_audit
from mlubench.runs.opening import Run, open_run
from mlubench.runs.oracles import CorrelationRow, OracleReport, read_oracle


def markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A table; the first column on the left, the others on the right."""
    rules = ["---"] + ["---:"] * (len(columns) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (columns, rules, *lines)]


def difference_lines(run: Run) -> Iterator[list[str]]:
    """LUMoE minus each reference, over all tasks after the last."""
    for row in run.results().reference_comparisons:
        if row.task != "all" or row.difference is None or row.ci95 is None:
            continue
        low, high = row.ci95
        interval = f"{low:+.3f} to {high:+.3f}"
        pair = f"{label(row.a)} − {label(row.b)}"
        yield [TITLES[row.metric], pair, f"{row.difference:+.3f}", interval, str(row.n)]


def way_lines(audit: Audit) -> Iterator[list[str]]:
    """Each way, with a rate for each system, and how often LUMoE's gate was passed by."""
    rows: dict[tuple[str, str], dict[str, WayRow]] = {}
    for row in audit.ways:
        rows.setdefault((row.attack, row.way), {})[row.system] = row
    for (attack, way), of_way in rows.items():
        rates = []
        for system in audit.systems:
            rate = of_way[system].rate if system in of_way else None
            rates.append("–" if rate is None else f"{rate:.2f}")
        gate = of_way.get("lumoe")
        missed = "–" if gate is None or gate.missed is None else f"{gate.missed:.2f}"
        yield [f"{attack}: {way}", *rates, missed]


def tables(run: Run, audit: Audit, oracle: OracleReport | None) -> list[str]:
    """All tables, each under a heading."""
    lines = ["## LUMoE minus its references", ""]
    head = ["Metric", "Pair", "Difference", "95% interval", "n"]
    lines += markdown(head, difference_lines(run))
    lines += ["", "## Attacks", "", f"{audit_table.asked_line(audit)} {audit_table.NOTE}", ""]
    lines += markdown(audit_table.attack_columns(audit), audit_table.attack_lines(audit))
    lines += ["", "## Every way", ""]
    names = [label(system) for system in audit.systems]
    lines += markdown(["Way", *names, "Past LUMoE's gate"], way_lines(audit))
    if oracle is not None:
        lines += ["", f"## {oracle_table.TITLE}", "", oracle_table.NOTE, ""]
        lines += markdown(oracle_table.COLUMNS, oracle_table.distance_lines(oracle))
        lines += ["", *rank_tables(oracle.correlations)]
    return lines


def rank_tables(correlations: Sequence[CorrelationRow]) -> list[str]:
    """Which metrics rank as closeness to the oracle does."""
    columns = oracle_table.rank_columns(correlations)
    table = markdown(columns, oracle_table.rank_lines(correlations))
    return [f"## {oracle_table.RANKS_TITLE}", "", oracle_table.RANKS_NOTE, "", *table]


def over_runs(runs: Sequence[Path]) -> list[CorrelationRow]:
    """The same over all these runs. Raises MlubenchError where one was not held against its oracle."""
    reports = []
    for folder in runs:
        report = read_oracle(open_run(folder).folder.oracle)
        if report is None:
            raise MlubenchError(
                f"{folder} was not held against its oracle", f"mlubench audit {folder} --oracle"
            )
        reports.append(report)
    return correlations(reports)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("--quick", action="store_true", help="the same: it takes no time")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if len(args.run) > 1:
        rows = over_runs(args.run)
        as_json = json.dumps([row.model_dump(mode="json") for row in rows])
        print(as_json if args.json else "\n".join(rank_tables(rows)))
        return
    (folder,) = args.run
    run = open_run(folder)
    audit = read_audit(run.folder.audit)
    if audit is None:
        parser.error(f"{folder} was not audited: mlubench audit {folder}")
    oracle = read_oracle(run.folder.oracle)
    if args.json:
        found = {"audit": audit.as_json(), "oracle": oracle.as_json() if oracle else None}
        print(json.dumps(found))
        return
    print("\n".join(tables(run, audit, oracle)))


if __name__ == "__main__":
    main()
