"""Trains an expert, and trains it again from where it is while it still answers too much of what it has in charge."""

from collections.abc import Sequence
from pathlib import Path

from mlubench.core import processes
from mlubench.experiment.context import Context
from mlubench.experiment.training import train
from mlubench.judging.rules.judge import RulesJudge
from mlubench.runs.manifest import ManifestFacts
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig
from mlubench.statistics.scores import FULL
from mlubench.types import AnswerRow, Sample, Task
from mlubench.unlearning.methods.base import Method, make_method
from mlubench.unlearning.table import LOSSES

# Questions that an expert is asked between two trainings, at most.
ASKED = 64


def train_until_it_refuses(
    ctx: Context,
    label: str,
    task: Task,
    settings: TrainConfig,
    *,
    earlier: Sequence[Path] = (),
) -> ManifestFacts:
    """Train the active adapter as `train` does, and again while it refuses less than `lumoe.refuses` says.

    It is asked about pictures that set thresholds, which neither training nor any score sees. At most `lumoe.retries`
    further trainings follow. A method that does not teach to refuse is trained once.
    """
    expert = ctx.config.lumoe
    facts = train(ctx, expert.expert, label, task, settings, earlier=earlier)
    method = make_method(expert.expert, LOSSES.resolve(expert.expert), settings.options)
    asked = _asked(task)
    retries = most_retries(ctx.config, method)
    if retries == 0 or not asked:
        return facts
    refused = refused_share(ctx, asked)
    trainings = 1
    while refused < expert.refuses and trainings <= retries:
        last = train(ctx, expert.expert, label, task, settings, earlier=earlier, training=trainings)
        facts["train"] = {
            **last["train"],
            "first_loss": facts["train"]["first_loss"],
            "seconds": facts["train"]["seconds"] + last["train"]["seconds"],
            "steps": facts["train"]["steps"] + last["train"]["steps"],
        }
        refused = refused_share(ctx, asked)
        trainings += 1
    return {**facts, "trainings": trainings, "refuses": refused}


def most_retries(config: Config, method: Method) -> int:
    """How often an expert may be trained again: never by a method that does not teach to refuse."""
    return config.lumoe.retries if "refusal" in method.needs else 0


def refused_share(ctx: Context, samples: Sequence[Sample]) -> float:
    """How well the model as it is now refuses these, from 0 to 1, by the rules judge."""
    answers = ctx.mllm.generate(
        ctx.queries(samples), max_new_tokens=ctx.config.evaluate.max_new_tokens
    )
    judge = RulesJudge(sorted({(sample.entity.cls, sample.truth) for sample in samples}))
    rows = [AnswerRow.of(sample, answer) for sample, answer in zip(samples, answers, strict=True)]
    verdicts = judge.judge([row.to_judge() for row in rows])
    share = sum(verdict.score or 0 for verdict in verdicts) / (FULL * len(verdicts))
    # Each process has asked, as a sharded model wants it, and all have to go on alike.
    return processes.agreed(lambda: round(share, 4))


def _asked(task: Task) -> list[Sample]:
    """Spread over facts and phrasings."""
    ready = sorted(
        (sample for sample in task.forget if sample.calibrates),
        key=lambda sample: (sample.phrasing, sample.fact, sample.id),
    )
    step = max(1, -(-len(ready) // ASKED))
    return ready[::step]
