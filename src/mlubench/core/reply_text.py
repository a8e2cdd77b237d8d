"""What of a reply's text is the reply: models think aloud first, and judges quote what they grade.

Everybody who asks a model reads its text through `spoken`: judges, gates and the builder. The audit of data does too.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# The marks between which models think. Which goes with which is not looked at: no model mixes them.
_TAGS = r"think|thinking|thoughts?|reasoning|seed:think|longcat_think"
_OPENING = (
    rf"<(?:{_TAGS})>"  # Qwen, DeepSeek, GLM and most others
    r"|\[THINK\]"  # Mistral
    r"|◁think▷"  # Kimi
    r"|<\|(?:begin_of_thought|START_THINKING|inner_prefix)\|>"  # Sky-T1, Command A, Apertus
    r"|<\|channel>(?:thought|analysis)\b"  # Gemma
    r"|<unused94>"  # MedGemma
)
_CLOSING = (
    rf"</(?:{_TAGS})>"
    r"|\[/THINK\]"
    r"|◁/think▷"
    r"|<\|(?:end_of_thought|END_THINKING|inner_suffix)\|>"
    r"|<channel\|>"
    r"|<unused95>"
)
_MARK = re.compile(rf"(?P<opening>{_OPENING})|(?:{_CLOSING})", re.IGNORECASE)
# What ends thinking that a prompt has begun, where it is not the opening mark with a slash.
_ENDS = {
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>thought": "<channel|>",
    "<unused94>": "<unused95>",
}
# Channels, as gpt-oss has them: the reply is the text of the channel `final`.
_CHANNEL = re.compile(r"<\|channel\|>")
_FINAL = re.compile(r"<\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>")
# The same where a server has dropped the marks and left their words.
_BARE_CHANNELS = re.compile(r"analysis.*?assistantfinal", re.DOTALL)
# What some put around the whole of what they say after thinking.
_WRAPPINGS = (
    re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.DOTALL),
    re.compile(r"<\|START_RESPONSE\|>(.*?)<\|END_RESPONSE\|>", re.DOTALL),
)
# Where JSON begins: an object, or a list of objects or texts. Words hold other brackets too.
_JSON = re.compile(r"""\{\s*["'}]|\[\s*[{"]""")
_BLANK = re.compile(r"\s*(?:```[A-Za-z]*\s*)?")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON object or list within a text."""

    # What was written; None where it is broken: cut short, with a key twice, or in another notation.
    value: object
    # The characters [start, end) of the text.
    start: int
    end: int


def spoken(text: str) -> str:
    """The reply without what its model thought before. Empty where it thought and said nothing.

    A closing mark without an opening one ends thinking that the prompt had begun: everything before it is thinking.
    Thinking that is not closed was cut off, and there is no reply. Marks that JSON quotes count for nothing.
    """
    kept = _without_thinking(_final_channel(text)).strip()
    for wrapping in _WRAPPINGS:
        whole = wrapping.fullmatch(kept)
        if whole:
            kept = whole[1].strip()
    return kept


def begun(prompt: str) -> str:
    """The mark in which a prompt ends, where that begins the model's thinking; else nothing."""
    ending = prompt.rstrip()
    for mark in _MARK.finditer(ending):
        if mark["opening"] is not None and mark.end() == len(ending):
            return mark[0]
    return ""


def closed(prompt: str) -> str:
    """The prompt. Where it begins the model's thinking, that is closed at once."""
    opening = begun(prompt)
    if not opening:
        return prompt
    closing = _ENDS.get(opening, f"{opening[0]}/{opening[1:]}")
    return f"{prompt.rstrip()}\n\n{closing}\n\n"


def json_in(text: str) -> Iterator[Json]:
    """The JSON objects and lists that stand in a text, in order, and none that stands within another one."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_doubles)
    position = 0
    while found := _JSON.search(text, position):
        start = found.start()
        try:
            value, position = decoder.raw_decode(text, start)
        # A text of thousands of brackets ends in a RecursionError.
        except RecursionError:
            yield Json(None, start, len(text))
            return
        except ValueError:
            position = start + 1
            yield Json(None, start, position)
        else:
            yield Json(value, start, position)


def quoted_in(text: str, found: Json) -> Iterator[tuple[int, int]]:
    """The characters [start, end) of each text that a JSON value quotes, with its quotation marks."""
    for quoted in _TEXT.finditer(text, found.start, found.end):
        yield quoted.span()


def _final_channel(text: str) -> str:
    """The text of the last channel `final`; the whole text where there are no channels."""
    if not _CHANNEL.search(text):
        bare = _BARE_CHANNELS.match(text)
        return text[bare.end() :] if bare else text
    quoted = _quoted(text, json_in(text))
    channels = [m for m in _CHANNEL.finditer(text) if not _within(m, quoted)]
    if not channels:
        return text
    final = _FINAL.match(text, channels[-1].start())
    if final is None:
        return ""
    rest = text[final.end() :]
    end = _CHANNEL_END.search(rest)
    return rest[: end.start()] if end else rest


def _without_thinking(text: str) -> str:
    if not _MARK.search(text):
        return text
    found = list(json_in(text))
    quoted = _quoted(text, found)
    cut_short = {part.start for part in found if part.value is None}
    kept: list[str] = []
    thinks = False
    position = 0
    for mark in _MARK.finditer(text):
        if _within(mark, quoted):
            continue
        if not thinks and _first(text, position) in cut_short:
            # An object that was cut short amid what it quotes, marks and all.
            break
        if mark["opening"] is None:
            if not thinks:
                # What came before was thinking all along, whatever marks it quoted.
                kept.clear()
            thinks = False
        elif not thinks:
            kept.append(text[position : mark.start()])
            thinks = True
        position = mark.end()
    # Apart, so that two halves never make a mark.
    return "" if thinks else "\n".join([*kept, text[position:]])


def _first(text: str, position: int) -> int:
    """Where words begin behind a position, without what opens a block of Markdown."""
    opening = _BLANK.match(text, position)
    return opening.end() if opening else position


def _quoted(text: str, found: Iterable[Json]) -> list[tuple[int, int]]:
    """What whole JSON objects and lists of the text quote."""
    spans: list[tuple[int, int]] = []
    for part in found:
        if part.value is not None:
            spans += quoted_in(text, part)
    return spans


def _within(mark: re.Match[str], spans: list[tuple[int, int]]) -> bool:
    return any(start < mark.start() and mark.end() < end for start, end in spans)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object. Raises ValueError where a key stands twice: it would not be clear which value is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made
