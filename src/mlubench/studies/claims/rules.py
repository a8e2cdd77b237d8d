"""The four claims as statistics of finished runs. When one holds is said by `statistics.claims`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mlubench.report.labels import label
from mlubench.statistics.claims import MARGIN, RULE, ClaimRow, Claims, Outcome, is_more, is_still
from mlubench.statistics.crossed import CrossedDraws, Estimate, Floats
from mlubench.statistics.scores import METRICS
from mlubench.studies.claims.groups import Group, Scores, Setting, entities_of, load_groups
from mlubench.studies.claims.published import published
from mlubench.types import Metric

DECAY = "Old tasks decay as more are unlearned"
SCOPE = "Changing vision alone harms more than language alone"
PICTURES = "Unlearning without pictures harms more than with them"
STABILITY = "LUMoE stays as it is"
STATISTICS = {
    DECAY: "first task's score after its own unlearning, less that after the last",
    SCOPE: "mean score of each task after its own unlearning: language alone, less vision alone",
    PICTURES: "mean score of all tasks after the last: pictures seen, less not seen",
    STABILITY: "mean movement of a task's score from its own unlearning to the last",
}
# What a claim about decay and stability is read from, where there are several settings.
USUAL = Setting("language", "seen")
LUMOE = "lumoe"
BASELINES = "baselines"
IDLE = "unlearned next to nothing"
RESAMPLES = 2000


def claims_of(
    folders: Sequence[Path], *, judge: str | None = None, resamples: int = RESAMPLES
) -> Claims:
    """Every claim in every group of the runs, beside the paper's figures.

    A run must have results. Raises UsageError for runs that do not belong together (`groups.load_groups`).
    """
    rows: list[ClaimRow] = []
    for group in load_groups(folders, judge):
        study = _Study(group, resamples)
        for claim in (study.decay, study.scope, study.pictures, study.stability):
            rows += claim()
    return {"rule": RULE, "rows": rows, "published": published(DECAY, SCOPE, STABILITY)}


class _Study:
    """The claims in one group of runs."""

    def __init__(self, group: Group, resamples: int) -> None:
        self._group = group
        self._entities = entities_of(group)
        self._resamples = resamples
        usual = USUAL if USUAL in group.variants else next(iter(group.variants))
        self._usual = self._scores(usual)

    def _scores(self, setting: Setting, seeds: Sequence[tuple[int, int]] | None = None) -> Scores:
        runs = self._group.variants[setting]
        if seeds is not None:
            runs = [loaded for loaded in runs if loaded.seeds in seeds]
        return Scores(runs, self._group.judge, self._entities)

    def _draws(self, seeds: int) -> CrossedDraws:
        return CrossedDraws(seeds, len(self._entities), resamples=self._resamples)

    def decay(self) -> Iterator[ClaimRow]:
        """A method that has changed nothing, or whose score can fall no further, is left out of the mean."""
        scores = self._usual
        draws = self._draws(len(scores.runs))
        first, last = scores.tasks[0], scores.tasks[-1]
        if first == last:
            return
        baselines = [method for method in scores.methods if method != LUMOE]
        for metric in METRICS:
            fallen = {}
            left_out = []
            rows = []
            for method in baselines:
                before = scores.score(draws, method, metric, first, first)
                after = scores.score(draws, method, metric, first, last)
                if before is None or after is None:
                    continue
                why = self._why_untold(scores, method, draws.estimate(before).value)
                outcome: Outcome | None = None
                if why:
                    left_out.append(method)
                    outcome = "cannot be told"
                else:
                    fallen[method] = before - after
                estimate = draws.estimate(before - after)
                row = self._row(DECAY, method, metric, estimate, scores, why=why, outcome=outcome)
                rows.append(row)
            yield self._mean_row(DECAY, metric, draws, fallen, scores, _left_out(left_out))
            yield from rows

    def _why_untold(self, scores: Scores, method: str, start: float | None) -> str:
        """Why a method's fall tells nothing of decay; empty where it does."""
        if scores.is_idle(method):
            return IDLE
        if start is not None and start <= MARGIN:
            return f"{start:.2f} after the first task already"
        return ""

    def scope(self) -> Iterator[ClaimRow]:
        yield from self._compared(SCOPE, USUAL, Setting("vision", "seen"), _own)

    def pictures(self) -> Iterator[ClaimRow]:
        yield from self._compared(PICTURES, USUAL, Setting("language", "blind"), _final)

    def stability(self) -> Iterator[ClaimRow]:
        """A dead LUMoE would be perfectly stable, so its level stands beside, and a dead one is no success."""
        scores = self._usual
        draws = self._draws(len(scores.runs))
        if LUMOE not in scores.methods:
            return
        dead = scores.is_dead(LUMOE, scores.tasks[-1])
        for metric in METRICS:
            movement = _movement(scores, draws, metric)
            level = _final(scores, draws, LUMOE, metric)
            estimate = Estimate(None, None) if movement is None else draws.estimate(movement)
            why = ""
            if level is not None:
                value = draws.estimate(level).value
                why = f"after the last task {value:.2f}"
            outcome = is_still(estimate.value, estimate.ci95)
            if dead:
                outcome = "does not hold"
                why += ", dead"
            yield self._row(STABILITY, LUMOE, metric, estimate, scores, why=why, outcome=outcome)

    def _compared(
        self, claim: str, one: Setting, other: Setting, measure: "Measure"
    ) -> Iterator[ClaimRow]:
        """The difference of two settings, over the seeds that both were run with."""
        variants = self._group.variants
        if one not in variants or other not in variants:
            return
        seeds_there = {loaded.seeds for loaded in variants[other]}
        shared = [loaded.seeds for loaded in variants[one] if loaded.seeds in seeds_there]
        if not shared:
            return
        first, second = self._scores(one, shared), self._scores(other, shared)
        draws = self._draws(len(shared))
        for metric in METRICS:
            differences = {}
            idle = []
            rows = []
            for method in first.methods:
                left = measure(first, draws, method, metric)
                right = measure(second, draws, method, metric)
                if left is None or right is None:
                    continue
                why = ""
                outcome: Outcome | None = None
                if first.is_idle(method) or second.is_idle(method):
                    idle.append(method)
                    why = f"{IDLE} in one of the two settings"
                    outcome = "cannot be told"
                elif method != LUMOE:
                    differences[method] = left - right
                estimate = draws.estimate(left - right)
                rows.append(
                    self._row(claim, method, metric, estimate, first, why=why, outcome=outcome)
                )
            yield self._mean_row(claim, metric, draws, differences, first, _left_out(idle))
            yield from rows

    def _mean_row(
        self,
        claim: str,
        metric: Metric,
        draws: CrossedDraws,
        by_method: dict[str, Floats],
        scores: Scores,
        why: str,
    ) -> ClaimRow:
        """What decides the claim: the mean over the baselines that are compared."""
        estimate = Estimate(None, None)
        if by_method:
            estimate = draws.estimate(np.mean(list(by_method.values()), axis=0))
        return self._row(claim, BASELINES, metric, estimate, scores, why=why, outcome=None)

    def _row(
        self,
        claim: str,
        method: str,
        metric: Metric,
        estimate: Estimate,
        scores: Scores,
        *,
        why: str = "",
        outcome: Outcome | None = None,
    ) -> ClaimRow:
        return {
            "claim": claim,
            "runs": self._group.name,
            "method": method,
            "metric": metric,
            "statistic": STATISTICS[claim],
            "value": estimate.value,
            "ci95": estimate.ci95,
            "seeds": len(scores.runs),
            "entities": len(self._entities),
            "outcome": outcome or is_more(estimate.value, estimate.ci95),
            "why": why,
        }


