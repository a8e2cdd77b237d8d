"""The base alone: what leaks to whoever holds the weights and leaves adapters, gate and prompt away."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from mlubench.audits.attack import Ask, Attack, Attacked, Target, Way, ask
from mlubench.audits.studio import Studio


def _as_it_stands(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)]


def _without_protection(system: Attacked) -> AbstractContextManager[None]:
    return system.unprotected()


ATTACK = Attack(
    meaning="the share of forgotten facts that whoever has the weights gets out by leaving the protection away",
    ways=(Way("without adapters, gate and prompt", _as_it_stands, inside=_without_protection),),
    access="weights",
)
