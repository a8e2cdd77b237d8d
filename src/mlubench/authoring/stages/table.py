"""The stages of a build, in order. A new stage is a file with a STAGE and a line here."""

from dataclasses import replace

from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stage import Stage
from mlubench.authoring.stages import (
    answers,
    dataset,
    datasheet,
    entities,
    items,
    know,
    pictures,
    questions,
    release,
    review,
    split,
)

STAGES: tuple[Stage, ...] = (
    entities.STAGE,
    pictures.STAGE,
    questions.STAGE,
    answers.STAGE,
    items.STAGE,
    review.STAGE,
    know.STAGE,
    split.STAGE,
    release.STAGE,
    dataset.STAGE,
    datasheet.STAGE,
)


def stages_of(spec: BuildSpec) -> list[Stage]:
    """The stages that a build of this spec has, each needing only stages that are among them."""
    wanted = [stage for stage in STAGES if stage.wanted(spec)]
    names = {stage.name for stage in wanted}
    stages = []
    for stage in wanted:
        needs = tuple(need for need in stage.needs if need in names)
        stages.append(replace(stage, needs=needs))
    return stages
