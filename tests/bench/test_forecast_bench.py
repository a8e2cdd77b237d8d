"""The program that sets forecasts beside what was measured, for one of its rows."""

import pytest

import forecast
from mlubench.experiment.plan.forecast.counts import Counts
from mlubench.experiment.plan.forecast.pictures import PictureSize, picture_load
from mlubench.models.sizes import published_shape
from mlubench.settings.model import ModelConfig


def test_a_step_with_checkpoints_is_forecast_as_it_was_measured() -> None:
    shape = published_shape(ModelConfig(path="llava-1.5-7b-hf", dtype="bfloat16"))
    assert shape is not None
    assert shape.image_processor is not None
    picture = picture_load(shape.mllm, shape.image_processor, PictureSize(336, 336))
    counts = Counts(shape, forecast.LENGTHS, picture)
    measured = next(step for step in forecast.STEPS if step.checkpointing)
    seconds, memory = forecast.step_rows(shape, counts, measured)
    assert (seconds.unit, memory.unit) == ("s", "GiB")
    assert abs(seconds.off) < 0.25
    assert abs(memory.off) < 0.05
    assert seconds.off == pytest.approx(seconds.forecast / 0.460 - 1)
