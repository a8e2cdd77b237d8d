"""A little training on what was forgotten, or on anything: does what was not trained on come back too?"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from mlubench.audits.attack import Ask, Attack, Attacked, Target, Way, ask
from mlubench.audits.studio import Studio


def _as_it_stands(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)]


def _after(
    split: Literal["forget", "retain"], facts: int, steps: int
) -> Callable[[Attacked], AbstractContextManager[None]]:
    def inside(system: Attacked) -> AbstractContextManager[None]:
        return system.relearned(split, facts, steps)

    return inside


ATTACK = Attack(
    meaning="the share of forgotten facts that are told after training on a few other facts, forgotten or kept",
    ways=(
        Way("8 forgotten facts, 5 steps", _as_it_stands, inside=_after("forget", 8, 5)),
        Way("8 forgotten facts, 30 steps", _as_it_stands, inside=_after("forget", 8, 30)),
        Way("8 kept facts, 30 steps", _as_it_stands, inside=_after("retain", 8, 30)),
    ),
    access="weights",
    trains=True,
)
