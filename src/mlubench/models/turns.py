"""A conversation as the model's own chat template renders it, and the tokens of its last answer."""

from functools import lru_cache
from typing import Any

from mlubench.core.errors import MlubenchError, UsageError

Turns = tuple[tuple[str, str], ...]  # earlier (question, answer) pairs, oldest first


def prompt_text(processor: Any, question: str, *, with_image: bool, history: Turns = ()) -> str:
    """The text up to where the answer to `question` begins; the picture stands in the first turn.

    Raises UsageError when a turn holds the marker that stands for a picture or a video.
    """
    for name in ("image_token", "video_token"):
        marker = getattr(processor, name, None)
        if marker and any(
            marker in text for text in (question, *(t for turn in history for t in turn))
        ):
            raise UsageError(
                f"the question holds the picture marker {marker!r}",
                "Leave it out: the picture goes apart.",
            )
    return _render(processor, question, None, with_image, history)


def adds_special_tokens(tokenizer: Any, text: str) -> bool:
    """Whether the tokenizer is to begin the text with its own token: not where the template has written it already."""
    return tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token)


@lru_cache(maxsize=100_000)
def answer_tokens(
    processor: Any,
    ends: tuple[str, ...],
    question: str,
    answer: str,
    with_image: bool,
    history: Turns = (),
) -> tuple[int, ...]:
    """Tokens of the answer and of its end, exactly as the model would have to generate them after the prompt.

    The end is the template's own where that is one of `ends`, else the first of these: some published templates write no
    end after an answer, or a misspelt one. What the template writes after the end is no part of the answer.
    """
    prompt = prompt_text(processor, question, with_image=with_image, history=history)
    whole = _render(processor, question, answer, with_image, history)
    told = answer.strip()
    if not whole.startswith(prompt) or told not in whole.removeprefix(prompt):
        raise MlubenchError(
            "the chat template changes the prompt once there is an answer", "Give another template."
        )
    rest = whole.removeprefix(prompt)
    stop = rest.index(told) + len(told)
    tail = rest[stop:].lstrip()
    text = rest[:stop] + next((end for end in ends if tail.startswith(end)), ends[0])
    return tuple(_tokens_after(processor.tokenizer, prompt, text))


def _tokens_after(tokenizer: Any, prompt: str, text: str) -> list[int]:
    """Tokens of the text behind the prompt: on its own, a Llama tokenizer would put a space before it.

    Where the tokenizer would join the prompt's end with the text's beginning, which a model that generates cannot, a new
    line stands for the prompt.
    """
    special = adds_special_tokens(tokenizer, prompt)
    for context in (prompt, "\n"):
        before = tokenizer(context, add_special_tokens=special)["input_ids"]
        both = tokenizer(context + text, add_special_tokens=special)["input_ids"]
        if both[: len(before)] == before:
            return list(both[len(before) :])
    raise MlubenchError(
        f"the tokenizer joins the answer {text[:40]!r} with the text before it",
        "Give another chat template.",
    )


@lru_cache(maxsize=100_000)
def _render(
    processor: Any, question: str, answer: str | None, with_image: bool, history: Turns
) -> str:
    turns: list[dict[str, Any]] = []
    for asked, told in (*history, (question, answer)):
        turns.append({"role": "user", "content": [{"type": "text", "text": asked}]})
        if told is not None:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": told}]})
    if with_image:
        turns[0]["content"].insert(0, {"type": "image"})
    return str(
        processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer is None)
    )
