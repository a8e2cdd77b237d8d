"""Does the weight file of an expert tell whom it forgets? Neither gate nor truth nor request is needed: AUROC of a run.

Whoever holds the base and one expert shows both a picture of somebody, and reads how much less likely the expert finds the
answer that the base gives. Entities that the expert was made to forget should stand out: 0.5 is chance, 1.0 tells them all.
They are held against what its own task keeps, against all else of the benchmark, and against strangers. The last archive
of every other method is read in the same way, against what is kept.

    python bench/whom.py runs/toy --json
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mlubench.audits.attack import Ask, ask
from mlubench.audits.reading import token_scores
from mlubench.audits.scores import TokenScores, mean_log_prob
from mlubench.audits.systems.lumoe import LumoeSystem
from mlubench.audits.systems.system import System
from mlubench.audits.systems.table import system
from mlubench.experiment.context import Context
from mlubench.experiment.finished import finished_context
from mlubench.experiment.strangers import open_strangers
from mlubench.models.mllm import Query
from mlubench.models.quiet import quiet
from mlubench.runs.folder import BASE
from mlubench.runs.opening import open_run
from mlubench.statistics.separation import separation
from mlubench.types import Route

FACTS = 2  # of each entity
BATCH = 32


@dataclass(frozen=True, slots=True)
class Shown:
    """A question about somebody."""

    entity: str
    # Where it belongs: a task whose expert forgets it, a task that keeps it, or no task.
    forgotten_by: str
    kept_by: str
    ask: Ask


def shown(ctx: Context) -> list[Shown]:
    """A few questions about each entity of the benchmark on test pictures, and one about each stranger."""
    found = []
    for task in ctx.benchmark:
        facts: dict[str, list[str]] = {}
        for sample in task.samples:
            picture = ctx.benchmark.picture(sample)
            of_entity = facts.setdefault(sample.entity.key, [])
            if not sample.only_tests or picture is None or sample.fact in of_entity:
                continue
            if len(of_entity) == FACTS:
                continue
            of_entity.append(sample.fact)
            is_forgotten = sample.split == "forget"
            found.append(
                Shown(
                    sample.entity.key,
                    forgotten_by=task.name if is_forgotten else "",
                    kept_by="" if is_forgotten else task.name,
                    ask=ask(sample.question, picture),
                )
            )
    for stranger in open_strangers(ctx.config.benchmark, ctx.benchmark).found:
        found.append(Shown(stranger.entity.key, "", "", ask(stranger.question, stranger.picture)))
    return found


def rows(root: Path) -> Iterator[dict[str, Any]]:
    """A row for each expert and each kind of others, then for each other method."""
    run = open_run(root)
    ctx = finished_context(run.folder)
    asked = shown(ctx)
    base = system(ctx, BASE)
    base.open()
    said = [answer.text or "-" for answer in base.answers([one.ask for one in asked])]
    of_base = read(base, asked, said)
    for method in run.config.methods:
        if run.archived(method) != run.order:
            continue
        opened = system(ctx, method)
        opened.open()
        if isinstance(opened, LumoeSystem):
            for name in ctx.order:
                falls = fallen(of_base, read_expert(opened, name, asked, said))
                own = [one.forgotten_by == name for one in asked]
                yield from held_against(f"{method}: {name}", asked, falls, own, _others_of(name))
        else:
            falls = fallen(of_base, read(opened, asked, said))
            own = [bool(one.forgotten_by) for one in asked]
            yield from held_against(method, asked, falls, own, {"what is kept": _is_kept})


def _is_kept(one: Shown) -> bool:
    return bool(one.kept_by)


def _is_stranger(one: Shown) -> bool:
    return not one.kept_by and not one.forgotten_by


def _others_of(name: str) -> dict[str, Any]:
    return {
        "what its task keeps": lambda one: one.kept_by == name,
        "all else of the benchmark": lambda one: not _is_stranger(one),
        "strangers": _is_stranger,
    }


def held_against(
    name: str,
    asked: Sequence[Shown],
    falls: Sequence[float],
    own: Sequence[bool],
    others: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """How well falls tell its own entities from each kind of others."""
    forgotten = [row for row, is_own in enumerate(own) if is_own]
    for kind, belongs in others.items():
        rest = [row for row, one in enumerate(asked) if belongs(one) and not own[row]]
        parted = separation(
            [falls[row] for row in forgotten],
            [falls[row] for row in rest],
            ([asked[row].entity for row in forgotten], [asked[row].entity for row in rest]),
        )
        yield {
            "system": name,
            "against": kind,
            "auroc": parted["auroc"],
            "auroc_ci95": parted["auroc_ci95"],
            "forgotten": len(forgotten),
            "others": len(rest),
        }


def fallen(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """How much less likely each answer became, in nats a token."""
    return [old - new for old, new in zip(before, after, strict=True)]


def read(opened: System, asked: Sequence[Shown], said: Sequence[str]) -> list[float]:
    """The mean log-probability of what the base said, under a system without a gate."""
    found: list[float] = []
    for start in range(0, len(asked), BATCH):
        asks = [one.ask for one in asked[start : start + BATCH]]
        scores = opened.read(asks, said[start : start + BATCH], token_scores)
        found += [mean_log_prob(of_one) for of_one in scores if of_one is not None]
    return found


def read_expert(
    lumoe: LumoeSystem, name: str, asked: Sequence[Shown], said: Sequence[str]
) -> list[float]:
    """The same under one expert, whatever the gate would say."""
    found: list[float] = []
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        queries = [Query(one.ask.pictures[0][1], one.ask.question) for one in some]
        with lumoe.engine.answering([Route((name,), None, 0.0, "")] * len(some)):
            scores: Sequence[TokenScores] = token_scores(
                lumoe.ctx.mllm, queries, said[start : start + BATCH]
            )
        found += [mean_log_prob(of_one) for of_one in scores]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    found = list(rows(args.run))
    if args.json:
        print(json.dumps(found))
        return
    table = Table("system", "against", "AUROC", "95%", title="Whom it forgets")
    for row in found:
        low, high = row["auroc_ci95"]
        table.add_row(row["system"], row["against"], f"{row['auroc']:.2f}", f"{low:.2f}–{high:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