Measure = Callable[[Scores, CrossedDraws, str, Metric], Floats | None]


def _own(scores: Scores, draws: CrossedDraws, method: str, metric: Metric) -> Floats | None:
    """The mean over tasks of the score right after a task was unlearned."""
    cells = [scores.score(draws, method, metric, task, task) for task in scores.tasks]
    return _mean(cells)


def _final(scores: Scores, draws: CrossedDraws, method: str, metric: Metric) -> Floats | None:
    """The mean over tasks of the score after the last."""
    last = scores.tasks[-1]
    return _mean([scores.score(draws, method, metric, task, last) for task in scores.tasks])


def _movement(scores: Scores, draws: CrossedDraws, metric: Metric) -> Floats | None:
    """The mean over all tasks but the last of |first score - last score|."""
    last = scores.tasks[-1]
    moved = []
    for task in scores.tasks[:-1]:
        before = scores.score(draws, LUMOE, metric, task, task)
        after = scores.score(draws, LUMOE, metric, task, last)
        moved.append(None if before is None or after is None else np.abs(before - after))
    return _mean(moved)


def _mean(cells: Sequence[Floats | None]) -> Floats | None:
    """None where one is missing: a mean of fewer tasks would not be comparable."""
    known = [cell for cell in cells if cell is not None]
    if not known or len(known) < len(cells):
        return None
    mean: Floats = np.mean(known, axis=0)
    return mean


def _left_out(methods: Sequence[str]) -> str:
    return f"left out: {', '.join(map(label, methods))}" if methods else ""
