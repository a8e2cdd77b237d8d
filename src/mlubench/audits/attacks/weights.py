"""The weights changed: rounded, pruned or disturbed, which may undo what unlearning changed but little."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from mlubench.audits.attack import Ask, Attack, Attacked, Target, Way, ask
from mlubench.audits.studio import Studio

NAMES = ("int8", "int4", "pruned 30%", "noise 10%")


def _as_it_stands(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)]


def _changed(name: str) -> Callable[[Attacked], AbstractContextManager[None]]:
    def inside(system: Attacked) -> AbstractContextManager[None]:
        return system.with_weights(name)

    return inside


ATTACK = Attack(
    meaning="the share of forgotten facts that are told again once the weights are rounded, pruned or disturbed",
    ways=tuple(Way(name, _as_it_stands, inside=_changed(name)) for name in NAMES),
    access="weights",
)
