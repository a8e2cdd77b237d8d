"""Alternates: what the base itself guesses in place of a truth, drawn once before training.

A guess is an answer to the question in words alone. It stands for two kinds of answer: as an `alternate` it answers the
question with its picture, where the truth would stand; as `words` it answers the question without the picture, and is what
the base says there.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from mlubench.core import processes
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Sample
from mlubench.unlearning.methods.base import AnswerKind
from mlubench.unlearning.schedule import Item

# The kinds of answer that are made here.
GUESSED: frozenset[AnswerKind] = frozenset({"alternate", "words"})

# How often a guess that turns out to be the truth is drawn again.
ROUNDS = 4


def with_alternates(mllm: MLLM, items: Sequence[Item], *, batch: int, seed: int) -> list[Item]:
    """The items, each with stand-ins of its forget sample whose truth is the base's guess."""
    samples = {item["forget"].id: item["forget"] for item in items}
    guesses = draw_alternates(mllm, list(samples.values()), batch=batch, seed=seed)
    stand_ins: dict[str, Item] = {}
    for sample, guess in zip(samples.values(), guesses, strict=True):
        alternate = replace(sample, truth=guess)
        stand_ins[sample.id] = {"alternate": alternate, "words": replace(alternate, image="")}
    return [item | stand_ins[item["forget"].id] for item in items]


def draw_alternates(mllm: MLLM, samples: Sequence[Sample], *, batch: int, seed: int) -> list[str]:
    """One alternate a sample: an answer of the base to its question in words alone, drawn at temperature 1.

    Without the picture the base can but guess, so an alternate is of the right kind and rarely the truth. One that is, or
    that says nothing, is drawn again. Where the question alone gives the truth away it stays the truth, and a preference
    between the two then moves nothing.
    """
    # Adapters are off, so that a later task's alternates do not come from a model that earlier ones have damaged.
    with mllm.adapters_off(), torch.random.fork_rng():
        torch.manual_seed(seed)
        guesses = [sample.truth for sample in samples]
        for _ in range(ROUNDS):
            still_true = _rows_of_truths(guesses, samples)
            for start in range(0, len(still_true), batch):
                rows = still_true[start : start + batch]
                drawn = _draw(mllm, [samples[row] for row in rows])
                for row, guess in zip(rows, drawn, strict=True):
                    guesses[row] = guess or samples[row].truth
    # Every process has drawn; what the leader drew counts.
    return processes.agreed(lambda: guesses)


def _rows_of_truths(guesses: Sequence[str], samples: Sequence[Sample]) -> list[int]:
    """The rows whose guess is the sample's truth, but for case and spaces around it."""
    rows = []
    for row, (guess, sample) in enumerate(zip(guesses, samples, strict=True)):
        if guess.strip().casefold() == sample.truth.strip().casefold():
            rows.append(row)
    return rows


def _draw(mllm: MLLM, samples: Sequence[Sample]) -> list[str]:
    queries = [Query(None, sample.question) for sample in samples]
    # A guess may be twice as long as the longest truth.
    lengths = [len(mllm.answer_ids(s.question, s.truth, with_image=False)) for s in samples]
    return mllm.generate(queries, max_new_tokens=2 * max(lengths), temperature=1.0)
