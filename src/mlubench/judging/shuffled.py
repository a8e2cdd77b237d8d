"""The control for every judge: honest answers on the wrong samples, which must score at chance."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlubench.judging.rules.judge import RulesJudge
from mlubench.types import Question, Verdict

MIXING = 30  # random swaps tried for each item, after which the deal shows no trace of the order it began with


class ShuffledJudge:
    """Deals the responses of a batch to other subjects' questions and lets the rules judge those.

    Why: a score is worth only what it adds to the score that answers earn when they have nothing to do with their
    questions. Utility judged so must fall to about 0; where it does not, the judge rewards style or shared words.
    Forget quality cannot tell which question was refused, so it falls to the share of refusals in the whole batch:
    judge a batch with both splits to see it. The deal is drawn from `seed` alone, and is the same for the same batch.
    """

    name = "shuffled"
    version = None

    def __init__(self, references: Iterable[tuple[str, str]] = (), seed: int = 0) -> None:
        self._rules = RulesJudge(references)
        self._seed = seed

    def judge(self, questions: list[Question]) -> list[Verdict]:
        """Verdicts on the dealt responses, in the order of the questions."""
        dealt = deal([q.subject for q in questions], random.Random(self._seed))
        swapped = [
            replace(q, response=questions[j].response)
            for q, j in zip(questions, dealt, strict=True)
        ]
        verdicts = self._rules.judge(swapped)
        return [
            replace(v, why=f"response of sample {j}: {v.why}")
            for v, j in zip(verdicts, dealt, strict=True)
        ]


def deal(groups: Sequence[str], rng: random.Random) -> list[int]:
    """A random permutation that keeps nothing in its own group, as far as that is possible.

    Turning the items, sorted by group, by the size of the largest group gives each an item of another group wherever
    no group holds more than half; random swaps that break nothing then take the order out of it.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    parts = list(members.values())
    rng.shuffle(parts)
    for part in parts:
        rng.shuffle(part)
    order = [i for part in parts for i in part]
    turn = max(map(len, parts), default=0)
    if len(parts) == 1:
        turn = 1
    dealt = [0] * len(order)
    for at, i in enumerate(order):
        dealt[i] = order[(at + turn) % len(order)]
    for _ in range(MIXING * len(dealt)):
        i, j = rng.randrange(len(dealt)), rng.randrange(len(dealt))
        if _apart(groups, i, dealt[j]) and _apart(groups, j, dealt[i]):
            dealt[i], dealt[j] = dealt[j], dealt[i]
    return dealt


def _apart(groups: Sequence[str], a: int, b: int) -> bool:
    return groups[a] != groups[b]
