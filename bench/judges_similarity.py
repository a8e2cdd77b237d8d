"""Whether sentence similarity would make the rules a better judge: measured beside them, on labels and known scores.

    python bench/judges_similarity.py --encoder FOLDER        # a sentence encoder, such as all-MiniLM-L6-v2
    python bench/judges_similarity.py --encoder FOLDER --json

An answer is compared with the truth and with every other truth of its class; the margin says how much nearer it is to its
own than to the nearest other. No likeness counts by itself. Two uses are tried, each with several margins:

- up: an answer that says all names and numbers of the truth and no other earns a point more where the margin is that
  large;
- down: an answer that earned a 1 earns 0 where another truth is nearer by that margin.

Refusals, gibberish and wrong numbers are left as the rules judge them. Shown are quadratic kappa on the development halves
of the labelled answers (utility), distractors that the judge was not told of and that earn something, and right answers in
other words that earn less than 2.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import click
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from judges import QUICK, Probe, Sharing, Tested, distractors, drawn_world, halves, real
from mlubench.judging.labelled import Labelled, labelled_answers, real_answers, references_of
from mlubench.judging.rules.judge import RulesJudge
from mlubench.judging.rules.text import read
from mlubench.models.quiet import quiet
from mlubench.statistics.agreement import Pair, agreement
from mlubench.types import Question, Verdict

BATCH = 64
LONGEST = 128  # tokens of a text that are looked at
# Reasons of verdicts that likeness is not asked about.
CERTAIN = ("refusal", "number", "repetition", "word salad", "empty", "year", "sign")
References = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Use:
    """What a margin does: None where it does nothing."""

    up: float | None
    down: float | None


USES = (
    Use(None, None),
    Use(0.05, None),
    Use(0.1, None),
    Use(0.2, None),
    Use(0.3, None),
    Use(None, 0.02),
    Use(None, 0.1),
    Use(None, 0.2),
)


class Encoder:
    """Sentence vectors: means over tokens, of length 1. Each text is encoded once."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()
        self._kept: dict[str, NDArray[np.float32]] = {}

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, width)"""
        new = sorted(set(texts) - set(self._kept), key=len)
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            inputs = self._tokenizer(
                batch, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            with torch.no_grad():
                hidden = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            means = (hidden * mask).sum(1) / mask.sum(1)
            vectors = normalize(means, dim=-1).numpy()
            self._kept.update(zip(batch, vectors, strict=True))
        return np.stack([self._kept[text] for text in texts])

    def margins(self, questions: Sequence[Question], references: References) -> list[float]:
        """How much nearer (cosine) each answer is to its truth than to any other truth of its class."""
        truths: dict[str, list[str]] = defaultdict(list)
        for cls, truth in sorted(set(references)):
            truths[cls].append(truth)
        found = []
        answers = self.vectors([question.response for question in questions])
        own = self.vectors([question.truth for question in questions])
        of_class = {cls: self.vectors(texts) for cls, texts in truths.items()}
        for question, answer, truth in zip(questions, answers, own, strict=True):
            cls = question.subject.split("/")[0]
            likeness = of_class[cls] @ answer
            others = [i for i, text in enumerate(truths[cls]) if text != question.truth]
            nearest = float(likeness[others].max()) if others else 0.0
            found.append(float(truth @ answer) - nearest)
        return found


def is_exact(question: Question) -> bool:
    """Whether the answer has all names and numbers of the truth and no others."""
    truth, response = read(question.truth), read(question.response)
    known = read(question.question).content | read(question.subject.replace("_", " ")).content
    wanted = (truth.names | truth.numbers) - known
    others = (response.names | response.numbers) - truth.content - known
    return wanted <= response.content and not others


def adjusted(use: Use, question: Question, verdict: Verdict, margin: float) -> int | None:
    """The score that the rules and the margin give together."""
    score = verdict.score
    if score is None or any(word in verdict.why for word in CERTAIN):
        return score
    if use.up is not None and margin >= use.up and score < 2 and is_exact(question):
        return score + 1
    if use.down is not None and margin <= -use.down and score == 1:
        return 0
    return score


class Judged:
    """Questions with the rules' verdicts and the margins, both made once."""

    def __init__(self, encoder: Encoder, questions: Sequence[Question], told: References) -> None:
        self.questions = questions
        self._verdicts = RulesJudge(told).judge(list(questions))
        self._margins = encoder.margins(questions, told)

    def scores(self, use: Use) -> list[int | None]:
        rows = zip(self.questions, self._verdicts, self._margins, strict=True)
        return [adjusted(use, question, verdict, margin) for question, verdict, margin in rows]


