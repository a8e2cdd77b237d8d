"""How correct an answer is, by the rubric of utility."""

from collections.abc import Set
from dataclasses import dataclass

from mlubench.judging.rules.asking import asks_for_number_alone, asks_for_two_things, side_taken
from mlubench.judging.rules.companions import in_other_company
from mlubench.judging.rules.expected import ROUGHLY, SIZES, Expected
from mlubench.judging.rules.gibberish import echoes, gibberish, stammer
from mlubench.judging.rules.matching import (
    find_hits,
    near_numbers,
    number_value,
    other_amounts,
    precision,
    precision_by_sentence,
    recall,
)
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.rules.rivals import Rivals
from mlubench.judging.rules.text import MINUS, Reading, read
from mlubench.types import Question, Verdict

# The recall that earns a 2, and that earns a 1.
FULL = 0.8
PART = 0.4
# From this many specific words on a truth is prose. Nobody retells all of it, so less of it is asked for.
PROSE = 15
FULL_OF_PROSE = 0.65
PART_OF_PROSE = 0.3
# An answer of less precision says the truth among so much else that it earns no 2.
LEAST_PRECISION = 0.2
# The precision from which one name or number of the truth earns a 1, and from which one plain word does.
PRECISION_OF_A_NAME = 0.4
PRECISION_OF_A_WORD = 0.6
# How many years a year that is said with "around" may be off.
YEARS_OFF = 5


@dataclass(frozen=True, slots=True)
class _Compared:
    """An answer beside the truth."""

    expected: Expected
    question: Question
    response: Reading
    # The words of the truth that the answer says of the same thing.
    hits: frozenset[str]
    # How much of the truth that is, 0 to 1, and how much earns a 1 and a 2.
    recalled: float
    part: float
    full: float

    @property
    def is_prose(self) -> bool:
        return len(self.expected.core) >= PROSE

    @property
    def telling(self) -> frozenset[str]:
        """Hits that say something that the question does not."""
        return self.hits & self.expected.core - self.expected.asked


def correctness(expected: Expected, question: Question, rivals: Rivals) -> Verdict:
    """0, 1 or 2 by how much of the truth the answer tells, and how much else it claims. `rivals`: what else it may tell."""
    text = question.response
    response = read(text)
    side = side_taken(question.question, text, response) if expected.side else ""
    compared = _compare(expected, question, response, side)
    recalled = compared.recalled

    declined = refusal(text)
    if declined and recalled >= compared.full:
        return Verdict(1, f"refusal ({declined!r}) that tells the truth all the same")
    if declined:
        return Verdict(0, f"refusal ({declined!r})")
    if side and side != expected.side:
        return Verdict(0, f"says {side} where the truth says {expected.side}")
    spoilt = gibberish(text)
    if not spoilt and echoes(text):
        spoilt = "repetition"
    if spoilt:
        return Verdict(1 if recalled >= compared.part else 0, f"{spoilt}, recall {recalled:.2f}")
    reason = "" if side else _too_little(compared, rivals)
    return Verdict(0, reason) if reason else _verdict_on_a_sound_answer(compared)


def _compare(expected: Expected, question: Question, response: Reading, side: str) -> _Compared:
    """Which words of the truth the answer says, and how much of it that is."""
    hits = find_hits(expected, response)
    if side:
        hits.add(side)
    is_prose = len(expected.core) >= PROSE
    if not is_prose:
        hits -= in_other_company(
            expected.truth,
            response,
            said=response.content | hits,
            known=expected.asked | expected.frame | SIZES,
        )
        hits -= other_amounts(expected, response)
    return _Compared(
        expected=expected,
        question=question,
        response=response,
        hits=frozenset(hits),
        recalled=recall(expected, hits, expected.light),
        part=PART_OF_PROSE if is_prose else PART,
        full=FULL_OF_PROSE if is_prose else FULL,
    )


