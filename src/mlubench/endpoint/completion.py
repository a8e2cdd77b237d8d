"""What an endpoint sent with status 200: the answer in it, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlubench.core.reply_text import spoken
from mlubench.endpoint.failures import Failure, cut_off, held_back, no_reply, only_thought

# Where servers put what a model thought, apart from its reply.
_THOUGHTS = ("reasoning_content", "reasoning")
# Characters of a refusal that are shown.
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply's text, and what the endpoint says of how it was made."""

    text: str
    # The model as the endpoint names it, which may be more exact than what was asked for.
    model: str = ""
    fingerprint: str = ""
    # Of the prompt, and of the completion.
    tokens: tuple[int, int] = (0, 0)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest reply that was asked for."""

    # In tokens, thinking among them.
    tokens: int
    # The setting that says so.
    setting: str


def answer_of(
    made: object, longest: Longest, prompt_tokens: int, seconds: float
) -> Answer | Failure:
    """The answer in what the endpoint sent, which may be anything.

    `prompt_tokens` is an estimate, used where the endpoint does not count.
    """
    choice = _first_choice(made)
    message = getattr(choice, "message", None)
    content = _text_of(getattr(message, "content", None))
    usage = getattr(made, "usage", None)
    # Three bytes a token: see `tokens_of`.
    completion_tokens = len(content.encode(errors="replace")) // 3
    tokens = (
        _count(usage, "prompt_tokens", prompt_tokens),
        _count(usage, "completion_tokens", completion_tokens),
    )
    # Before its text: half a reply may quote what it has not come to judge.
    why_it_ended = _string(choice, "finish_reason")
    if why_it_ended == "length":
        return cut_off(longest.setting, longest.tokens, tokens)
    if why_it_ended == "content_filter":
        return held_back("the endpoint's filter held the reply back", tokens)
    text = spoken(content)
    if text:
        model = _string(made, "model")
        fingerprint = _string(made, "system_fingerprint")
        return Answer(text, model, fingerprint, tokens, seconds)
    refusal = " ".join(_string(message, "refusal").split())
    if refusal:
        return held_back(f"the model refuses to reply: {refusal[:_SHOWN]!r}", tokens)
    if content.strip() or any(_string(message, name) for name in _THOUGHTS):
        return only_thought(longest.setting, tokens)
    return no_reply("the endpoint's reply holds no text")


def _first_choice(made: object) -> object:
    """None where there is none."""
    # What is no such reply at all comes through the package as text.
    choices = getattr(made, "choices", None)
    if not isinstance(choices, list) or not choices:
        return None
    first: object = choices[0]
    return first


def _text_of(content: object) -> str:
    """The text of a message's content, which some send in parts; empty where there is none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        # Other parts hold thinking or pictures.
        text = _field(part, "text")
        if _field(part, "type") in ("text", "output_text") and isinstance(text, str):
            texts.append(text)
    return "".join(texts)


def _field(part: object, name: str) -> object:
    """Parts come as mappings from the endpoint, and as objects from a file of a batch."""
    found: object = part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)
    return found


def _count(usage: object, name: str, otherwise: int) -> int:
    """A count of tokens, where the endpoint gives a possible one."""
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value >= 0 else otherwise


def _string(made: object, name: str) -> str:
    value = getattr(made, name, None)
    return value if isinstance(value, str) else ""
