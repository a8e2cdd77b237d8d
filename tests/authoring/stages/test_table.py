"""The table of stages: every file with a STAGE is in it, and each stage needs only earlier ones."""

import importlib
import pkgutil

from mlubench.authoring import stages
from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stages.table import STAGES, stages_of


def spec(*, parquet: bool) -> BuildSpec:
    return BuildSpec.model_validate(
        {"name": "x", "entities": {"world": 16}, "write": {"parquet": parquet}}
    )


def test_every_stage_is_a_file_of_its_name() -> None:
    files = {module.name for module in pkgutil.iter_modules(stages.__path__)} - {"table"}
    assert files == {stage.name for stage in STAGES}
    for stage in STAGES:
        module = importlib.import_module(f"{stages.__name__}.{stage.name}")
        assert module.STAGE is stage


def test_a_stage_needs_only_earlier_ones() -> None:
    earlier: set[str] = set()
    for stage in STAGES:
        assert earlier.issuperset(stage.needs), stage.name
        earlier.add(stage.name)


def test_no_file_is_of_two_stages() -> None:
    outputs = [output for stage in STAGES for output in stage.outputs]
    assert len(set(outputs)) == len(outputs)


def test_a_stage_that_is_not_wanted_is_not_needed_either() -> None:
    whole = stages_of(spec(parquet=True))
    assert [stage.name for stage in whole] == [stage.name for stage in STAGES]
    without = stages_of(spec(parquet=False))
    assert [stage.name for stage in without] == [s.name for s in STAGES if s.name != "dataset"]
    assert whole[-1].needs[-1] == "dataset"
    assert without[-1].needs == whole[-1].needs[:-1]
