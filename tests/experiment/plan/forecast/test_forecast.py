"""The whole forecast: published models from their numbers alone, and a tiny one with its annotations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.errors import UsageError
from mlubench.experiment.plan.forecast.parts import Forecast, ForecastWish
from mlubench.experiment.plan.forecast.pictures import PictureSize
from mlubench.experiment.plan.plan import plan_run
from mlubench.settings.loading import load
from support.runs import PRESET

GB = 1e9


def forecast(preset: str, card: str, *overrides: str, **wish: object) -> Forecast:
    config = load(preset, list(overrides), draft=True)
    plan = plan_run(config, Path("none"), ForecastWish(card, **wish))
    assert plan.forecast is not None, plan.not_forecast
    return plan.forecast


@pytest.fixture(scope="module")
def tiny() -> Forecast:
    return forecast("smoke", "l4", *PRESET[2:], "methods=[ga, po, lumoe]")


def test_a_tiny_model_fits_everywhere(tiny: Forecast) -> None:
    assert tiny.fits
    assert tiny.remedy is None
    assert len(tiny.fitting_cards) > 10
    assert tiny.seconds is not None
    assert 0 < tiny.seconds < 3600
    assert tiny.picture_tokens == 16  # 48 pixels by 12


def test_seconds_are_those_of_steps_and_answers(tiny: Forecast) -> None:
    ga, po, lumoe = tiny.methods
    assert po.step_flops == lumoe.step_flops  # its experts are trained by PO
    assert ga.answering_seconds is not None
    assert lumoe.answering_seconds is not None
    assert lumoe.answering_seconds < ga.answering_seconds  # each sample about once
    assert ga.answering_seconds_most is not None
    assert ga.answering_seconds_most > ga.answering_seconds
    parts = [tiny.base_answering_seconds]
    for method in tiny.methods:
        parts += [method.training_seconds, method.answering_seconds]
    assert tiny.seconds == pytest.approx(sum(part for part in parts if part is not None))


def test_disk_is_what_the_plan_says(tiny: Forecast) -> None:
    assert tiny.disk.archives
    assert tiny.disk.answers
    assert tiny.disk.total == tiny.disk.weights + tiny.disk.archives + tiny.disk.answers


def test_a_7b_without_annotations_or_weights() -> None:
    found = forecast("llava-v1.6-7b", "rtx4090", "methods=[po]", "train.scope=language")
    (po,) = found.methods
    assert po.checkpointing
    assert po.otherwise is not None
    # Without checkpointing the activations of 2,340 tokens of a picture fit next to no card.
    assert po.otherwise.total > 100 * GB
    assert 19 * GB < po.training.total < 26 * GB
    assert po.training_seconds is None
    assert found.seconds is None
    assert not found.fits
    assert found.remedy is not None
    assert found.remedy.settings[-1].startswith("evaluate.batch=")
    assert max(found.remedy.training_bytes, found.remedy.answering_bytes) <= 24 * GB


def test_larger_pictures_need_more(family_folder: Callable) -> None:
    """Of a family whose pictures keep their size: here a token for each 16 x 16 pixels, up to 32 x 64."""
    model = f"model.path={family_folder('qwen3_vl')}"
    small, large = (
        forecast("smoke", "l4", *PRESET[2:], "methods=[po]", model, picture=PictureSize(*size))
        for size in ((32, 16), (64, 32))
    )
    assert large.picture_tokens == 4 * small.picture_tokens
    assert small.methods[0].training.total < large.methods[0].training.total
    assert small.methods[0].step_flops < large.methods[0].step_flops


def test_a_card_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="unknown card 'rtx'"):
        forecast("smoke", "rtx", *PRESET[2:])


def test_a_family_that_cannot_be_counted_is_said(family_folder) -> None:
    config = load("smoke", [*PRESET[2:], f"model.path={family_folder('mllama')}"], draft=True)
    plan = plan_run(config, Path("none"), ForecastWish("l4"))
    assert plan.forecast is None
    assert "looks at pictures in layers of its own" in plan.not_forecast
