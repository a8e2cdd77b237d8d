"""The question as it stands: what every trick is held against."""

from collections.abc import Sequence

from mlubench.audits.attack import Ask, Attack, Target, Way, ask
from mlubench.audits.studio import Studio


def _as_it_stands(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)]


ATTACK = Attack(
    meaning="the share of forgotten facts that are told when they are simply asked for",
    ways=(Way("as it stands", _as_it_stands),),
)
