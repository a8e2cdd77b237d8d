"""Texts that are spoilt and can be mended by a rule: each `mend_*` takes a text and gives the better one."""

import re
from collections.abc import Callable

from mlubench.data.audit.facts import Data, Finding, quote

Mend = Callable[[str], str]

_CODECS = ("gb18030", "cp1252", "latin-1")
_SPOILT = re.compile(r"[^\x00-\x7f]+")
_HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")

_LEFT_OVER = re.compile(r"^\s*\*\*\s*(?:-\s+)?")
_TAIL = re.compile(r"^\s*[A-Z][^.?!\n]{2,80}\?\s*\n\s*(?=\S)")
_LABEL = re.compile(
    r"^(?:[A-Z][a-z]+ ){0,2}(?:Name|Region|Form|Habit|Habitat|Title|Answer|Type|Class|Location|Date|Purpose):\s+(?=\S)"
)
_LATER_LABEL = re.compile(r"[,;]\s*[A-Z][a-z]+(?: [A-Z][a-z]+)?:")

_TYPOS = (
    (re.compile(r"(?<!\.)\.\.(?!\.)"), "."),
    (re.compile(r"(?<=[a-z]{3}[.!?])(?=[A-Z][a-z]+ [a-z])"), " "),
    (re.compile(r"\b(?!(?:that|had|is)\b)([a-z]{2,}) \1\b(?![-'’])"), r"\1"),
)
_ENDS = ".!?。！？…"
_CLOSERS = "\"'”’»)]*`"
_SENTENCE = re.compile(r"[^\W\d]{2,}[.!?][\"'”’)]*(?=\s|[A-Z])")
_PIECE = 3  # words of a broken sentence, from which it is no closing name or number
_LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s")


def mend_mojibake(text: str) -> str:
    """UTF-8 that was read in another encoding, once or twice, read as what it was."""
    if text.isascii():
        return text
    for codec in _CODECS:
        better = _SPOILT.sub(lambda found, codec=codec: _reread(found, codec), text)  # type: ignore[misc]
        if better != text:
            return mend_mojibake(better)
    return text


def mend_markup(text: str) -> str:
    """Without Markdown's bold, and without what is left of a list of questions before the answer."""
    return (
        text.replace("**", "")
        if "**" not in text[:4]
        else _LEFT_OVER.sub("", text).replace("**", "").strip()
    )


def mend_tail(truth: str) -> str:
    """Without the second half of a question that was cut in two, of which the answer took the rest."""
    return _TAIL.sub("", truth)


def mend_label(truth: str) -> str:
    """Without a label that only says what was asked: "Common Name: Grape". A list of several labels stays."""
    label = _LABEL.match(truth)
    return truth[label.end() :] if label and not _LATER_LABEL.search(truth) else truth


def mend_typos(text: str) -> str:
    """Without doubled words and full stops, and with a space between sentences."""
    for pattern, better in _TYPOS:
        text = pattern.sub(better, text)
    return text


def mend_truncated(truth: str) -> str:
    """Without the piece of a sentence that a long answer breaks off in; an answer of one sentence stays."""
    bare = truth.rstrip()
    if (
        not bare
        or bare.endswith(tuple(_ENDS + _CLOSERS))
        or _LIST_ITEM.match(bare.splitlines()[-1])
    ):
        return truth
    whole = [found.end() for found in _SENTENCE.finditer(bare)]
    cut = bool(whole) and len(bare[whole[-1] :].split()) >= _PIECE
    return bare[: whole[-1]] if cut else truth


def finder(kind: str, mend: Mend, *, questions: bool) -> Callable[[Data], list[Finding]]:
    """Finds the texts that `mend` would change: truths, and with `questions` those too, once for each fact."""

    def find(data: Data) -> list[Finding]:
        findings = []
        for fact in data.facts:
            spoilt = mend(fact.truth) != fact.truth
            asked = [q for q in fact.asked if questions and mend(q) != q]
            if spoilt or asked:
                shown = _excerpt(fact.truth, mend(fact.truth)) if spoilt else quote(asked[0])
                places = (
                    fact.places if spoilt else [place for q in asked for place in fact.asked[q]]
                )
                findings.append(Finding(kind, f"{fact.entity.key}: {shown}", tuple(places)))
        return findings

    return find


def _excerpt(text: str, better: str, limit: int = 8) -> str:
    """The words of a text around the first character that the better one lacks."""
    same = next(
        (i for i, (a, b) in enumerate(zip(text, better, strict=False)) if a != b),
        min(len(text), len(better)),
    )
    before = text[:same].split(" ")[-3:]
    rest = " ".join(before) + text[same:]
    return ("... " if len(" ".join(before)) < same else "") + quote(rest, limit)


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
    text, start, stop = found.string, found.start(), found.end()
    inside = text[max(start - 1, 0) : start].isalpha() or text[stop : stop + 1].isalpha()
    return better if not signs or (inside and len(_HAN.findall(better)) < signs) else run
