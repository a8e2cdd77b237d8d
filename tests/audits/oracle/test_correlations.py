"""A metric that ranks as the oracle does is found, and so is one that ranks the other way round."""

import pytest

from mlubench.audits.oracle.correlations import closeness, correlations
from mlubench.runs.oracles import DistanceRow, MetricRow

SYSTEMS = ("ga", "npo", "po", "lumoe")


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
    found = [row for row in correlations(rows(), metric(name, values)) if row.metric == name]
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
