"""How a method ends: does it refuse, answer, or speak no language any more, and in how many different answers?

A score of 0 in utility looks the same for a model that refuses everything and for one that has lost its language. A model
that only suppresses still knows, so that a refusal which claims not to know is untrue. Those are counted apart.
"""

from collections.abc import Sequence

from mlubench.judging.rules.gibberish import gibberish
from mlubench.judging.rules.ignorance import claims_ignorance
from mlubench.judging.rules.refusal import refusal
from mlubench.runs.folder import BASE, NOTHING_UNLEARNED, REFERENCES
from mlubench.runs.opening import Run
from mlubench.runs.results import EndingRow
from mlubench.types import METRIC_OF, AnswerRow, Split


def endings(run: Run, order: Sequence[str]) -> list[EndingRow]:
    """The base, and each method or reference that has finished: a row for what must go and one for what must stay."""
    rows = []
    finished = [*run.config.methods, *REFERENCES]
    states = [(BASE, NOTHING_UNLEARNED), *((name, order[-1]) for name in finished)]
    for method, after in states:
        cells = [run.answers(method, task, after) for task in order]
        if not all(cells):
            continue
        for split in METRIC_OF:
            answers = [row for cell in cells for row in cell if row.split == split]
            if answers:
                rows.append(ending(method, after, split, answers))
    return rows


def ending(method: str, after: str, split: Split, answers: Sequence[AnswerRow]) -> EndingRow:
    """Counts over answers, of which there must be one.

    Gibberish is what `rules.gibberish` finds, and an empty answer. A refusal that is gibberish counts as gibberish.
    """
    broken = 0
    refused = 0
    ignorant = 0
    for answer in answers:
        text = answer.response
        if not text.strip() or gibberish(text):
            broken += 1
        elif refusal(text):
            refused += 1
            ignorant += claims_ignorance(text)
    said = [" ".join(answer.response.casefold().split()) for answer in answers]
    return EndingRow(
        method=method,
        after=after,
        split=split,
        n=len(answers),
        refusals=refused,
        claims_ignorance=ignorant,
        gibberish=broken,
        distinct=len(set(said)),
        distinct_truths=len({answer.truth for answer in answers}),
    )
