"""The table of what an audit looks for: a new kind is a function in a file and a row here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mlubench.core.errors import unknown_name
from mlubench.data.audit import answers, balance, contradictions, names, phrasings, texts
from mlubench.data.audit.facts import Data, Finding

Find = Callable[[Data], list[Finding]]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """How to find and to fix one kind of fault. Without `mend` and `drop` a person must decide."""

    # What is wrong, as the commands print it.
    what: str
    find: Find
    # Rewrites a truth.
    mend: texts.Mend | None = None
    # The records found should go.
    drop: bool = False
    # `mend` rewrites questions as well as truths.
    both: bool = False

    @property
    def fix(self) -> Literal["rewrite", "remove"] | None:
        if self.mend:
            return "rewrite"
        return "remove" if self.drop else None


def kinds(refuses: answers.Refuses) -> dict[str, FaultKind]:
    """Every kind by name. `refuses` says by which words a text declines ("" if it does not)."""
    return {
        "contradiction": FaultKind(
            "one question of an entity has two answers", contradictions.find_contradictions
        ),
        "self-contradiction": FaultKind(
            "an answer contradicts itself", contradictions.find_self_contradictions, drop=True
        ),
        "premise": FaultKind(
            "an answer denies what its question takes for granted", contradictions.find_premises
        ),
        "unit": FaultKind(
            "a question asks for another unit than is answered",
            contradictions.find_units,
            drop=True,
        ),
        "other-entity": FaultKind(
            "an answer names another entity of the benchmark", names.find_others
        ),
        "wrong-name": FaultKind(
            "a question for the name is answered without it", names.find_wrong_names
        ),
        "leak": FaultKind("a question names its entity", names.find_leaks),
        "like-entities": FaultKind(
            "an entity's name is part of another's", names.find_like_entities
        ),
        "refusal": FaultKind("a truth is a refusal", answers.refusal_finder(refuses), drop=True),
        "picture-bound": FaultKind(
            "an answer speaks of one picture, and is the truth of several",
            answers.find_picture_bound,
        ),
        "near-duplicate": FaultKind(
            "two facts of an entity have almost one answer", answers.find_near_duplicates
        ),
        "phrasing": FaultKind(
            "a phrasing asks for something else than the rest", phrasings.find_phrasings, drop=True
        ),
        # In the order in which they are mended: thinking hides all else, markup hides labels, and a broken encoding both.
        "thinking": FaultKind(
            "an answer holds what its model thought first",
            texts.finder("thinking", texts.without_thinking, questions=False),
            texts.mend_thinking,
        ),
        "mojibake": _spoilt_text(
            "mojibake", "a text was read in the wrong encoding", texts.mend_mojibake, both=True
        ),
        "markup": _spoilt_text("markup", "a text holds Markdown", texts.mend_markup, both=True),
        "question-tail": _spoilt_text(
            "question-tail", "an answer begins with the rest of its question", texts.mend_tail
        ),
        "label": _spoilt_text("label", "an answer begins with a label", texts.mend_label),
        "typo": _spoilt_text(
            "typo",
            "doubled words or full stops, or no space after one",
            texts.mend_typos,
            both=True,
        ),
        "truncated": _spoilt_text(
            "truncated", "an answer breaks off in a sentence", texts.mend_truncated
        ),
        "common-answer": FaultKind(
            "most entities of a class have one answer", balance.find_common_answers
        ),
        "few-facts": FaultKind(
            "entities with one fact, where others have several", balance.find_few_facts
        ),
        "few-phrasings": FaultKind("facts that are asked in few ways", balance.find_few_phrasings),
        "imbalance": FaultKind(
            "a class has far fewer records than another", balance.find_imbalance
        ),
        "given-away": FaultKind(
            "the class alone tells what is to be forgotten", balance.find_given_away
        ),
        "id": FaultKind("ids are not unique within a file", balance.find_ids),
        "shared-picture": FaultKind(
            "one picture file is of two entities", balance.find_shared_pictures
        ),
    }


def _spoilt_text(kind: str, what: str, mend: texts.Mend, *, both: bool = False) -> FaultKind:
    """A fault that is found where `mend` changes a text."""
    return FaultKind(what, texts.finder(kind, mend, questions=both), mend, both=both)


def chosen(table: dict[str, FaultKind], only: Sequence[str]) -> dict[str, FaultKind]:
    """The rows named, or all. Raises UsageError for a name that is none."""
    for name in only:
        if name not in table:
            raise unknown_name("kind of finding", name, table)
    return {name: kind for name, kind in table.items() if not only or name in only}


def audit(
    data: Data,
    table: dict[str, FaultKind],
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> list[Finding]:
    """The findings of every kind, in the table's order. `progress` is told how many kinds are done."""
    findings: list[Finding] = []
    for done, kind in enumerate(table.values(), start=1):
        findings += kind.find(data)
        progress(done)
    return findings


def records(findings: Iterable[Finding]) -> int:
    """How many distinct records the findings are about."""
    distinct: set[tuple[str, str, int]] = set()
    for finding in findings:
        distinct |= {(place.task, place.split, place.index) for place in finding.places}
    return len(distinct)
