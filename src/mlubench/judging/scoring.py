"""results.json: every cell, stability and level, finer splits and gates, made from what lies in the run's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlubench.core.files import MANIFEST, read_json, write_json
from mlubench.core.lines import read_lines
from mlubench.judging.rouge import rouge_l
from mlubench.runs.folder import RunDir
from mlubench.settings.run import Config
from mlubench.statistics.comparisons import compare
from mlubench.statistics.scores import METRICS, Scored, breakdowns, final_level, score_of, stability
from mlubench.types import PROBABILITY, Cell, Metric

SCHEMA_VERSION = 1
GROUPINGS = ("phrasing", "class", "entity")


def build_results(
    run: RunDir, config: Config, order: list[str], judges: Sequence[str]
) -> dict[str, Any]:
    """Read answers and verdicts of every judge and write results.json. Only finished cells are in it."""
    results: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        # Where pictures lie is this machine's own affair, and results are passed on.
        "run": {k: v for k, v in read_json(run.root / "run.json").items() if k != "image_root"},
        "base": [],
        "cells": [],
        "upper_bound": [],
        "breakdowns": [],
        "comparisons": [],
        "summary": [],
        "gates": [],
    }
    for judge in judges:
        for task in order:
            results["base"] += _cells(run, config, judge, "base", task, "0", [])
            results["upper_bound"] += [
                c
                for after in order
                for c in _cells(run, config, judge, "lumoe+oracle", task, after, [])
            ]
        for method in config.methods:
            cells = [
                c
                for task in order
                for after in order
                for c in _cells(run, config, judge, method, task, after, results["breakdowns"])
            ]
            results["cells"] += cells
            results["summary"].append(_summary(run, method, judge, order, cells))
        results["comparisons"] += _comparisons(run, config, judge, order)
    results["gates"] = [report for task in order for report in _gates(run, task)]
    write_json(run.results, results)
    return results


def _cells(
    run: RunDir,
    config: Config,
    judge: str,
    method: str,
    task: str,
    after: str,
    finer: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    found = []
    answers = {row["id"]: row for row in read_lines(run.answers(method, task, after))}
    for metric, by_id in _scores(run, judge, method, task, after).items():
        rows = list(by_id.values())
        head = {"method": method, "task": task, "after": after, "metric": metric}
        cell = {**head, **score_of(rows, resamples=config.evaluate.resamples), "judge": judge}
        found.append({**cell, **_unjudged([answers[i] for i in by_id])})
        finer += [
            {**head, **part, "judge": judge} for part in breakdowns(rows, GROUPINGS, resamples=200)
        ]
    return found


def _unjudged(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What of a cell's answers needs no judge."""
    found: dict[str, Any] = {
        "rouge_l": _mean([rouge_l(row["response"], row["truth"]) for row in rows])
    }
    if any(PROBABILITY in row for row in rows):
        known = [row[PROBABILITY] for row in rows if row[PROBABILITY] is not None]
        found |= {PROBABILITY: _mean(known), f"{PROBABILITY}_missing": len(rows) - len(known)}
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None


def _scores(
    run: RunDir, judge: str, method: str, task: str, after: str
) -> dict[str, dict[str, Scored]]:
    """Metric -> sample id -> what the judge said, of one cell; without metrics that nothing was judged by."""
    answers = {row["id"]: row for row in read_lines(run.answers(method, task, after))}
    verdicts = [
        v for v in read_lines(run.verdicts(judge, method, task, after)) if v["id"] in answers
    ]
    by_metric = {
        m: {v["id"]: scored(answers[v["id"]], v) for v in verdicts if v["metric"] == m}
        for m in METRICS
    }
    return {metric: rows for metric, rows in by_metric.items() if rows}


def _comparisons(run: RunDir, config: Config, judge: str, order: list[str]) -> list[dict[str, Any]]:
    found = compare(
        lambda method, task: _scores(run, judge, method, task, order[-1]),
        list(config.methods),
        order,
        resamples=config.evaluate.resamples,
    )
    return [{**row, "judge": judge} for row in found]


def scored(answer: dict[str, Any], verdict: dict[str, Any]) -> Scored:
    """One verdict with what its answer is grouped by."""
    groups = {
        "phrasing": "seen" if answer["phrasing"] == 0 else "unseen",
        "class": answer["entity"].split("/")[0],
        "entity": answer["entity"],
    }
    return Scored(answer["fact"], verdict["score"], groups)


def _summary(
    run: RunDir, method: str, judge: str, order: list[str], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    cells = [Cell(**row) for row in rows]
    manifests = [
        read_json(run.archive(method, task) / MANIFEST) for task in run.archived(method, order)
    ]
    memory = [m["train"]["peak_memory_bytes"] for m in manifests if m["train"]["peak_memory_bytes"]]

    def each(measure: Any) -> dict[Metric, float | None]:
        return {metric: measure(cells, order, metric) for metric in METRICS}

    return {
        "method": method,
        "judge": judge,
        "stability": each(stability),
        "final": each(final_level),
        "train_seconds": round(sum(m["train"]["seconds"] for m in manifests), 3),
        "peak_memory_bytes": max(memory, default=None),
        "trained_parameters": manifests[-1]["train"]["trained_parameters"] if manifests else None,
        **_failed_routes(run, method, order),
    }


def _failed_routes(run: RunDir, method: str, order: list[str]) -> dict[str, int]:
    """Answers of all cells whose gate failed: how many were refused, and how many the base gave. Nothing without a gate."""
    cells = [read_lines(run.answers(method, task, after)) for task in order for after in order]
    routes = [row["route"] for rows in cells for row in rows if row["route"]]
    refused = [bool(r.get("refused")) for r in routes if r.get("failed")]
    return (
        {"gate_failed_refused": sum(refused), "gate_failed_base": len(refused) - sum(refused)}
        if routes
        else {}
    )


def _gates(run: RunDir, task: str) -> list[dict[str, Any]]:
    path = run.root / "gates" / f"{task}.json"
    return list(read_json(path)) if path.is_file() else []


def birth_scores(root: Path, name: str) -> list[dict[str, Any]] | None:
    """The cells of LUMoE's task `name` right after it was unlearned, from the run's results. None where there are none.

    An archive is written before it is tested and never changes, so its scores at birth stand in results.json alone.
    """
    path = RunDir(root).results
    cells = read_json(path).get("cells", []) if path.is_file() else []
    return [c for c in cells if c["method"] == "lumoe" and c["task"] == c["after"] == name] or None
