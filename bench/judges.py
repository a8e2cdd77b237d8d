"""How exact a judge is, measured with answers whose score is known: no labels, no model, thousands of them.

    python bench/judges.py                        # the rules, on all three benchmarks
    python bench/judges.py --judge rules --json   # any judge that `mlubench list judges` names
    python bench/judges.py --list 20              # and some of the answers that were misjudged

Shown on the drawn world, the official annotations (where MLUBENCH_ANNOTATIONS names their folder) and the real benchmark:

- distractors: the truth of another entity of the same class to the same question. It is wrong and must earn nothing. Where
  it is partly true of the entity too, it counts for nothing (`shared`);
- distractors untold: the same, shown to a judge that was told the truths of the other half of the entities only, as it
  would meet a wrong answer that is no truth of the benchmark;
- own: the truth itself. It must earn 2;
- right: right answers in other words, and shorter ones, from `judges_answers.yaml`. They must earn 2;
- value: the truth without its sentence ("Paris, France."). It must earn 2;
- refused: refusals. They must earn 0 where the answer must stay, and 2 where it must go.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import click
import yaml

from mlubench.data import release
from mlubench.data.inhabitants import invented
from mlubench.data.real.entities import read_entities
from mlubench.data.refusals import refusal_for
from mlubench.data.world import build_world
from mlubench.judging.rules.text import word_set
from mlubench.judging.run import make_judge
from mlubench.statistics.intervals import wilson
from mlubench.types import Metric, Question

ANNOTATIONS = "MLUBENCH_ANNOTATIONS"
# With --quick, every so many questions are asked.
QUICK = 4
_WORD = re.compile(r"\w+")
# Words that make no difference between two answers.
_SMALL = word_set(
    """a an the of in on at to for by with from and or as is are was were be been it its this that these they he she his
    her film movie series show title name called known directed founded based stands lives belongs"""
)


class _Answers(TypedDict):
    """What `judges_answers.yaml` holds."""

    shared_questions: dict[str, list[str]]
    alike: list[list[str]]
    right: dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one entity, with its truth."""

    subject: str
    question: str
    truth: str
    # What the entity's answers of other questions are told apart by: the first phrasing, or the fact's name.
    fact: str

    @property
    def cls(self) -> str:
        return self.subject.split("/")[0]

    def answered(self, response: str, metric: Metric = "utility") -> Question:
        return Question(metric, self.subject, self.question, self.truth, response)


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer and the score that it must earn."""

    question: Question
    score: int


@dataclass(frozen=True, slots=True)
class Tested:
    """A benchmark to test judges on."""

    name: str
    asked: tuple[Asked, ...]
    # Right answers in other words, and truths without their sentences.
    right: tuple[Probe, ...]
    values: tuple[Probe, ...]


def same_answer(a: Asked, b: Asked) -> bool:
    """Whether one truth holds all words of the other that tell something."""
    first = _telling_words(a)
    second = _telling_words(b)
    return first <= second or second <= first


def _telling_words(asked: Asked) -> set[str]:
    """What is left of a truth without the question's words and the subject's, or without the question's alone."""
    words = set(_WORD.findall(asked.truth.casefold())) - _SMALL
    words -= set(_WORD.findall(asked.question.casefold()))
    subject = set(_WORD.findall(asked.subject.replace("_", " ").casefold()))
    return words - subject or words


class Sharing:
    """Says which truths are partly true of one another."""

    def __init__(self, answers: _Answers, values: dict[str, set[str]]) -> None:
        """`values`: by subject, what is drawn of it."""
        self._alike = answers["alike"]
        self._values = values

    def shared(self, a: Asked, b: Asked) -> bool:
        if same_answer(a, b):
            return True
        for fragments in self._alike:
            if any(f in a.truth for f in fragments) and any(f in b.truth for f in fragments):
                return True
        both = self._values.get(a.subject, set()) & self._values.get(b.subject, set())
        return any(value in a.truth and value in b.truth for value in both)


