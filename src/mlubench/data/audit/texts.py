"""Texts that are spoilt and can be mended by a rule: each `mend_*` takes a text and gives the better one."""

import re
from collections.abc import Callable
from functools import partial

from mlubench.core.reply_text import spoken
from mlubench.data.audit.facts import Data, Finding, quote

Mend = Callable[[str], str]

# Encodings in which UTF-8 was read by mistake, the strictest first: latin-1 takes any byte.
_CODECS = ("gb18030", "cp1252", "latin-1")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# Chinese, Japanese and Korean signs.
_HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")

# "**" that ends a heading before the answer, and the dash of a list: "**\n   - In the woods."
_LEFT_OVER = re.compile(r"^\s*\*\*\s*(?:-\s+)?")
# A question on a line of its own before the answer: "If so, where?\n   In the woods."
_TAIL = re.compile(r"^\s*[A-Z][^.?!\n]{2,80}\?\s*\n\s*(?=\S)")
# "Common Name: " before the answer. Any word before a colon would take away what an answer says.
_LABEL = re.compile(
    r"^(?:[A-Z][a-z]+ ){0,2}(?:Name|Region|Form|Habit|Habitat|Title|Answer|Type|Class|Location|Date|Purpose):\s+(?=\S)"
)
# ", Habitat:" further on: the answer is a list, in which labels say what is what.
_LATER_LABEL = re.compile(r"[,;]\s*[A-Z][a-z]+(?: [A-Z][a-z]+)?:")

_TYPOS = (
    # Two full stops, but no ellipsis.
    (re.compile(r"(?<!\.)\.\.(?!\.)"), "."),
    # "woods.Some of": a word before, so that "U.S.Army" stays.
    (re.compile(r"(?<=[a-z]{3}[.!?])(?=[A-Z][a-z]+ [a-z])"), " "),
    # "the the", but not "that that", "had had" or "is is", which may be meant so.
    (re.compile(r"\b(?!(?:that|had|is)\b)([a-z]{2,}) \1\b(?![-'’])"), r"\1"),
)
_ENDS = ".!?。！？…"
_CLOSERS = "\"'”’»)]*`"
# The end of a sentence after a word: a number's or an initial's full stop ends none.
_SENTENCE = re.compile(r"[^\W\d]{2,}[.!?][\"'”’)]*(?=\s|[A-Z])")
_PIECE = 3  # words of a broken sentence, from which it is no closing name or number
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s")


def without_thinking(truth: str) -> str:
    """Without what a model thought before it answered; empty where it was cut off as it thought."""
    said = spoken(truth)
    return truth if said == truth.strip() else said


def mend_thinking(truth: str) -> str:
    """The same, but a truth that is nothing but thinking stays: a person must find another."""
    return without_thinking(truth) or truth


def mend_mojibake(text: str) -> str:
    """UTF-8 that was read in another encoding, once or twice, read as what it was."""
    if text.isascii():
        return text
    for codec in _CODECS:
        better = _NOT_ASCII.sub(partial(_reread, codec=codec), text)
        if better != text:
            return mend_mojibake(better)  # it may have been read wrongly twice
    return text


def mend_markup(text: str) -> str:
    """Without Markdown's bold, and without what is left of a list of questions before the answer."""
    # Only at the very start can "**" be such a rest.
    if "**" not in text[:4]:
        return text.replace("**", "")
    return _LEFT_OVER.sub("", text).replace("**", "").strip()


def mend_tail(truth: str) -> str:
    """Without the second half of a question that was cut in two, of which the answer took the rest."""
    return _TAIL.sub("", truth)


def mend_label(truth: str) -> str:
    """Without a label that only says what was asked: "Common Name: Grape". A list of several labels stays."""
    label = _LABEL.match(truth)
    if label is None or _LATER_LABEL.search(truth):
        return truth
    return truth[label.end() :]


def mend_typos(text: str) -> str:
    """Without doubled words and full stops, and with a space between sentences."""
    for pattern, better in _TYPOS:
        text = pattern.sub(better, text)
    return text


def mend_truncated(truth: str) -> str:
    """Without the piece of a sentence that a long answer breaks off in; an answer of one sentence stays."""
    bare = truth.rstrip()
    if not bare or bare.endswith(tuple(_ENDS + _CLOSERS)):
        return truth
    if _LIST_ITEM.match(bare.splitlines()[-1]):
        return truth
    ends = [found.end() for found in _SENTENCE.finditer(bare)]
    if not ends or len(bare[ends[-1] :].split()) < _PIECE:
        return truth
    return bare[: ends[-1]]


def finder(kind: str, mend: Mend, *, questions: bool) -> Callable[[Data], list[Finding]]:
    """Finds the texts that `mend` would change: truths, and with `questions` those too, once for each fact."""

    def find(data: Data) -> list[Finding]:
        findings = []
        for fact in data.facts:
            better = mend(fact.truth)
            asked = [question for question in fact.asked if mend(question) != question]
            if better != fact.truth:
                shown = _excerpt(fact.truth, better)
                places = fact.places
            elif questions and asked:
                shown = quote(asked[0])
                places = [place for question in asked for place in fact.asked[question]]
            else:
                continue
            findings.append(Finding(kind, f"{fact.entity.key}: {shown}", tuple(places)))
        return findings

    return find


def _excerpt(text: str, better: str, limit: int = 8) -> str:
    """The words of a text around the first character that the better one lacks."""
    # How many characters both begin with. A better text that is only shorter differs where it ends.
    same = min(len(text), len(better))
    for index, (one, other) in enumerate(zip(text, better, strict=False)):
        if one != other:
            same = index
            break
    before = " ".join(text[:same].split(" ")[-3:])
    cut = "... " if len(before) < same else ""
    return cut + quote(before + text[same:], limit)


def _reread(found: re.Match[str], codec: str) -> str:
    """The run as UTF-8 where its bytes in `codec` are that, or as it is.

    Chinese signs count as spoilt only within a Latin word and where reading them again makes fewer of them.
    """
    run = found.group()
    try:
        better = run.encode(codec).decode("utf-8")
    except UnicodeError:
        return run
    signs = len(_HAN.findall(run))
    if not signs:
        return better
    text = found.string
    letter_before = text[max(found.start() - 1, 0) : found.start()].isalpha()
    letter_after = text[found.end() : found.end() + 1].isalpha()
    fewer = len(_HAN.findall(better)) < signs
    return better if fewer and (letter_before or letter_after) else run
