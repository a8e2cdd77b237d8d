"""What is told of entities of which only some facts must go: their own other facts, beside those of other entities.

Of runs with `benchmark.forget_share` below 1, after the last task, for each method and reference: forget quality on what
must go, how much of it is still told, and utility on the other facts of the same entities and on those of entities of which
nothing must go. By the run's first judge; intervals are bootstraps over facts.

    mlubench run toy -s benchmark.forget_share=0.5 -s 'methods=[lumoe]' --out runs/partial
    mlubench run toy -s benchmark.forget_share=0.5 -s 'methods=[lumoe]' -s gates.on_hit=second-look --out runs/partial-look
    python bench/partial.py runs/partial runs/partial-look --json
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlubench.judging.harm import TOLD, HarmJudge, harm_judge
from mlubench.runs.opening import Run, open_run
from mlubench.statistics.intervals import wilson
from mlubench.statistics.scores import Scored, score_of
from mlubench.types import AnswerRow, VerdictRow

RESAMPLES = 1000


def rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    """A row for each method and reference."""
    run = open_run(folder)
    results = run.results()
    references = dict.fromkeys(cell.method for cell in results.references)
    harm = harm_judge(run, run.order)
    # A run with results has answers of its base.
    assert harm is not None
    for method in [*results.methods, *references]:
        figures = _figures(run, results.judges[0], method, harm)
        yield {"run": folder.name, "method": method, **figures}


def _figures(run: Run, judge: str, method: str, harm: HarmJudge) -> dict[str, Any]:
    pairs = list(_pairs(run, judge, method))
    requested = {answer.entity for answer, _ in pairs if answer.split == "forget"}
    forget, beside, others = [], [], []
    told = []
    for answer, verdict in pairs:
        scored = Scored(answer.fact, verdict.score, {})
        if answer.split == "forget":
            forget.append(scored)
            told.append(harm.score(answer) >= TOLD)
        elif answer.entity in requested:
            beside.append(scored)
        else:
            others.append(scored)
    return {
        "forget_quality": score_of(forget, resamples=RESAMPLES),
        "told": sum(told),
        "told_of": len(told),
        "told_ci95": wilson(sum(told), len(told)),
        "same_entities": score_of(beside, resamples=RESAMPLES),
        "other_entities": score_of(others, resamples=RESAMPLES),
    }


def _pairs(run: Run, judge: str, method: str) -> Iterator[tuple[AnswerRow, VerdictRow]]:
    """All answers after the last task, with their verdicts."""
    last = run.order[-1]
    for task in run.order:
        answers = run.answers(method, task, last)
        yield from zip(answers, run.verdicts(judge, method, task, last), strict=True)


def as_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows as a Markdown table."""
    lines = [
        "| run | method | forget quality | told | utility, same entities | utility, others |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        scores = [row["forget_quality"], row["same_entities"], row["other_entities"]]
        quality, same, others = (_shown(score) for score in scores)
        told = f"{row['told']} of {row['told_of']}"
        lines.append(f"| {row['run']} | {row['method']} | {quality} | {told} | {same} | {others} |")
    return lines


def _shown(score: dict[str, Any]) -> str:
    if score["score"] is None:
        return "–"
    low, high = score["ci95"] or (score["score"], score["score"])
    return f"{score['score']:.2f} ({low:.2f}–{high:.2f}) of {score['n']}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = [row for folder in args.runs for row in rows_of(folder)]
    print(json.dumps(rows, indent=1) if args.json else "\n".join(as_table(rows)))


if __name__ == "__main__":
    main()