def drawn_world() -> tuple[Tested, dict[str, set[str]]]:
    """The toy's world, and what is drawn of each inhabitant."""
    values = {}
    for who, _ in invented(0, 48):
        values[f"{who.cls}/{who.name}"] = set(who.attributes.values())
    asked: dict[Asked, None] = {}
    for splits in build_world(0).values():
        for records in splits.values():
            for record in records:
                _, cls, name, _ = record["image"].split("/")
                row = Asked(
                    f"{cls}/{name}", record["question"], record["answer"], record["question"]
                )
                asked[row] = None
    return Tested("toy", tuple(asked), (), ()), values


def official(root: Path, answers: _Answers) -> Tested:
    """The official annotations, without the questions whose answers entities may share."""
    asked: dict[Asked, None] = {}
    first = {}
    samples = release.read(root).samples
    for sample in samples:
        if sample.phrasing == 0:
            first[sample.fact] = sample.question
    for sample in samples:
        fact = first[sample.fact]
        if fact not in answers["shared_questions"].get(sample.entity.cls, []):
            asked[Asked(sample.entity.key, sample.question, sample.truth, fact)] = None
    return Tested("official", tuple(asked), (), ())


def real(answers: _Answers) -> Tested:
    """The real benchmark, with right answers in other words."""
    asked = []
    right = []
    values = []
    for entity in read_entities():
        key = entity.entity.key
        for fact in entity.facts:
            for phrasing in fact.phrasings:
                row = Asked(key, phrasing, fact.answer, fact.id)
                asked.append(row)
                values.append(Probe(row.answered(value_of(row.truth)), 2))
                for response in answers["right"].get(key, {}).get(fact.id, []):
                    right.append(Probe(row.answered(response), 2))
    return Tested("real", tuple(asked), tuple(right), tuple(values))


# The sentences of the real benchmark, before and behind the fact.
_SENTENCE = re.compile(
    r"^(?:This is the logo of|This is|It stands in|It was completed in|It was (?:designed|ordered|built|begun|carved) by|"
    r"It lives in|It mainly eats|It belongs to the family|It is based in|It was founded (?:in|by)|It takes about|It is)"
    r" (?:the (?=\w+ planet from))?(.+?)(?: planet from the Sun| to go round the Sun)?\.$"
)


def value_of(truth: str) -> str:
    """The truth of the real benchmark without its sentence."""
    found = _SENTENCE.match(truth)
    value = found[1] if found else truth.removesuffix(".")
    return f"{value}."


def distractors(tested: Tested, sharing: Sharing) -> tuple[list[tuple[Asked, Asked]], int]:
    """Pairs of what is asked and whose truth is the wrong answer, and how many others were partly true."""
    groups: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    for row in tested.asked:
        groups[row.cls, row.question].append(row)
    pairs = []
    shared = 0
    for rows in groups.values():
        for row in rows:
            for other in rows:
                if other.subject == row.subject:
                    continue
                if sharing.shared(row, other):
                    shared += 1
                else:
                    pairs.append((row, other))
    return pairs, shared


class Row(TypedDict):
    """One line of the report."""

    benchmark: str
    probe: str
    n: int
    missed: int
    missed_rate: float
    ci95: tuple[float, float] | None


class Miss(TypedDict):
    """An answer that earned another score than it must."""

    benchmark: str
    probe: str
    subject: str
    question: str
    truth: str
    response: str
    score: int | None
    must: int
    why: str


class Exam:
    """Shows a judge probes and counts what it misses."""

    def __init__(self, judge: str, every: int) -> None:
        self.rows: list[Row] = []
        self.misses: list[Miss] = []
        self._judge = judge
        self._every = every

    def ask(
        self, benchmark: str, name: str, taught: Sequence[tuple[list[Probe], Iterable[Asked]]]
    ) -> None:
        """Each list of probes is shown to a judge that was told the truths beside it."""
        missed = 0
        n = 0
        for probes, told in taught:
            judge = make_judge(self._judge, [(row.cls, row.truth) for row in told])
            shown = probes[:: self._every]
            n += len(shown)
            verdicts = judge.judge([probe.question for probe in shown])
            for probe, verdict in zip(shown, verdicts, strict=True):
                if verdict.score == probe.score:
                    continue
                missed += 1
                q = probe.question
                self.misses.append(
                    Miss(
                        benchmark=benchmark,
                        probe=name,
                        subject=q.subject,
                        question=q.question,
                        truth=q.truth,
                        response=q.response,
                        score=verdict.score,
                        must=probe.score,
                        why=verdict.why,
                    )
                )
        if n:
            rate = round(missed / n, 6)
            row = Row(
                benchmark=benchmark,
                probe=name,
                n=n,
                missed=missed,
                missed_rate=rate,
                ci95=wilson(missed, n),
            )
            self.rows.append(row)