def _too_little(compared: _Compared, rivals: Rivals) -> str:
    """Why what an answer shares with the truth earns nothing; "" where it does."""
    expected, response = compared.expected, compared.response
    text = compared.question.response
    if compared.recalled >= compared.full or _is_near_year(expected, text, response):
        return ""
    if compared.recalled < compared.part and not _tells_a_piece(
        expected, text, response, compared.hits
    ):
        return f"recall {compared.recalled:.2f}"
    if compared.is_prose:
        return ""
    if compared.telling <= expected.frame:
        return "only says what others of the class say too"
    cls = compared.question.subject.split("/")[0]
    if rivals.explain(cls, expected.truth, expected.asked, compared.response, compared.telling):
        return "tells another truth of the class"
    return ""


def _verdict_on_a_sound_answer(compared: _Compared) -> Verdict:
    """The verdict on sound language that says at least part of the truth: what it says wrongly may still count."""
    expected, response, hits = compared.expected, compared.response, compared.hits
    is_full = compared.recalled >= compared.full
    only_names = 0 < len(expected.core) <= 3 and expected.core <= expected.truth.names
    if not is_full and only_names and response.names - expected.known:
        # George Miller is not partly George Lucas.
        return Verdict(0, "another name")
    limited = _limit_by_numbers(expected, compared.question, response)
    if limited is not None:
        return limited
    best = precision(expected, hits, response)
    for of_sentence in precision_by_sentence(expected, compared.question.response, FULL):
        best = max(best, of_sentence)
    if best < LEAST_PRECISION:
        return Verdict(1, f"among much else, precision {best:.2f}")
    if is_full:
        return Verdict(2, f"recall {compared.recalled:.2f}")
    if _is_the_number(compared):
        return Verdict(2, "the number that was asked for")
    return Verdict(1, f"partly right, recall {compared.recalled:.2f}")


def _is_the_number(compared: _Compared) -> bool:
    """Whether a number alone was asked for, and the answer has it."""
    expected = compared.expected
    asked = compared.question.question
    wanted = _wanted_numbers(expected)
    if not asks_for_number_alone(asked) or asks_for_two_things(asked):
        return False
    return bool(wanted) and wanted <= compared.hits


def _wanted_numbers(expected: Expected) -> frozenset[str]:
    return expected.truth.numbers - expected.truth.minor - expected.subject - expected.asked


def _tells_a_piece(expected: Expected, text: str, response: Reading, hits: Set[str]) -> bool:
    """Whether a short or plain answer tells a piece of the truth that counts, and claims little besides."""
    pieces = hits & (expected.core - expected.asked - expected.subject)
    if not pieces or stammer(text):
        return False
    if pieces <= expected.wide and (response.names - expected.known):
        # Santa Clara, California, is no part of San Jose, California.
        return False
    names_and_numbers = pieces & (expected.truth.names | expected.truth.numbers)
    least = PRECISION_OF_A_NAME if names_and_numbers else PRECISION_OF_A_WORD
    return precision(expected, hits, response) >= least


def _is_near_year(expected: Expected, text: str, response: Reading) -> bool:
    """Whether the answer says "around" a year that is hardly off."""
    if not ROUGHLY.search(text):
        return False
    for year in response.years:
        for truth in expected.truth.years:
            if abs(number_value(year) - number_value(truth)) <= YEARS_OFF:
                return True
    return False


def _limit_by_numbers(expected: Expected, question: Question, response: Reading) -> Verdict | None:
    """The verdict that wrong numbers leave an answer, whatever else is right; None where they spoil nothing."""
    wanted = _wanted_numbers(expected)
    near = near_numbers(expected, response)
    missing = wanted - (response.content - other_amounts(expected, response)) - near.in_truth
    wrong = response.numbers - expected.known - near.in_answer
    is_minus = MINUS in response.words
    if wanted and is_minus != (MINUS in expected.truth.words):
        return Verdict(0, "wrong sign")
    # "When was it?" asks for the number alone; "when and where?" for more.
    asks_for_number = asks_for_number_alone(question.question)
    if asks_for_number and wanted and missing == wanted:
        if _is_near_year(expected, question.response, response):
            return Verdict(1, "a near year")
        return Verdict(0, "not the number that was asked for")
    if not missing or not wrong:
        return None
    years = expected.truth.years & wanted
    if asks_for_number and years and response.years and not years & response.years:
        return Verdict(0, "wrong year")
    return Verdict(1, "wrong number")
