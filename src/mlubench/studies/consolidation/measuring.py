"""The scores of a run's gate and experts, as they are and as they would be with fewer experts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlubench.core.progress import progress_bar
from mlubench.experiment.answering import answer_cell, known_answers
from mlubench.experiment.context import Context
from mlubench.experiment.learners.lumoe import LumoeLearner
from mlubench.experiment.samples import samples_to_test
from mlubench.experiment.turns import KnownAnswers
from mlubench.judging.run import judge_cell
from mlubench.judging.scoring import judged_answers
from mlubench.lumoe.experts.merge_plan import Group
from mlubench.lumoe.experts.merging import active_experts
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.adapters import load_adapter, remove_adapters
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers, read_verdicts
from mlubench.statistics.scores import METRICS, score_of
from mlubench.studies.consolidation.report import MeasuredCell
from mlubench.types import Judge


class ExpertsAlone(LumoeLearner):
    """The run's LUMoE without its second look, which would refuse in the place of an expert that tells."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.engine.on_hit = "experts"

    def _forgotten_after(self, done: list[str]) -> Forgotten | None:
        return None


class Candidate(ExpertsAlone):
    """The same as it would be with these groups' adapters in place of their members."""

    def __init__(self, ctx: Context, groups: Sequence[Group], adapters: Mapping[str, Path]) -> None:
        super().__init__(ctx)
        self.adapters = adapters
        self.into = {member: group.name for group in groups for member in group.members}

    def _mount(self, done: list[str]) -> None:
        remove_adapters(self.ctx.mllm)
        active = active_experts(self.store, done)
        self.engine.expert_for = {
            task: self.into.get(expert, expert) for task, expert in active.expert_for.items()
        }
        self.engine.disabled = active.disabled
        for expert in dict.fromkeys(self.engine.expert_for.values()):
            if expert in self.adapters:
                load_adapter(self.ctx.mllm, expert, self.adapters[expert])
                # A loaded adapter is on; LUMoE itself decides which are.
                self.ctx.mllm.model.base_model.disable_adapter_layers()
            elif expert not in active.disabled:
                self.store.mount(self.ctx.mllm, expert)


def answered(run: RunDir, store: ExpertStore, done: list[str]) -> KnownAnswers:
    """What the run's experts have answered; nothing once the store was changed, as other versions may have said it."""
    if store.history():
        return {}
    known: KnownAnswers = {}
    for task in done:
        known |= known_answers(run.answers("lumoe", task, done[-1]))
    return known


def measure(
    ctx: Context,
    learner: LumoeLearner,
    done: list[str],
    folder: Path,
    judge: Judge,
    known: KnownAnswers,
) -> list[MeasuredCell]:
    """Both cells of every task. What is answered in `folder` already stays; what is answered now is added to `known`."""
    evaluate = ctx.config.evaluate
    cells: list[MeasuredCell] = []
    with progress_bar() as bar:
        for task in bar.track(done, description=f"testing {folder.name}"):
            answers = folder / f"{task}.jsonl"
            verdicts = folder / f"{task}-verdicts.jsonl"
            if not answers.is_file():
                learner.at(done)
                samples = samples_to_test(ctx.benchmark.task(task), evaluate.limit)
                answer_cell(answers, samples, learner, batch=evaluate.batch, known=known)
            known |= known_answers(answers)
            judge_cell(answers, verdicts, judge)
            judged = judged_answers(read_answers(answers), read_verdicts(verdicts))
            for metric in METRICS:
                rows = [row.scored() for row in judged.get(metric, {}).values()]
                score = score_of(rows, resamples=evaluate.resamples)
                cells.append({"task": task, "metric": metric, **score})
    return cells
