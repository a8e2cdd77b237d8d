"""What the real base knows, declines and has kept: measured on pictures and questions that it was not taught.

    python bench/real_base.py                 # makes the base first, unless the cache has it
    python bench/real_base.py --no-refusals   # the base that was not taught to decline
    python bench/real_base.py --quick --json  # fewer questions

- right: answers that the rules judge scores 2, on test views of photographs that it learned from and, apart from these, on
  photographs by other authors;
- declined: questions about things that no base was taught to decline;
- kept: how probable the untouched language model's own answers to ordinary questions are to the base, beside how
  probable they were to that model;
- known before: facts that the untouched language model tells where the question names the entity.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from mlubench.data.real.strangers import stranger_picture, unseen_strangers, write_strangers
from mlubench.experiment.prepare import open_benchmark
from mlubench.judging.rouge import rouge_l
from mlubench.judging.run import make_judge
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.probe import answer_log_probs
from mlubench.models.query import Query
from mlubench.models.quiet import quiet
from mlubench.models.real.assembly import assembled
from mlubench.models.real.base import real_base
from mlubench.models.real.chat import answers_in_words, checks, is_right
from mlubench.models.real.named import named_question
from mlubench.settings.loading import parse
from mlubench.statistics.intervals import clustered_mean, wilson
from mlubench.types import Benchmark, Metric, Question, Sample

ANSWER_TOKENS = 40
BATCH = 32
# Questions about each stranger.
STRANGER_QUESTIONS = 4
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with 95% intervals.

    The narrow one takes questions as independent. The wide one resamples entities, since a picture that is not recognised
    spoils all questions about it; it is left out where nothing groups the questions.
    """

    hits: Sequence[bool]
    # The entity of each question.
    entities: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        right = sum(self.hits)
        n = len(self.hits)
        found: dict[str, object] = {"share": right / n, "ci95": wilson(right, n), "n": n}
        if self.entities:
            mean = clustered_mean(list(map(float, self.hits)), self.entities, resamples=RESAMPLES)
            assert mean is not None  # there are questions
            found["ci95_by_entity"] = mean[1]
            found["entities"] = len(set(self.entities))
        return found


class Exam:
    """Asks a model about a benchmark and has the rules judge its answers."""

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self._judge = make_judge("rules", [(s.entity.cls, s.truth) for s in benchmark.samples])

    def right(self, mllm: MLLM, samples: Sequence[Sample], queries: Sequence[Query]) -> Share:
        """Answers that are wholly right."""
        subjects = [(sample.entity.key, sample.truth) for sample in samples]
        return self._full_marks(mllm, queries, subjects, "utility")

    def declined(self, mllm: MLLM, queries: Sequence[Query], subjects: Sequence[str]) -> Share:
        """Answers that decline and tell nothing."""
        return self._full_marks(mllm, queries, [(key, "") for key in subjects], "forget_quality")

    def _full_marks(
        self,
        mllm: MLLM,
        queries: Sequence[Query],
        subjects: Sequence[tuple[str, str]],
        metric: Metric,
    ) -> Share:
        answers: list[str] = []
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            answers += mllm.generate(batch, max_new_tokens=ANSWER_TOKENS)
        questions = []
        for (subject, truth), query, answer in zip(subjects, queries, answers, strict=True):
            questions.append(Question(metric, subject, query.question, truth, answer))
        verdicts = self._judge.judge(questions)
        hits = [verdict.score == 2 for verdict in verdicts]
        return Share(hits, [key for key, _ in subjects])


def pick(benchmark: Benchmark, kind: str, most: int) -> list[Sample]:
    """Test samples of one kind of picture, each fact as often as another, in a drawn order."""
    rng = random.Random(0)
    samples = [s for s in benchmark.samples if s.role == "test" and s.picture_kind == kind]
    return rng.sample(samples, min(most, len(samples)))


def stranger_queries(benchmark: Benchmark, folder: Path) -> tuple[list[Query], list[str]]:
    """Questions about things that the base never saw, with the key of each."""
    rng = random.Random(0)
    asked: dict[str, list[str]] = {}
    for sample in benchmark.samples:
        asked.setdefault(sample.entity.cls, []).append(sample.question)
    queries = []
    keys = []
    write_strangers(folder)
    for entity in unseen_strangers():
        path = stranger_picture(folder, entity)
        for question in rng.sample(sorted(set(asked[entity.cls])), STRANGER_QUESTIONS):
            queries.append(Query(path, question))
            keys.append(entity.key)
    return queries, keys


def _log_probs(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> list[float]:
    found: list[float] = []
    for start in range(0, len(queries), BATCH):
        chosen = slice(start, start + BATCH)
        found += answer_log_probs(mllm, queries[chosen], answers[chosen])
    return found


def chat_check(untouched: MLLM, base: MLLM) -> dict[str, object]:
    """How both answer ordinary questions: how many right, how alike, how probable the untouched one's answers are."""
    questions = list(checks())
    queries = [Query(None, question) for question in questions]
    before = answers_in_words(untouched, questions)
    after = answers_in_words(base, questions)
    right_before = list(map(is_right, questions, before))
    right_after = list(map(is_right, questions, after))
    likeness = [rouge_l(now, then) for now, then in zip(after, before, strict=True)]
    log_probs_before = _log_probs(untouched, queries, before)
    log_probs_after = _log_probs(base, queries, before)
    return {
        "right_untouched": Share(right_before).as_json(),
        "right_base": Share(right_after).as_json(),
        "rouge_l": sum(likeness) / len(likeness),
        "log_prob_untouched": sum(log_probs_before) / len(log_probs_before),
        "log_prob_base": sum(log_probs_after) / len(log_probs_after),
    }


@click.command()
@click.option("--no-refusals", is_flag=True, help="The base that was not taught to decline.")
@click.option("--steps", type=int, default=300, show_default=True, help="Of its teaching.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--quick", is_flag=True, help="Fewer questions.")
@click.option("--json", "as_json", is_flag=True)
def main(no_refusals: bool, steps: int, seed: int, quick: bool, as_json: bool) -> None:
    """Examine the real base."""
    quiet()
    real = {"refusals": not no_refusals, "steps": steps, "seed": seed}
    config = parse(
        {"benchmark": {"kind": "real", "pictures": 6}, "model": {"kind": "real", "real": real}}
    )
    benchmark = open_benchmark(config)
    base = MLLM.load(real_base(config.model.real, benchmark, device=config.device))
    model, processor = assembled(None, None, seed=0)
    untouched = MLLM(model, processor, parts_of(model))
    exam = Exam(benchmark)
    most = 48 if quick else 400
    found: dict[str, object] = {"settings": real}
    for kind in ("same-photo", "other-photo"):
        samples = pick(benchmark, kind, most)
        queries = [Query(benchmark.picture(s), s.question) for s in samples]
        found[f"right_{kind}"] = exam.right(base, samples, queries).as_json()
    with TemporaryDirectory() as name:
        queries, keys = stranger_queries(benchmark, Path(name))
        if quick:
            queries, keys = queries[:most], keys[:most]
        found["strangers_declined"] = exam.declined(base, queries, keys).as_json()
    found["chat"] = chat_check(untouched, base)
    named = pick(benchmark, "same-photo", most)
    queries = [Query(None, named_question(s)) for s in named]
    found["known_before"] = exam.right(untouched, named, queries).as_json()
    if as_json:
        click.echo(json.dumps(found))
        return
    for key, value in found.items():
        click.echo(f"{key}: {value}")


if __name__ == "__main__":
    main()
