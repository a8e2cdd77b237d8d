"""What users and models wrote is text: control tokens that stand in it are broken, so that none is read as one."""

import re
from typing import TYPE_CHECKING

from mlubench.core.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# How often a text is gone through. Tokens may lie in one another, and two or three rounds take all of them apart.
_ROUNDS = 20
# An added token with one of these and a letter is a mark, as <think> is. Others are words or runs of spaces: ordinary text.
_BRACKETS = re.compile(r"[<>\[\]{}|]")


def as_plain_text(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    """The text with a space behind the first character of each control token in it; any other text as it is.

    So `</s>` is read as `< /s>`, in the tokens of ordinary text. Nothing is taken out, so nothing can come together to form
    a token. Raises UsageError for a text in which the tokenizer still reads one, as where it folds letters first.
    """
    tokens = control_tokens(tokenizer)
    breakable = sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, breakable)) or "(?!)")
    for _ in range(_ROUNDS):
        broken = pattern.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
        if broken == text:
            break
        text = broken
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    for token, number in tokens.items():
        if number in ids:
            raise UsageError(
                f"the text holds {token!r}, which the tokenizer reads as a control token however it is written",
                "Leave it out.",
            )
    return text


def control_tokens(tokenizer: "PreTrainedTokenizerBase") -> dict[str, int]:
    """The tokens by which a template marks turns, pictures and ends, with their numbers."""
    found = {}
    for number, token in tokenizer.added_tokens_decoder.items():
        # Ordinary text may hold what the tokenizer does not know.
        if number == tokenizer.unk_token_id:
            continue
        if token.special or _is_mark(token.content):
            found[token.content] = number
    # The unknown token's text is a control token too, though its number is not.
    if tokenizer.unk_token is not None:
        found.setdefault(tokenizer.unk_token, -1)
    return found


def _is_mark(token: str) -> bool:
    return bool(_BRACKETS.search(token)) and any(letter.isalpha() for letter in token)
