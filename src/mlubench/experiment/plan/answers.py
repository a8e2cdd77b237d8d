"""Which cells would be answered, by whom, and the files that would be written."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlubench.experiment.learners.lumoe import LumoeLearner, OracleLumoeLearner
from mlubench.experiment.plan.parts import AnswersPlan
from mlubench.experiment.references import references_of
from mlubench.experiment.samples import samples_to_test, tested_after
from mlubench.judging.run import has_version
from mlubench.runs.folder import (
    BASE,
    GATE_ONLY,
    KNOW,
    NOTHING_UNLEARNED,
    PROMPT_ONLY,
    TRAINING_FREE,
    RunDir,
)
from mlubench.settings.evaluation import EvaluateConfig
from mlubench.settings.run import Config
from mlubench.types import Benchmark


def plan_answers(config: Config, held_out: Benchmark, benchmark: Benchmark) -> list[AnswersPlan]:
    sizes = {task.name: len(samples_to_test(task, config.evaluate.limit)) for task in benchmark}
    plans = []
    if config.know.enabled:
        asked = sum(sample.calibrates for sample in held_out.samples)
        plans.append(AnswersPlan("base: what it knows", 1, asked))
    plans.append(AnswersPlan(BASE, len(sizes), sum(sizes.values())))
    cells = _tested_cells(config.evaluate, list(sizes))
    questions = sum(sizes[task] for task, _ in cells)
    for name in _learners(config):
        plans.append(AnswersPlan(name, len(cells), questions))
    return plans


@dataclass(frozen=True, slots=True)
class GeneratedAnswers:
    """Answers that are generated."""

    # Of the base.
    base: int
    of_methods: dict[str, int]


def generated_answers(
    config: Config, asked: Sequence[AnswersPlan], benchmark: Benchmark
) -> GeneratedAnswers:
    """The plan's counts, of which LUMoE generates fewer: an expert that stays the same says the same again."""
    base = 0
    of_methods = {}
    for row in asked:
        if row.who in config.methods:
            of_methods[row.who] = row.questions
        elif row.who != OracleLumoeLearner.name:
            base += row.questions
    if LumoeLearner.name in of_methods:
        once = 0
        for number, task in enumerate(benchmark):
            rows = samples_to_test(task, config.evaluate.limit)
            once += len(rows)
            # Asked before its task was unlearned too, when it still went to the base.
            if config.evaluate.tasks == "all" and number:
                once += sum(sample.split == "forget" for sample in rows)
        of_methods[LumoeLearner.name] = once
    return GeneratedAnswers(base, of_methods)


def planned_files(config: Config, order: Sequence[str], run: RunDir) -> list[str]:
    """Paths within the run's folder. Where the tasks are not known, `order` is empty and no file of a task is listed."""
    paths = [run.config_file, run.facts_file, run.file_records]
    if config.know.enabled:
        paths.append(run.know)
    paths += [run.results, run.report]

    # (method, task, after) of every file of answers.
    cells = [(BASE, task, NOTHING_UNLEARNED) for task in order]
    if config.know.enabled:
        cells.append((BASE, KNOW, NOTHING_UNLEARNED))
    # These ask nobody, but their answers are written.
    made_of_answers = [n for n in references_of(config) if n in (GATE_ONLY, TRAINING_FREE)]
    if TRAINING_FREE in made_of_answers:
        paths.append(run.taken_in(TRAINING_FREE))
    for name in [*_learners(config), *made_of_answers]:
        for task, after in _tested_cells(config.evaluate, order):
            cells.append((name, task, after))

    if LumoeLearner.name in config.methods:
        paths += [run.gate_report(task) for task in order]
        paths.append(run.gate_features)
    paths += [run.answers(*cell) for cell in cells]
    paths += [run.verdicts(config.judge, *cell) for cell in cells]
    if has_version(config.judge):
        paths.append(run.judge_version(config.judge))
    files = [path.relative_to(run.root).as_posix() for path in paths]
    for method in config.methods:
        for task in order:
            archive = run.archive(method, task)
            files.append(f"{archive.relative_to(run.root).as_posix()}/")
    return files


def _tested_cells(settings: EvaluateConfig, order: Sequence[str]) -> list[tuple[str, str]]:
    """(task, after) of every cell, in the order in which they are answered."""
    cells = []
    for after in order:
        for task in tested_after(settings, order, after):
            cells.append((task, after))
    return cells


def _learners(config: Config) -> list[str]:
    """Who answers all cells: every method, with LUMoE its upper bound, and references that ask the base."""
    names = list(config.methods)
    if LumoeLearner.name in config.methods:
        names.append(OracleLumoeLearner.name)
    return names + [name for name in references_of(config) if name == PROMPT_ONLY]
