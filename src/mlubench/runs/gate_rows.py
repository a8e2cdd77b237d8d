"""The rows of results.json about gates: what a gate says of its errors, and the errors that were measured."""

from mlubench.runs.result_row import Interval, Number, Row


class RateRow(Row):
    """Rates, each with its interval and its number of queries."""

    def interval(self, rate: str) -> tuple[float, float] | None:
        """The 95% interval of the rate of that name, where the run measured one."""
        found: tuple[float, float] | None = getattr(self, f"{rate}_ci95")
        return found


class GatePart(RateRow):
    """How a gate routes the test pictures that have `value` in common. `GateRow` says what each rate counts."""

    by: str = ""  # picture
    value: str = ""
    leak_rate: Number = None
    leak_rate_ci95: Interval = None
    leak_rate_n: int = 0
    over_refusal_rate: Number = None
    over_refusal_rate_ci95: Interval = None
    over_refusal_rate_n: int = 0
    wrong_expert_rate: Number = None
    wrong_expert_rate_ci95: Interval = None
    wrong_expert_rate_n: int = 0


class StatedRow(Row):
    """What a gate says of its errors before it is measured."""

    # The share of pictures of other things that reach an expert at most; None where nothing can be stated.
    strangers: Number = None
    background: str = ""  # which other things that rests on
    background_things: int = 0
    background_pictures: int = 0
    # The share of new pictures of requests that is likely to be missed, and how many pictures were left out for it.
    leak: Number = None
    pictures: int = 0
    flagged: dict[str, str] = {}  # requests that something is wrong with, and what
    in_words: str = ""


class GateRow(RateRow):
    """How a gate routes the test pictures after a task. Each rate comes with its interval and its number of queries."""

    gate: str
    after: str = ""
    # Forget queries that do not reach their expert.
    leak_rate: Number = None
    leak_rate_ci95: Interval = None
    leak_rate_n: int = 0
    # Retain queries that reach an expert.
    over_refusal_rate: Number = None
    over_refusal_rate_ci95: Interval = None
    over_refusal_rate_n: int = 0
    # Forget queries that reach another expert than theirs: a part of the leaks.
    wrong_expert_rate: Number = None
    wrong_expert_rate_ci95: Interval = None
    wrong_expert_rate_n: int = 0
    # Queries about entities that no task so far names, and that reach an expert.
    unseen_refusal_rate: Number = None
    unseen_refusal_rate_ci95: Interval = None
    unseen_refusal_rate_n: int = 0
    # Queries about entities of no task that reach an expert. They are in no other number of this row.
    stranger_rate: Number = None
    stranger_rate_ci95: Interval = None
    stranger_rate_n: int = 0
    no_strangers: str = ""  # why there were none to ask about
    # What follows is of the answers themselves, by the rules judge. Only of the gate that routed, and of the oracle.
    second_look: str = ""  # off, band or always
    # Forget queries whose final answer tells the fact or a part of it, and those whose answer did before the second look.
    harm_rate: Number = None
    harm_rate_ci95: Interval = None
    harm_rate_n: int = 0
    draft_harm_rate: Number = None
    # Retain queries that the base had right and that are no longer right, and those that were not before the second look.
    lost_rate: Number = None
    lost_rate_ci95: Interval = None
    lost_rate_n: int = 0
    draft_lost_rate: Number = None
    held_back: int | None = None  # answers that the second look replaced
    # Of forget against retain queries, by the route's score.
    auroc: Number = None
    auroc_ci95: Interval = None
    fpr95: Number = None
    fpr95_ci95: Interval = None
    failed: int = 0  # queries that the gate could not place
    refused: int = 0  # of these, how many were not left to the base
    n: int = 0
    latency_ms_p50: Number = None
    usd_per_query: Number = None  # None where the price is not known
    # Earlier calibration pictures that go elsewhere than before the last task, and how many were looked at.
    rerouted: int | None = None
    rerouted_n: int | None = None
    configured: bool = False  # whether this gate routes; the others are measured beside it
    stated: StatedRow | None = None  # None where the gate says nothing beforehand
    breakdowns: list[GatePart] = []  # only where the benchmark says of which kind its pictures are
