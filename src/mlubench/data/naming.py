"""What of an entity's name only says what its pictures show: the official folders are named `Ford_corporation_logo`."""

import re

# Alike for names as in paths (`_`) and for plain words (spaces).
_GENERIC = re.compile(
    r"(?:[_ ]corporation)?(?:[_ ](?:logo|tv[_ ]show|tv[_ ]series))$|[_ ]corporation$", re.IGNORECASE
)


def without_generic_ending(name: str) -> str:
    """The name without "corporation", "logo", "TV show" or "TV series" at its end; "" where it is nothing else."""
    return _GENERIC.sub("", name)
