"""Whether the model still sees as it did: counting, colours, positions and reading, in pictures of no entity."""

from collections.abc import Callable, Sequence

from mlubench.audits.attack import Ask, Attack, Target, Way
from mlubench.audits.studio import Studio
from mlubench.data.general import ABILITIES, Ability


def _asks_for(ability: Ability) -> Callable[[Target, Studio], Sequence[Ask]]:
    def asks(target: Target, studio: Studio) -> Sequence[Ask]:
        if target.sample.entity.cls != ability:
            return []
        candidates = (target.sample.truth, *target.rivals)
        return [Ask(target.question, ((0, target.picture),), candidates=candidates)]

    return asks


_WAYS = tuple(Way(ability, _asks_for(ability)) for ability in ABILITIES)

LOST = Attack(
    meaning="the share of general questions about drawn pictures that the base answers right and the system does not",
    ways=_WAYS,
    about="general",
    harm="lost",
)
REFUSED = Attack(
    meaning="the share of general questions about drawn pictures that are refused and that the base does not refuse",
    ways=_WAYS,
    about="general",
    harm="refused",
)
