"""The control for every judge: honest answers on the wrong samples, which must score at chance."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlubench.judging.rules.judge import RulesJudge
from mlubench.types import Question, Verdict

# Random swaps tried for each item, after which the deal shows no trace of the order it began with.
MIXING = 30


class ShuffledJudge:
    """Deals the responses of a batch to other subjects' questions and lets the rules judge those.

    A score is worth only what it adds to the score that answers earn when they have nothing to do with their questions.
    Utility judged so must fall to about 0. Where it does not, the judge rewards style or shared words.
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
        subjects = [question.subject for question in questions]
        dealt = deal(subjects, random.Random(self._seed))
        swapped = []
        for question, giver in zip(questions, dealt, strict=True):
            swapped.append(replace(question, response=questions[giver].response))
        verdicts = []
        for verdict, giver in zip(self._rules.judge(swapped), dealt, strict=True):
            # A reader of the verdict would otherwise look for its words in the wrong answer.
            verdicts.append(replace(verdict, why=f"response of sample {giver}: {verdict.why}"))
        return verdicts


def deal(groups: Sequence[str], rng: random.Random) -> list[int]:
    """A random permutation that keeps nothing in its own group, as far as that is possible.

    Returns, for each item, the index of the item whose response it gets.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    parts = list(members.values())
    rng.shuffle(parts)
    for part in parts:
        rng.shuffle(part)
    order = [i for part in parts for i in part]
    # With the items sorted by group, moving all by the size of the largest group gives each an item of another group,
    # wherever no group holds more than half.
    shift = max(map(len, parts), default=0)
    if len(parts) == 1:
        # There is no other group; a shift by its whole size would leave every item where it is.
        shift = 1
    dealt = [0] * len(order)
    for position, i in enumerate(order):
        dealt[i] = order[(position + shift) % len(order)]
    # Random swaps that break nothing take the order out of it.
    for _ in range(MIXING * len(dealt)):
        i = rng.randrange(len(dealt))
        j = rng.randrange(len(dealt))
        if groups[i] != groups[dealt[j]] and groups[j] != groups[dealt[i]]:
            dealt[i], dealt[j] = dealt[j], dealt[i]
    return dealt
