"""A conversation as the model's own chat template renders it, and the tokens of its last answer."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.plain_text import as_plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

History = tuple[tuple[str, str], ...]  # earlier (question, answer) pairs, oldest first

# Training asks for the same few texts in every epoch.
CACHED_TEXTS = 100_000


def as_history(turns: object) -> History:
    """Earlier turns as a Query takes them: of `(question, answer)` pairs, or of objects with these two keys.

    Raises UsageError that names the first turn of another shape.
    """
    hint = 'Give a list of turns, oldest first: [{"question": "...", "answer": "..."}].'
    if isinstance(turns, str) or not isinstance(turns, Sequence):
        raise UsageError(f"the history is no list of turns: {turns!r:.60}", hint)
    pairs = []
    for number, turn in enumerate(turns, 1):
        if isinstance(turn, dict) and set(turn) == {"question", "answer"}:
            pair = (turn["question"], turn["answer"])
        elif isinstance(turn, list | tuple) and len(turn) == 2:
            pair = (turn[0], turn[1])
        else:
            raise UsageError(f"turn {number} of the history is {turn!r:.60}", hint)
        if not all(isinstance(text, str) for text in pair):
            raise UsageError(f"turn {number} of the history holds what is no text", hint)
        pairs.append(pair)
    return tuple(pairs)


def prompt_text(
    processor: "ProcessorMixin",
    question: str,
    *,
    with_image: bool,
    history: History = (),
    picture_turns: Sequence[int] | None = None,
    keep: bool = True,
) -> str:
    """The text up to where the answer to `question` begins; the picture stands in the first turn.

    `picture_turns` are the numbers of the turns in which pictures stand, one for each picture, where these are others.
    Control tokens in a turn are broken (`as_plain_text`), so that the template's own are the only ones. With `keep`
    the text stays in memory, for whoever asks the same again and again.
    Raises UsageError when a turn holds the marker that stands for a picture or a video.
    """
    texts = [question]
    for earlier_question, earlier_answer in history:
        texts += [earlier_question, earlier_answer]
    # The processor would put a picture's tokens wherever the marker stands, also inside a question.
    for name in ("image_token", "video_token"):
        marker = getattr(processor, name, None)
        if marker and any(marker in text for text in texts):
            raise UsageError(
                f"the question holds the picture marker {marker!r}",
                "Leave it out: the picture goes apart.",
            )
    if picture_turns is None:
        picture_turns = (0,) if with_image else ()
    write = render if keep else render.__wrapped__
    return write(processor, question, None, tuple(picture_turns), history)


def adds_special_tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> bool:
    """Whether the tokenizer is to put its first token before the text: not where the template has written it."""
    return tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token)


def answer_ends(tokenizer: "PreTrainedTokenizerBase", model: "PreTrainedModel") -> tuple[str, ...]:
    """The tokens that end an answer: the tokenizer's own first, then what else the model stops at. Empty for none."""
    ids = model.generation_config.eos_token_id
    if ids is None:
        ids = []
    elif not isinstance(ids, list):
        ids = [ids]
    tokens = [tokenizer.eos_token, *tokenizer.convert_ids_to_tokens(ids)]
    known = [token for token in tokens if token is not None]
    return tuple(dict.fromkeys(known))  # each once, in this order


@lru_cache(maxsize=CACHED_TEXTS)
def answer_tokens(
    processor: "ProcessorMixin",
    ends: tuple[str, ...],
    question: str,
    answer: str,
    with_image: bool,
    history: History = (),
) -> tuple[int, ...]:
    """Tokens of the answer and of its end, exactly as the model would have to generate them after the prompt.

    The end is the template's own where that is one of `ends`, else the first of these: some published templates
    write no end after an answer, or a misspelt one. What the template writes after the end is no part of the answer.
    """
    prompt = prompt_text(processor, question, with_image=with_image, history=history)
    whole = render(processor, question, answer, (0,) if with_image else (), history)
    behind = whole.removeprefix(prompt)
    # Templates may strip the answer, so its stripped form is what must be found.
    stripped = as_plain_text(processor.tokenizer, answer).strip()
    if not whole.startswith(prompt) or stripped not in behind:
        raise MlubenchError(
            "the chat template changes the prompt once there is an answer", "Give another template."
        )
    stop = behind.index(stripped) + len(stripped)
    tail = behind[stop:].lstrip()
    written_ends = [end for end in ends if tail.startswith(end)]
    end = written_ends[0] if written_ends else ends[0]
    return tuple(_tokens_after(processor.tokenizer, prompt, behind[:stop] + end))


def _tokens_after(tokenizer: "PreTrainedTokenizerBase", prompt: str, text: str) -> list[int]:
    """Tokens of the text behind the prompt: on its own, a Llama tokenizer would put a space before it."""
    special = adds_special_tokens(tokenizer, prompt)
    # Some tokenizers join the prompt's end and the text's beginning into one token, which a model that generates
    # cannot do. A new line, which nothing is joined with, then stands for the prompt.
    for context in (prompt, "\n"):
        before = tokenizer(context, add_special_tokens=special)["input_ids"]
        both = tokenizer(context + text, add_special_tokens=special)["input_ids"]
        if both[: len(before)] == before:
            return list(both[len(before) :])
    raise MlubenchError(
        f"the tokenizer joins the answer {text[:40]!r} with the text before it",
        "Give another chat template.",
    )


@lru_cache(maxsize=CACHED_TEXTS)
def render(
    processor: "ProcessorMixin",
    question: str,
    answer: str | None,
    picture_turns: tuple[int, ...],
    history: History,
) -> str:
    """The whole conversation as the template writes it; up to where the answer begins where `answer` is None.

    `picture_turns` says of each picture in which turn it stands, from 0.
    """

    def message(role: str, text: str) -> dict[str, Any]:
        plain = as_plain_text(processor.tokenizer, text)
        return {"role": role, "content": [{"type": "text", "text": plain}]}

    messages: list[dict[str, Any]] = []
    for turn, (asked, answered) in enumerate((*history, (question, answer))):
        asking = message("user", asked)
        pictures = [{"type": "image"}] * picture_turns.count(turn)
        asking["content"] = [*pictures, *asking["content"]]
        messages.append(asking)
        if answered is not None:
            messages.append(message("assistant", answered))
    text = processor.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=answer is None
    )
    return str(text)