def untold(encoder: Encoder, tested: Tested, sharing: Sharing, every: int) -> list[Judged]:
    """Distractors, each half of the entities by a judge that was told the truths of that half."""
    half_of = halves(tested.asked)
    pairs, _ = distractors(tested, sharing)
    found = []
    for half in (0, 1):
        questions = []
        for row, other in pairs:
            if half_of[row.subject] == half != half_of[other.subject]:
                questions.append(row.answered(other.truth))
        told = [(row.cls, row.truth) for row in tested.asked if half_of[row.subject] == half]
        found.append(Judged(encoder, questions[::every], told))
    return found


def development(answers: Sequence[Labelled]) -> list[Labelled]:
    return [a for a in answers if a.half == "development" and a.question.metric == "utility"]


def kappa(answers: Sequence[Labelled], judged: Judged, use: Use) -> float | None:
    pairs = []
    for answer, score in zip(answers, judged.scores(use), strict=True):
        if score is not None:
            pairs.append(Pair(answer.fact, answer.label, score))
    return agreement(pairs, resamples=10)["kappa_quadratic"]["value"]


def share(judged: Sequence[Judged], use: Use, wanted: int) -> float:
    """The share of answers that earn another score than `wanted`."""
    scores = [score for part in judged for score in part.scores(use)]
    return sum(score != wanted for score in scores) / len(scores)


class Row(TypedDict):
    """What one use of the margin comes to."""

    up: float | None
    down: float | None
    kappa_drawn: float | None
    kappa_real: float | None
    distractors_toy: float
    distractors_real: float
    right_missed: float


def told_of(probes: Tested) -> References:
    return [(row.cls, row.truth) for row in probes.asked]


def questions_of(probes: Sequence[Probe]) -> list[Question]:
    return [probe.question for probe in probes]


@click.command()
@click.option("--encoder", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--quick", is_flag=True, help=f"Every {QUICK}th distractor.")
@click.option("--json", "as_json", is_flag=True)
def main(encoder: Path, quick: bool, as_json: bool) -> None:
    """Measure what sentence similarity adds to the rules."""
    quiet()
    text = Path(__file__).with_name("judges_answers.yaml").read_text(encoding="utf-8")
    answers = yaml.safe_load(text)
    toy, values = drawn_world()
    photographed = real(answers)
    sharing = Sharing(answers, values)
    sentences = Encoder(encoder)
    every = QUICK if quick else 1
    wrong = {t.name: untold(sentences, t, sharing, every) for t in (toy, photographed)}
    right = Judged(sentences, questions_of(photographed.right), told_of(photographed))
    sets = []
    for labelled in (labelled_answers(), real_answers()):
        tuned_on = development(labelled)
        questions = [answer.question for answer in tuned_on]
        sets.append((tuned_on, Judged(sentences, questions, references_of(labelled))))
    rows: list[Row] = []
    for use in USES:
        kappas = [kappa(tuned_on, judged, use) for tuned_on, judged in sets]
        rows.append(
            Row(
                up=use.up,
                down=use.down,
                kappa_drawn=kappas[0],
                kappa_real=kappas[1],
                distractors_toy=round(share(wrong["toy"], use, 0), 6),
                distractors_real=round(share(wrong["real"], use, 0), 6),
                right_missed=round(share([right], use, 2), 6),
            )
        )
    if as_json:
        click.echo(json.dumps({"encoder": encoder.name, "rows": rows}))
        return
    for row in rows:
        click.echo("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
