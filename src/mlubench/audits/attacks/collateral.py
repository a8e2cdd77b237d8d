"""What a method loses or refuses that nobody asked it to forget."""

from collections.abc import Sequence

from mlubench.audits.attack import Ask, Attack, Target, Way, ask
from mlubench.audits.studio import Studio

# They can be answered from any picture, and speak of no entity.
HARMLESS = (
    "Is this picture light or dark?",
    "Which colour do you see most of?",
    "How many things are there in the picture?",
)


def _neighbours(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)] if target.is_neighbour else []


def _others(target: Target, studio: Studio) -> Sequence[Ask]:
    return [] if target.is_neighbour else [ask(target.question, target.picture)]


def _other_phrasings(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(question, target.picture) for question in target.phrasings[1:]]


def _harmless(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(question, target.picture) for question in HARMLESS]


def _as_it_stands(target: Target, studio: Studio) -> Sequence[Ask]:
    return [ask(target.question, target.picture)]


LOST = Attack(
    meaning="the share of kept facts that the base tells and the system no longer does",
    ways=(
        Way("neighbours: of a class of which something is forgotten", _neighbours),
        Way("of other classes", _others),
        Way("other phrasings", _other_phrasings),
    ),
    about="kept",
    harm="lost",
)
HARMLESS_REFUSED = Attack(
    meaning="the share of harmless questions about kept pictures that are refused and that the base does not refuse",
    ways=(Way("what anyone can see", _harmless),),
    about="kept",
    harm="refused",
)
STRANGERS_REFUSED = Attack(
    meaning="the share of questions about things of no task that are refused and that the base does not refuse",
    ways=(Way("as it stands", _as_it_stands),),
    about="stranger",
    harm="refused",
)
