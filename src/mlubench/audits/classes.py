"""Whether some classes of things are hurt more than others, by asking alone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mlubench.audits.attack import Harm
from mlubench.audits.counting import Counted
from mlubench.audits.figures import share
from mlubench.runs.audits import ClassRow, SpreadRow

PERMUTATIONS = 999


def class_rows(
    system: str, harm: Harm, counted: Sequence[Counted], class_of: Mapping[str, str]
) -> list[ClassRow]:
    """A row for each class. `class_of` says of a fact to which class it belongs; other facts are left out."""
    by_class: dict[str, list[Counted]] = defaultdict(list)
    for answer in counted:
        if answer.fact in class_of:
            by_class[class_of[answer.fact]].append(answer)
    rows = []
    for cls, answers in sorted(by_class.items()):
        rate, interval = share(answers)
        row = ClassRow(
            system=system,
            harm=harm,
            cls=cls,
            rate=round(rate, 6),
            ci95=interval,
            n=len(answers),
            facts=len({answer.fact for answer in answers}),
        )
        rows.append(row)
    return rows


def spread_row(
    system: str, harm: Harm, counted: Sequence[Counted], class_of: Mapping[str, str]
) -> SpreadRow | None:
    """How far the classes are apart, and how often that is chance. None where all are hurt alike, or there is one class.

    A permutation test: facts are dealt to classes at random, each with all of its answers, and the variance between
    classes is compared with what it is.
    """
    rows = class_rows(system, harm, counted, class_of)
    if len({row.rate for row in rows}) < 2:
        return None
    facts = sorted({answer.fact for answer in counted if answer.fact in class_of})
    place = {fact: number for number, fact in enumerate(facts)}
    hits = np.zeros(len(facts))
    asked = np.zeros(len(facts))
    for answer in counted:
        if answer.fact in place:
            hits[place[answer.fact]] += answer.harm
            asked[place[answer.fact]] += 1
    _, labels = np.unique([class_of[fact] for fact in facts], return_inverse=True)
    seen = _variance(hits, asked, labels)
    rng = np.random.default_rng(0)
    as_far = 0
    for _ in range(PERMUTATIONS):
        dealt = _variance(hits, asked, rng.permutation(labels))
        # Rounding alone must not make a difference.
        as_far += dealt >= seen - 1e-12
    most = max(rows, key=lambda row: row.rate)
    least = min(rows, key=lambda row: row.rate)
    return SpreadRow(
        system=system,
        harm=harm,
        most=most.cls,
        most_rate=most.rate,
        least=least.cls,
        least_rate=least.rate,
        classes=len(rows),
        facts=len(facts),
        p=round((1 + as_far) / (1 + PERMUTATIONS), 6),
    )


def _variance(
    hits: np.ndarray[tuple[int], np.dtype[np.float64]],
    asked: np.ndarray[tuple[int], np.dtype[np.float64]],
    labels: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> float:
    """Of the rates of classes, weighted by their answers."""
    of_class = np.bincount(labels, asked)
    rates = np.bincount(labels, hits) / of_class
    overall = hits.sum() / asked.sum()
    return float((of_class * (rates - overall) ** 2).sum() / of_class.sum())
