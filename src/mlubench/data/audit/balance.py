"""What is uneven: one answer to almost all, entities with one fact, splits that the class gives away, repeated ids."""

import re
from collections import Counter, defaultdict

from mlubench.data.audit.facts import Data, Finding, Place, polarity, quote
from mlubench.data.release import fold
from mlubench.types import Entity

_DIGITS = re.compile(r"[^0-9a-f]")
_TELLING = 8  # hex digits that make a file name one of a kind
_OWNERS = 3  # entities that one picture may be filed under
_ASKED = 4  # entities, from which a share means something
_FEW = 0.2  # of the largest class's records
_SHARE = 0.75  # of the entities with one answer, from which it can be guessed without the picture
_SHOWN = 6  # names in one message


def find_common_answers(data: Data) -> list[Finding]:
    """Most entities of a class have one answer to a question, so it can be had without looking at the picture."""
    answers: dict[tuple[str, str], dict[Entity, str]] = defaultdict(dict)
    for fact in data.facts:
        for question in fact.asked:
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
        usual = sorted(counts.values())[len(counts) // 2]
        few = [entity for entity, count in counts.items() if count == 1 < usual]
        if few:
            places: list[Place] = []
            for entity in few:
                for fact in data.by_entity[entity]:
                    places += fact.places
            message = f"{cls}: one fact (most have {usual}) of {_some(few)}"
            findings.append(Finding("few-facts", message, tuple(places)))
    return findings


def find_few_phrasings(data: Data) -> list[Finding]:
    """Facts that are asked in at most half as many ways as most, so that nothing tells learnt words from knowledge."""
    usual = sorted(len(fact.asked) for fact in data.facts)[len(data.facts) // 2]
    findings = []
    for cls, facts in data.by_class.items():
        thin = [fact for fact in facts if len(fact.asked) * 2 <= usual]
        if thin:
            places = tuple(place for fact in thin for place in fact.places)
            message = f"{cls}: {len(thin)} of {len(facts)} facts have at most half of the usual {usual} phrasings"
            findings.append(Finding("few-phrasings", message, places))
    return findings


def counts(data: Data) -> dict[str, dict[str, int]]:
    """{class: {entities, facts, records, forget, retain, yes, no}}; yes and no count facts by how they begin."""
    table = {}
    for cls, facts in sorted(data.by_class.items()):
        splits = Counter(place.split for fact in facts for place in fact.places)
        said = Counter(polarity(fact.truth) for fact in facts)
        table[cls] = {
            "entities": len({fact.entity for fact in facts}),
            "facts": len(facts),
            "records": splits.total(),
            "forget": splits["forget"],
            "retain": splits["retain"],
            "yes": said["yes"],
            "no": said["no"],
        }
    return table


def find_imbalance(data: Data) -> list[Finding]:
    """A class has fewer records than a fifth of the largest's, so that scores say little about it."""
    records = {cls: row["records"] for cls, row in counts(data).items()}
    most = max(records, key=lambda cls: records[cls])
    return [
        Finding("imbalance", f"{cls}: {count:,} records, {most} has {records[most]:,}")
        for cls, count in records.items()
        if count < _FEW * records[most]
    ]


def find_given_away(data: Data) -> list[Finding]:
    """A task forgets and keeps different classes, so that the class alone tells what must be refused."""
    classes: dict[str, dict[str, Counter[str]]] = defaultdict(
        lambda: {"forget": Counter(), "retain": Counter()}
    )
    for fact in data.facts:
        for place in fact.places:
            classes[place.task][place.split][fact.entity.cls] += 1
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
    files: dict[tuple[str, str], dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for fact in data.facts:
        for place in fact.places:
            if isinstance(place.id, str | int):
                files[place.task, place.split][str(place.id)].append(place)
    findings = []
    for (task, split), by_id in files.items():
        repeated = [places for places in by_id.values() if len(places) > 1]
        if repeated:
            places = tuple(place for group in repeated for place in group)
            total = sum(map(len, by_id.values()))
            message = f"{task} {split}: {len(by_id)} ids for {total} records, {len(repeated)} of them used again"
            findings.append(Finding("id", message, places))
    return findings


def find_shared_pictures(data: Data) -> list[Finding]:
    """One picture file, by its name, lies in the folders of two entities."""
    owners: dict[str, dict[Entity, Place]] = defaultdict(dict)
    for fact in data.facts:
        for place in fact.places:
            owners[place.image.rsplit("/", 1)[-1]].setdefault(fact.entity, place)
    findings = []
    for name, places in owners.items():
        # "image_0001.jpg" in every folder is how files are numbered, not one picture.
        stem = name.rsplit(".", 1)[0]
        is_telling = len(_DIGITS.sub("", stem)) >= _TELLING
        if is_telling and 1 < len(places) <= _OWNERS:
            message = f"{quote(name)} is of {_some(list(places))}"
            findings.append(Finding("shared-picture", message, tuple(places.values())))
    return findings


def _some(entities: list[Entity]) -> str:
    shown = ", ".join(entity.name for entity in entities[:_SHOWN])
    more = len(entities) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
