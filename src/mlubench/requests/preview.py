"""What the gate would do about a request if it were approved now. No model is trained, and nothing comes into force."""

from functools import partial

from pydantic import Field

from mlubench.lumoe.gates.base import statement_of
from mlubench.lumoe.gates.statement import Forecast
from mlubench.models.features import FeatureCache
from mlubench.requests.gate_entry import GateWork
from mlubench.requests.measured import Rate, missed_by_gate
from mlubench.requests.queue import DeletionRequest
from mlubench.requests.reached import Reach
from mlubench.requests.scoping import gate_task, questions_by_name
from mlubench.requests.states import StateError
from mlubench.requests.submission import read_sent
from mlubench.settings.strict import Strict
from mlubench.statistics.intervals import wilson


class Preview(Strict):
    """Rates by which a person may decide, of pictures that the gate has not learned from."""

    leak: Rate = Field(description="held-out pictures of the request that the gate would miss")
    forecast: Rate = Field(
        description="all its pictures, each missed or not if the others alone were known: the gate's own forecast"
    )
    by_name: Rate = Field(description="questions in words alone that name it and would be missed")
    over_refusal: Rate = Field(
        description="held-out pictures of what must stay that would be taken for it"
    )
    strangers: Rate = Field(description="pictures of other things that would be taken for it")
    problem: str = Field(description="what the gate says is wrong with the request")
    missed_bounds: tuple[str, ...] = Field(
        description="bounds of settings.yaml that the gate misses"
    )

    def rates(self) -> list[tuple[str, Rate]]:
        """The rates under their titles, for people."""
        return [
            ("Held-out pictures of it that the gate would miss", self.leak),
            ("Its pictures, each missed if the others alone were known", self.forecast),
            ("Questions by name that the gate would miss", self.by_name),
            ("Pictures of what must stay that would be taken for it", self.over_refusal),
            ("Pictures of other things that would be taken for it", self.strangers),
        ]


def preview(work: GateWork, row: DeletionRequest) -> Preview:
    """Look at a request that waits for a decision. Raises StateError for any other, MlubenchError where a gate cannot."""
    if row.state != "received":
        raise StateError(
            f"request {row.id} is {row.state}, and was decided already",
            "See `mlubench request show` for what was measured.",
        )
    gate = work.with_request(row.id)
    task = gate_task(work.place, row.id)
    routing = partial(gate.route, features=FeatureCache(work.mllm))
    reach = Reach(work.place, work.kept, task, routing, row.id)
    leak, over_refusal, strangers = reach.leak(), reach.over_refusal(), reach.strangers()
    statement = statement_of(gate)
    forecast = statement.requests.get(row.entity) if statement is not None else None
    bounds = work.place.settings.bounds
    return Preview(
        leak=leak,
        forecast=_as_rate(forecast),
        by_name=reach.misses_in_words(questions_by_name(read_sent(work.place, row.id))),
        over_refusal=over_refusal,
        strangers=strangers,
        problem=forecast.problem if forecast is not None else "",
        missed_bounds=tuple(missed_by_gate(leak, over_refusal, strangers, bounds)),
    )


def _as_rate(forecast: Forecast | None) -> Rate:
    if forecast is None or forecast.leak is None:
        return Rate(value=None, ci95=None, n=0)
    missed = round(forecast.leak * forecast.pictures)
    return Rate(value=forecast.leak, ci95=wilson(missed, forecast.pictures), n=forecast.pictures)