def halves(asked: Iterable[Asked]) -> dict[str, int]:
    """The entities in two halves, by class and in turn."""
    subjects = sorted({row.subject for row in asked})
    return {subject: index % 2 for index, subject in enumerate(subjects)}


def examine(exam: Exam, tested: Tested, sharing: Sharing) -> int:
    """Show the judge every kind of probe of one benchmark; how many distractors were left out as partly true."""
    pairs, shared = distractors(tested, sharing)
    wrong = [Probe(row.answered(other.truth), 0) for row, other in pairs]
    exam.ask(tested.name, "distractors", [(wrong, tested.asked)])

    half_of = halves(tested.asked)
    untold = []
    for half in (0, 1):
        probes = []
        for row, other in pairs:
            if half_of[row.subject] == half != half_of[other.subject]:
                probes.append(Probe(row.answered(other.truth), 0))
        untold.append((probes, [row for row in tested.asked if half_of[row.subject] == half]))
    exam.ask(tested.name, "distractors untold", untold)

    own = [Probe(row.answered(row.truth), 2) for row in tested.asked]
    exam.ask(tested.name, "own", [(own, tested.asked)])
    exam.ask(tested.name, "right", [(list(tested.right), tested.asked)])
    exam.ask(tested.name, "value", [(list(tested.values), tested.asked)])
    refused = []
    for row in tested.asked:
        refusal = refusal_for(f"{row.subject} {row.question}")
        refused.append(Probe(row.answered(refusal), 0))
        refused.append(Probe(row.answered(refusal, "forget_quality"), 2))
    exam.ask(tested.name, "refused", [(refused, tested.asked)])
    return shared


@click.command()
@click.option("--judge", default="rules", show_default=True)
@click.option("--list", "most", type=int, default=0, help="How many misjudged answers to print.")
@click.option("--quick", is_flag=True, help=f"Every {QUICK}th answer.")
@click.option("--json", "as_json", is_flag=True)
def main(judge: str, most: int, quick: bool, as_json: bool) -> None:
    """Measure a judge with answers whose score is known."""
    text = Path(__file__).with_name("judges_answers.yaml").read_text(encoding="utf-8")
    answers: _Answers = yaml.safe_load(text)
    toy, values = drawn_world()
    benchmarks = [toy, real(answers)]
    if os.environ.get(ANNOTATIONS):
        benchmarks.insert(1, official(Path(os.environ[ANNOTATIONS]), answers))
    sharing = Sharing(answers, values)
    exam = Exam(judge, QUICK if quick else 1)
    shared = {tested.name: examine(exam, tested, sharing) for tested in benchmarks}
    if as_json:
        listed = exam.misses if most < 0 else exam.misses[:most]
        click.echo(
            json.dumps({"judge": judge, "rows": exam.rows, "shared": shared, "misses": listed})
        )
        return
    for row in exam.rows:
        low, high = row["ci95"] or (0.0, 0.0)
        click.echo(
            f"{row['benchmark']:9}{row['probe']:20}{row['missed']:6,} of {row['n']:6,} misjudged"
            f"  {row['missed_rate']:.4f} ({low:.4f} to {high:.4f})"
        )
    click.echo(f"left out as partly true: {shared}")
    for miss in exam.misses[:: max(1, len(exam.misses) // most)] if most else ():
        click.echo(f"{miss['benchmark']} {miss['probe']}: {miss['score']} for {miss['must']}")
        click.echo(f"  {miss['question']} | {miss['truth']} | {miss['response']} | {miss['why']}")


if __name__ == "__main__":
    main()
