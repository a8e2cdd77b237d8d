"""What is uneven: one answer to almost all, entities with one fact, splits that the class gives away, repeated ids."""

import re
from collections import Counter, defaultdict
from itertools import chain

from mlubench.data.audit.facts import Data, Finding, Place, places_of, polarity, quote
from mlubench.data.release import fold
from mlubench.types import Entity, Split

_NOT_HEX = re.compile(r"[^0-9a-f]")
# Hexadecimal digits from which a file's name is like a hash: no second picture has it by chance.
_TELLING = 8
# A name in more entities' folders than that is a way to number files.
_MOST_OWNERS = 3
_ASKED = 4  # entities, from which a share means something
_FEW = 0.2  # of the largest class's records
# Of the entities, so many have one answer: from there on it can be guessed without the picture.
_SHARE = 0.75
_SHOWN = 6  # names in one message


def find_common_answers(data: Data) -> list[Finding]:
    """Most entities of a class have one answer to a question, so it can be had without looking at the picture."""
    # (class, question) -> the first answer of each entity.
    answers: dict[tuple[str, str], dict[Entity, str]] = defaultdict(dict)
    for fact in data.facts:
        for question in fact.asked:
            # Two answers that say "yes" are one, whatever follows.
            answer = polarity(fact.truth) or fold(fact.truth)
            answers[fact.entity.cls, data.group(fact, question)].setdefault(fact.entity, answer)
    findings = []
    for (cls, question), by_entity in answers.items():
        answer, count = Counter(by_entity.values()).most_common(1)[0]
        if len(by_entity) >= _ASKED and count >= _SHARE * len(by_entity):
            message = f"{cls}: {quote(answer)} for {count} of {len(by_entity)} to {quote(question)}"
            findings.append(Finding("common-answer", message))
    return findings


def find_few_facts(data: Data) -> list[Finding]:
    """Entities with one fact in a class where most have several: one wrong answer is all of their score."""
    findings = []
    for cls, facts in data.by_class.items():
        counts = Counter(fact.entity for fact in facts)
        usual = sorted(counts.values())[len(counts) // 2]  # the median
        few = [entity for entity, count in counts.items() if count == 1 < usual]
        if few:
            places = places_of(fact for entity in few for fact in data.by_entity[entity])
            message = f"{cls}: one fact (most have {usual}) of {_some(few)}"
            findings.append(Finding("few-facts", message, places))
    return findings


def find_few_phrasings(data: Data) -> list[Finding]:
    """Facts that are asked in at most half as many ways as most, so that nothing tells learnt words from knowledge."""
    usual = sorted(len(fact.asked) for fact in data.facts)[len(data.facts) // 2]  # the median
    findings = []
    for cls, facts in data.by_class.items():
        thin = [fact for fact in facts if len(fact.asked) * 2 <= usual]
        if thin:
            places = places_of(thin)
            message = f"{cls}: {len(thin)} of {len(facts)} facts have at most half of the usual {usual} phrasings"
            findings.append(Finding("few-phrasings", message, places))
    return findings


def counts(data: Data) -> dict[str, dict[str, int]]:
    """{class: {entities, facts, records, forget, retain, yes, no}}; yes and no count facts by how they begin."""
    table = {}
    for cls, facts in sorted(data.by_class.items()):
        splits = Counter(place.split for place in places_of(facts))
        begins = Counter(polarity(fact.truth) for fact in facts)
        table[cls] = {
            "entities": len({fact.entity for fact in facts}),
            "facts": len(facts),
            "records": splits.total(),
            "forget": splits["forget"],
            "retain": splits["retain"],
            "yes": begins["yes"],
            "no": begins["no"],
        }
    return table


def find_imbalance(data: Data) -> list[Finding]:
    """A class has fewer records than a fifth of the largest's, so that scores say little about it."""
    records = {cls: row["records"] for cls, row in counts(data).items()}
    most = max(records, key=lambda cls: records[cls])
    findings = []
    for cls, count in records.items():
        if count < _FEW * records[most]:
            message = f"{cls}: {count:,} records, {most} has {records[most]:,}"
            findings.append(Finding("imbalance", message))
    return findings


def find_given_away(data: Data) -> list[Finding]:
    """A task forgets and keeps different classes, so that the class alone tells what must be refused."""
    # task -> split -> records of each class.
    classes: dict[str, dict[Split, Counter[str]]] = {}
    for fact in data.facts:
        for place in fact.places:
            splits = classes.setdefault(place.task, {"forget": Counter(), "retain": Counter()})
            splits[place.split][fact.entity.cls] += 1
    findings = []
    for task, splits in classes.items():
        for split, records in splits.items():
            other = splits["retain" if split == "forget" else "forget"]
            alone = [cls for cls in records if cls not in other]
            if not alone:
                continue
            share = sum(records[cls] for cls in alone) / records.total()
            message = (
                f"{task}: {share:.0%} of {split} is of classes that the other split lacks: "
                f"{', '.join(alone)}"
            )
            findings.append(Finding("given-away", message))
    return findings


def find_ids(data: Data) -> list[Finding]:
    """An id stands for several records of one file."""
    # (task, split) -> id -> the records that have it.
    files: dict[tuple[str, Split], dict[str, list[Place]]] = {}
    for place in places_of(data.facts):
        if isinstance(place.id, str | int):
            by_id = files.setdefault((place.task, place.split), {})
            by_id.setdefault(str(place.id), []).append(place)
    findings = []
    for (task, split), by_id in files.items():
        repeated = [places for places in by_id.values() if len(places) > 1]
        if not repeated:
            continue
        total = sum(len(places) for places in by_id.values())
        message = (
            f"{task} {split}: {len(by_id)} ids for {total} records, "
            f"{len(repeated)} of them used again"
        )
        findings.append(Finding("id", message, tuple(chain.from_iterable(repeated))))
    return findings


def find_shared_pictures(data: Data) -> list[Finding]:
    """One picture file, by its name, lies in the folders of two entities."""
    # File name -> the entities in whose folders it lies, each with the first record that names it.
    owners: dict[str, dict[Entity, Place]] = defaultdict(dict)
    for fact in data.facts:
        for place in fact.places:
            owners[place.image.rsplit("/", 1)[-1]].setdefault(fact.entity, place)
    findings = []
    for name, places in owners.items():
        # "image_0001.jpg" in every folder is how files are numbered, not one picture.
        stem = name.rsplit(".", 1)[0]
        is_telling = len(_NOT_HEX.sub("", stem)) >= _TELLING
        if is_telling and 1 < len(places) <= _MOST_OWNERS:
            message = f"{quote(name)} is of {_some(list(places))}"
            findings.append(Finding("shared-picture", message, tuple(places.values())))
    return findings


def _some(entities: list[Entity]) -> str:
    """The names of the first few entities, and how many more there are."""
    shown = ", ".join(entity.name for entity in entities[:_SHOWN])
    more = len(entities) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
