"""What a run takes on a card, as lines and as JSON."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlubench.cli.columns import UNKNOWN, table

if TYPE_CHECKING:
    from mlubench.experiment.plan.forecast.parts import Forecast, ForecastWish, MethodForecast
    from mlubench.experiment.plan.parts import Plan


def wish_of(card: str, utilisation: float | None, picture: str | None) -> "ForecastWish":
    """What the options say. Raises click's UsageError for a size of pictures that is none."""
    from mlubench.experiment.plan.forecast.cards import UTILISATION
    from mlubench.experiment.plan.forecast.parts import ForecastWish
    from mlubench.experiment.plan.forecast.pictures import PictureSize

    size = None
    if picture is not None:
        found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", picture)
        if found is None:
            raise click.UsageError(f"--picture takes a size as 640x480, got {picture!r}.")
        size = PictureSize(int(found[1]), int(found[2]))
    return ForecastWish(card, utilisation or UTILISATION, size)


def forecast_facts(forecast: "Forecast") -> dict[str, Any]:
    """For JSON, with the sums that `asdict` leaves out."""
    from mlubench.experiment.plan.forecast.forecast import NOT_COUNTED

    facts = asdict(forecast)
    facts["disk"]["total"] = forecast.disk.total
    facts["not_counted"] = NOT_COUNTED
    for method, row in zip(forecast.methods, facts["methods"], strict=True):
        row["training"]["total"] = method.training.total
        row["answering"]["total"] = method.answering.total
        if method.otherwise is not None:
            row["otherwise"]["total"] = method.otherwise.total
    return facts


def forecast_lines(plan: "Plan") -> Iterator[str]:
    """For people: does it fit, how much disk, how many hours, and what would make it fit."""
    if plan.not_forecast:
        yield ""
        yield f"no forecast: {plan.not_forecast}"
    forecast = plan.forecast
    if forecast is None:
        return
    yield ""
    yield from _assumptions(forecast)
    yield from _methods(forecast)
    yield from _disk_and_time(forecast)
    yield from _verdict(forecast)


def _assumptions(forecast: "Forecast") -> Iterator[str]:
    yield (
        f"forecast for one {forecast.card}: {forecast.card_bytes / 1e9:.0f} GB, "
        f"{forecast.card_flops / 1e12:.0f} TFLOP/s of dense bfloat16, of which {forecast.utilisation:.2f} is reached"
    )
    if forecast.picture is not None:
        width, height = forecast.picture
        yield (
            f"  a picture of {width} x {height} ({forecast.picture_source}) becomes "
            f"{forecast.picture_tokens:,} tokens"
        )
    texts = forecast.texts
    yield (
        f"  tokens at most: {texts.prompt} of a prompt besides, {texts.answer} of an answer, {texts.refusal} of a refusal; "
        f"nine of ten answers have {texts.reply} or fewer ({texts.source})"
    )


def _methods(forecast: "Forecast") -> Iterator[str]:
    rows = []
    for method in forecast.methods:
        rows.append(
            [
                method.name,
                _gigabytes(method.training.total),
                _gigabytes(method.answering.total),
                f"{method.step_flops / 1e12:,.1f}",
                f"{method.step_seconds:.2f}",
                _time(method.training_seconds),
                f"{method.answer_seconds:.2f}",
                _time(method.answering_seconds),
                _time(method.answering_seconds_most),
            ]
        )
    columns = [
        "method",
        "GB training",
        "GB answering",
        "TFLOP/step",
        "s/step",
        "training",
        "s/answer",
        "answers",
        "at most",
    ]
    yield from table(columns, rows)
    yield from _otherwise(forecast)


def _otherwise(forecast: "Forecast") -> Iterator[str]:
    """What the other setting of gradient checkpointing would need, of the method that needs most of it."""
    others = [method for method in forecast.methods if method.otherwise is not None]
    if not others:
        return

    def other_need(method: "MethodForecast") -> int:
        return method.otherwise.total if method.otherwise is not None else 0

    most = max(others, key=other_need)
    how = "without" if most.checkpointing else "with"
    yield (
        f"  {how} gradient checkpointing {most.name} needs {_gigabytes(other_need(most))} GB in training"
    )


def _disk_and_time(forecast: "Forecast") -> Iterator[str]:
    disk = forecast.disk
    parts = [f"{_gigabytes(disk.weights)} GB the base"]
    if disk.archives is not None:
        parts.append(f"{_gigabytes(disk.archives)} GB archives")
    if disk.answers is not None:
        parts.append(f"{_gigabytes(disk.answers)} GB answers")
    yield f"  disk: {_gigabytes(disk.total)} GB ({', '.join(parts)})"
    if forecast.seconds is None:
        yield "  time: known once the annotations are, -s benchmark.root=DIR"
    else:
        yield f"  time in all: {_time(forecast.seconds)}, the base's own answers among them"


def _verdict(forecast: "Forecast") -> Iterator[str]:
    from mlubench.experiment.plan.forecast.forecast import NOT_COUNTED

    fitting = ", ".join(forecast.fitting_cards) or "none of the table"
    if forecast.fits:
        yield f"  it fits {forecast.card}; as it is set it fits {fitting}"
    elif forecast.remedy is None:
        yield f"  it does NOT fit {forecast.card}, and no setting makes it fit; as it is set it fits {fitting}"
    else:
        remedy = forecast.remedy
        settings = " ".join(f"-s {setting}" for setting in remedy.settings)
        yield f"  it does NOT fit {forecast.card} as it is set (it fits {fitting})"
        yield (
            f"  it fits with {settings}: {_gigabytes(remedy.training_bytes)} GB training, "
            f"{_gigabytes(remedy.answering_bytes)} GB answering"
        )
        if any(setting.startswith(("train.batch", "model.")) for setting in remedy.settings):
            yield "  that is another training: its scores are not those of the run as it is set"
    yield f"  not counted: {NOT_COUNTED}"


def _gigabytes(count: int) -> str:
    """Decimal, as cards and disks are sold."""
    return f"{count / 1e9:.1f}"


def _time(seconds: float | None) -> str:
    from mlubench.report.score_table import duration

    return UNKNOWN if seconds is None else duration(seconds)
