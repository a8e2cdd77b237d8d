"""Each fault of a text is found where it is planted, and the clean benchmark has none; for shares see test_balance."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.data import release
from mlubench.data.audit.facts import Finding, load
from mlubench.data.audit.kinds import audit, kinds
from mlubench.data.refusals import REFUSALS
from mlubench.judging.rules.refusal import refusal

Row = dict[str, str]
Rows = dict[str, dict[str, list[Row]]]  # by task and split
LIVE = "does this animal live"
Planted = Callable[..., list[Finding]]


def of(name: str, asks: str = "") -> Callable[[Row], bool]:
    return lambda row: f"/{name}/" in row["image"] and asks in row["question"]


def answer(text: str) -> Callable[[Row], None]:
    return lambda row: row.update(answer=text)


def question(text: str) -> Callable[[Row], None]:
    return lambda row: row.update(question=text)


# kind, which records, what is done to them, what the finding says, how many records it is about
FAULTS = [
    ("contradiction", of("Solaris", "Can this film"), answer("No, it is not."), "'Yes, in some places.' and 'No", 6),
    ("self-contradiction", of("Fox", "diet"), answer("Foxes are herbivores. Foxes are mostly carnivores."), "foxes", 4),
    ("self-contradiction", of("Solaris", "shown"), answer("Yes, it is not shown."), "says yes and denies", 2),
    ("premise", of("Fox", "called"), answer("That is a plant. It is not an animal."), "not a animal", 2),
    ("premise", of("Lynx", "diet"), question("What is its gestation period?"), "", 0),
    ("unit", of("Fox", "Where does"), lambda row: row.update(question="How many years?", answer="687 days"), "687", 2),
    ("other-entity", of("Solaris", "plot"), answer("A man sees a Lynx. He has Red Deer too."), "(forget names retain)", 4),
    ("wrong-name", of("Lynx", "alled"), answer("The Badger"), "'The Badger'", 2),
    ("leak", of("Fox", "Where does"), question("Where does the fox live?"), "the fox", 2),
    ("leak", of("Red_Deer", "Where does"), question("Where does this deer live?"), "this deer", 2),
    ("refusal", of("Fox", LIVE), answer("I'm sorry, but I can't say. It is a fox."), "I'm sorry", 2),
    ("picture-bound", of("Fox", LIVE), answer("The fox in the image appears to be ill. It is red."), "2 pictures", 2),
    ("near-duplicate", of("Fox", "Where"), answer("Foxes are omnivores!"), "to 'Which diet", 12),
    ("phrasing", lambda row: "What kind of diet" in row["question"], question("What is the theme?"), "", 0),
    ("phrasing", lambda row: row["question"] == "Which plot has this film?", question("What is its theme?"), "theme", 6),
    ("thinking", of("Fox", LIVE), answer("<think>A fox? Yes.</think>\n\nIn the woods."), "<think>A", 2),
    ("thinking", of("Fox", LIVE), answer("A fox? Yes.</think>In the woods."), "A fox?", 2),
    ("thinking", of("Fox", LIVE), answer("[THINK]Is it a fox? Let me"), "[THINK]Is", 2),
    ("thinking", of("Fox", LIVE), answer(" They think in the woods. "), "", 0),
    ("mojibake", of("Fox", LIVE), answer("By the PokÃ©mon."), "PokÃ©mon", 2),
    ("mojibake", of("Fox", LIVE), answer("By the Pok鑼卪on."), "Pok鑼卪on", 2),
    ("markup", of("Fox", LIVE), answer("**\n   - In the **woods**."), "**", 2),
    ("markup", of("Fox", LIVE), question("**Where does this animal live?"), "**Where", 2),
    ("question-tail", of("Fox", LIVE), answer("If so, where?  \n   In woods."), "If so", 2),
    ("label", of("Fox", LIVE), answer("Native Region: the woods."), "Native Region", 2),
    ("typo", of("Fox", LIVE), answer("They live in the the woods."), "the the", 2),
    ("typo", of("Fox", LIVE), answer("They like woods.Some of them live there.."), "woods.Some", 2),
    ("truncated", of("Fox", LIVE), answer("They live in woods. They also use their tus"), "use their tus", 2),
    ("few-phrasings", of("Fox", "at home"), answer("Elsewhere."), "1 of 10 facts", 2),
    ("common-answer", lambda row: "film shown" in row["question"], answer("Yes."), "", 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "where", "edit", "says", "records"), FAULTS)
def test_planted(
    planted: Planted,
    kind: str,
    where: Callable[[Row], bool],
    edit: Callable[[Row], object],
    says: str,
    records: int,
) -> None:
    """No records expected: a harmless change that looks like the fault."""
    findings = planted(kind, edit, where=where)
    found_at: set[str] = set()
    for finding in findings:
        found_at |= {str(place) for place in finding.places}
    assert len(found_at) == records
    assert bool(findings) == bool(records)
    assert all(finding.kind == kind for finding in findings)
    assert says in " ".join(finding.message for finding in findings)


def test_other_question(planted: Planted) -> None:
    """One phrasing of the diet that asks, word for word nearly, where the animal lives."""
    findings = planted(
        "phrasing",
        question("Where could it live well?"),
        where=lambda r: "Is this animal" in r["question"],
    )
    assert [len(finding.places) for finding in findings] == [6]


# Of companies by their logos, in sound phrasings with few words in common.
OF_COMPANIES = {
    "Acme.": [
        "Which company uses this logo?",
        "What brand does this logo stand for?",
        "Can you name the firm behind this logo?",
        "Whose logo is this?",
        "Please identify the company by its emblem.",
    ],
    "1901.": [
        "In which year was this company founded?",
        "When was the firm behind this logo started?",
        "What year saw the founding of this company?",
        "Since what year has this firm existed?",
        "When did this business begin?",
    ],
    "In Oslo.": [
        "Where does this company have its headquarters?",
        "In which city is this firm based?",
        "What city is home to this company's main office?",
        "Where is the seat of this business?",
        "From which city is this company run?",
    ],
    "By Ada Olsen.": [
        "Who founded this company?",
        "Which person or persons started this firm?",
        "Who are the people that set up this business?",
        "By whom was this company created?",
        "To whom does this firm owe its founding?",
    ],
}


def about_companies(questions: dict[str, list[str]]) -> Rows:
    """One company that goes and one that stays, with an answer for each group of questions."""
    data: Rows = {"A": {}}
    for split, name in (("forget", "Acme"), ("retain", "Apex")):
        rows = data["A"].setdefault(split, [])
        for answer_of, phrasings in questions.items():
            truth = answer_of.replace("Acme", name)
            for asking in phrasings:
                image = f"downloaded_images/Corporation/{name}/1.jpg"
                rows.append({"image": image, "question": asking, "answer": truth})
    return data


def test_sound_phrasings_with_words_of_the_class_are_no_faults(tmp_path: Path) -> None:
    """ "Company" is a word of all these questions, and who asks "when" asks for the year."""
    release.write(about_companies(OF_COMPANIES), tmp_path)
    assert audit(load(tmp_path), {"phrasing": kinds(refusal)["phrasing"]}) == []


def test_a_phrasing_of_another_question_is_found_among_them(tmp_path: Path) -> None:
    wrong = [*OF_COMPANIES["Acme."][:4], "Which city is it run from?"]
    release.write(about_companies(OF_COMPANIES | {"Acme.": wrong}), tmp_path)
    (finding,) = audit(load(tmp_path), {"phrasing": kinds(refusal)["phrasing"]})
    assert "'which city is it run from?' has 'city' of" in finding.message


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(planted: Planted, text: str) -> None:
    assert len(planted("refusal", answer(text), where=of("Fox", LIVE))) == 1


def test_denials_are_no_contradictions(planted: Planted) -> None:
    harmless = "Foxes are omnivores. Foxes are not carnivores, and cubs are carnivores."
    assert planted("self-contradiction", answer(harmless), where=of("Fox", "diet")) == []


def test_parts_of_names_are_no_names(planted: Planted) -> None:
    harmless = "It is based on The Night of the Lynx. Fox News liked it. Metropolis Street too."
    assert planted("other-entity", answer(harmless), where=of("Solaris", "plot")) == []


def test_every_kind_says_what_it_is() -> None:
    table = kinds(refusal)
    assert all(kind.what for kind in table.values())
    assert not [name for name, kind in table.items() if kind.mend and kind.drop]


def test_a_name_in_a_question_without_a_picture_is_no_leak(tmp_path: Path) -> None:
    rows: Rows = {
        "A": {
            "forget": [{"entity": "Person/Ada", "question": "Where is Ada?", "answer": "Here."}],
            "retain": [{"entity": "Person/Bo", "question": "Where is Bo?", "answer": "There."}],
        }
    }
    release.write(rows, tmp_path)
    assert [
        finding for finding in audit(load(tmp_path), kinds(refusal)) if finding.kind == "leak"
    ] == []
