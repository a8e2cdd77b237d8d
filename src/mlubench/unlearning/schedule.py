"""The order in which a training sees its samples."""

import random
from collections.abc import Sequence

from mlubench.core.files import digest
from mlubench.types import Sample
from mlubench.unlearning.methods.base import AnswerKind

# One row of a batch: the sample that stands for each kind of answer.
Item = dict[AnswerKind, Sample]


def schedule(
    forget: Sequence[Sample], retain: Sequence[Sample], *, epochs: int, seed: int
) -> list[Item]:
    """All items of a training, in order.

    Each epoch holds every forget sample once, in an order of its own. With it goes a retain sample; these go round and
    round in one order, so that all have been seen before one comes back.
    """
    rng = random.Random(seed)
    # A generator of its own: the order of forget samples does not depend on how many retain samples there are.
    retain_order = random.Random(seed).sample(list(retain), len(retain))
    items: list[Item] = []
    for _ in range(epochs):
        for sample in rng.sample(list(forget), len(forget)):
            # A refusal answers the forget sample's own question.
            item: Item = {"forget": sample, "refusal": sample}
            if retain_order:
                item["retain"] = retain_order[len(items) % len(retain_order)]
            items.append(item)
    return items


def step_seed(*parts: object) -> int:
    """A seed for one step of a run, the same whichever steps ran before it in this process."""
    return int(digest([str(part) for part in parts], 8), 16) % 2**31
