"""A metric that ranks as the oracle does is found, and so is one that ranks the other way round."""

import pytest

from mlubench.audits.oracle.correlations import closeness, correlations
from mlubench.runs.oracles import CorrelationRow, DistanceRow, MetricRow, OracleReport

SYSTEMS = ("ga", "npo", "po", "lumoe")
OTHERS = ("base", "another")


def row(system: str, about: str, same_kind: float, kl: float | None = None) -> DistanceRow:
    return DistanceRow(
        system=system,
        after="A",
        about=about,
        n=10,
        same_text=0.0,
        same_kind=same_kind,
        refusals=0.0,
        refusals_of_oracle=0.0,
        truths=0.0,
        truths_of_oracle=0.0,
        kl=kl,
        kl_n=10,
    )


def rows() -> list[DistanceRow]:
    """Each system is nearer to the oracle than the one before."""
    found = []
    for rank, system in enumerate(SYSTEMS):
        for about in ("forgotten", "kept", "stranger"):
            found.append(row(system, about, same_kind=rank / 10, kl=10.0 - rank))
    return found


def report(distances: list[DistanceRow], metrics: list[MetricRow]) -> OracleReport:
    return OracleReport(floor="another", distances=distances, metrics=metrics)


def ranked(name: str, *reports: OracleReport) -> list[CorrelationRow]:
    return [row for row in correlations(reports) if row.metric == name]


def metric(name: str, values: tuple[float, ...]) -> list[MetricRow]:
    return [
        MetricRow(system=system, after="A", metric=name, value=value)
        for system, value in zip(SYSTEMS, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("utility", (0.1, 0.2, 0.3, 0.4), 1.0),
        ("forget quality", (0.9, 0.8, 0.7, 0.6), -1.0),
        # Lower is better, so a falling one ranks as the oracle does.
        ("extraction strength", (0.9, 0.8, 0.7, 0.6), 1.0),
    ],
)
def test_a_rank_is_read_in_the_direction_that_counts_as_better(
    name: str, values: tuple[float, ...], expected: float
) -> None:
    found = ranked(name, report(rows(), metric(name, values)))
    assert len(found) == 4
    for of_closeness in found:
        assert (of_closeness.spearman, of_closeness.kendall, of_closeness.n) == (
            expected,
            expected,
            4,
        )


def test_a_system_whose_probabilities_cannot_be_read_has_no_closeness_of_them() -> None:
    distances = [*rows(), row("gate-only", "forgotten", 0.5), row("gate-only", "kept", 1.0, 0.0)]
    assert ("gate-only", "A") not in closeness(distances, "probabilities")
    assert ("ga", "A") in closeness(distances, "probabilities")
    assert closeness(distances, "same kind, forgotten")["gate-only", "A"] == 0.5


def test_the_few_answers_that_a_sentence_leaves_are_no_sample() -> None:
    """A gate that stops six of ten questions says nothing of how probable the oracle's words are to it."""
    few = row("training-free", "forgotten", same_kind=0.4, kl=0.1).model_copy(update={"kl_n": 4})
    found = closeness([*rows(), few], "probabilities, forgotten")
    assert ("training-free", "A") not in found
    assert ("ga", "A") in found
    assert ("training-free", "A") in closeness([*rows(), few], "same kind, forgotten")


def test_runs_are_ranked_together_and_their_systems_resampled_as_one() -> None:
    """Two runs that contradict each other say nothing together, and a third decides."""
    with_it = report(rows(), metric("utility", (0.1, 0.2, 0.3, 0.4)))
    against_it = report(rows(), metric("utility", (0.4, 0.3, 0.2, 0.1)))
    for row in ranked("utility", with_it, against_it):
        assert (row.n, row.spearman) == (8, 0)
    for row in ranked("utility", with_it, against_it, with_it):
        assert (row.n, row.spearman) == (12, pytest.approx(1 / 3, abs=0.01))
        # Drawn once for all runs, a system brings all its states: the figure hardly moves.
        low, high = row.spearman_ci95 or (-1, 1)
        assert 0 < low < high <= 1


def test_the_base_and_a_second_oracle_are_not_ranked() -> None:
    values = metric("utility", (0.1, 0.2, 0.3, 0.4))
    beside = [MetricRow(system=name, after="A", metric="utility", value=9) for name in OTHERS]
    distances = rows()
    for name in OTHERS:
        distances += [row(name, about, 0.0, 20.0) for about in ("forgotten", "kept", "stranger")]
    for found in ranked("utility", report(distances, values + beside)):
        assert (found.n, found.spearman) == (4, 1)
