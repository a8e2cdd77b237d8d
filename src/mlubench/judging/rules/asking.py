"""What a question asks for, as far as its words tell: a number, a name, a place, a person, yes or no."""

import re

from mlubench.judging.rules.text import Reading, read

_NUMBER = re.compile(
    r"\b(?:when|date|year|years|how (?:long|many|old|much|far|tall|big)|period|duration|position|what time|time that)\b",
    re.I,
)
# Something else than a number, maybe beside one.
_NO_NUMBER = re.compile(
    r"\b(?:where|who|whom|place|birthplace)\b"
    r"|\b(?:which|what) (?:\w+ )?(?:network|channel|studio|country|city|company)\b",
    re.I,
)
_YEAR = re.compile(r"\b(?:what|which) year\b", re.I)
_EXACT = re.compile(r"\b(?:date|when|year)\b(?! years)", re.I)
_AND = re.compile(r"\band\b", re.IGNORECASE)
_PLACE = re.compile(
    r"\b(?:where|city|cities|place|location|located|based|headquarters|seat|head office|region|found|stands?|birthplace)\b",
    re.IGNORECASE,
)
_COUNTRY = re.compile(r"\b(?:country|countries|nation|state)\b", re.IGNORECASE)
_WHO = re.compile(r"\b(?:who|whom|whose)\b", re.I)
_PERSON = re.compile(r"\b(?:who|whom|whose|person|persons|founders?)\b", re.I)
# How the thing is called, in so many words ...
_SAYS_NAME = (
    r"\b(?:names?|titles?|called|referred to|identify)\b",
    r"\bwhat do people (?:\w+ )?call\b",
    r"^who is (?:this|that|he|she)\b",
)
# ... or as "which animal ...", "what flower ...", followed by one of these.
_WHAT_IS_SHOWN = (
    r"(?:does|do|is) (?:this|the|that) (?:picture|image|photo)\b",
    r"(?:do|can) you see\b",
    r"(?:are )?we (?:are )?(?:looking at|see)\b",
    r"is (?:this|that|it|shown|pictured)\W*$",
    r"(?:this|the) (?:picture|image|photo) (?:shows?|belongs to|is from|comes from)\b",
)
_NAME = re.compile(
    "|".join(_SAYS_NAME) + r"|\b(?:which|what) [\w -]{1,40}? (?:" + "|".join(_WHAT_IS_SHOWN) + ")",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"\b(?:scientific|botanical|latin|binomial)\b", re.I)
# Can be answered with yes or no.
_CLOSED = re.compile(
    r"^\W*(?:is|are|was|were|does|do|did|has|have|can|could|will)\b(?! you\b)", re.I
)
_OR = re.compile(r"\bor\b", re.I)
# Several answers, one after the other.
_OPTIONS = re.compile(
    r"(?:\b[a-z]{3,}, ){2,}(?:or )?[a-z]{3,}|(?:\b[a-z]{3,}, )+or [a-z]{3,}|\([a-z]{3,}(?:, [a-z]{3,})+\)",
    re.I,
)
_LAST_OPTION = re.compile(r"\bor ([^?]*)", re.I)
# At the start, or after a scrap of the question that some published answers begin with.
_YES_NO = re.compile(r"^[^a-z]*(yes|no)\b(?=\W*$|\s*[,.;:!\n-])|[?\n][^a-z]*(yes|no),", re.I)


def asks_for_number(question: str) -> bool:
    """Whether a date, an age, an amount or another number is asked for, maybe beside something else."""
    return bool(_NUMBER.search(question))


def asks_for_number_alone(question: str) -> bool:
    """Whether a number is asked for, and no place, person or name."""
    return asks_for_number(question) and not _NO_NUMBER.search(question)


def asks_for_year(question: str) -> bool:
    """Whether a year is all that is asked for of a date."""
    return bool(_YEAR.search(question))


def asks_for_exact_time(question: str) -> bool:
    """Whether a point in time is asked for, which a round number does not tell."""
    return bool(_EXACT.search(question))


def asks_for_two_things(question: str) -> bool:
    """Whether the question has an "and"."""
    return bool(_AND.search(question))


def asks_for_place(question: str) -> bool:
    """Whether a place is asked for; not so for the country that it is in."""
    return bool(_PLACE.search(question)) and not _COUNTRY.search(question)


def asks_who(question: str) -> bool:
    """Whether the question has a "who"."""
    return bool(_WHO.search(question))


def asks_for_person(question: str) -> bool:
    """Whether it asks who, or for a person or founder by these words."""
    return bool(_PERSON.search(question))


def asks_for_name(question: str) -> bool:
    """Whether the thing's common name is asked for."""
    if asks_for_number(question) or _SCIENTIFIC.search(question):
        return False
    return bool(_NAME.search(question))


def options(question: str) -> frozenset[str]:
    """The answers that a question offers: "(herbivore, carnivore, omnivore)", "native, or found globally"."""
    offered = " ".join(_OPTIONS.findall(question))
    last = _LAST_OPTION.search(question) if _CLOSED.search(question) else None
    return read(f"{offered} {last[1] if last else ''}").content


def side_taken(question: str, text: str, reading: Reading) -> str:
    """The side that a text takes on a yes-or-no question, "yes" or "no"; "" where there are no sides.

    `reading` is that of the text.
    """
    plain = _YES_NO.search(text)
    if plain:
        return (plain[1] or plain[2]).lower()
    if not _CLOSED.search(question) or _OR.search(question):
        return ""
    return "no" if read(question).content & reading.negated else "yes"
