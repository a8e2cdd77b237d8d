"""Questions to the untouched base, whatever is mounted on it: what the gate `self` asks with."""

from collections.abc import Iterator, Sequence

from mlubench.core.errors import MlubenchError
from mlubench.core.reply_text import begun
from mlubench.lumoe.gates.replies import Answerer, Reply
from mlubench.models.adapters import mounted
from mlubench.models.chat_template import prompt_text
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query


def base_asker(mllm: MLLM, *, batch: int = 64, max_new_tokens: int = 24) -> Answerer:
    """A function that asks the untouched base, and gives an error back, not raised, where it cannot be asked."""

    def answer(queries: Sequence[Query]) -> Iterator[Reply]:
        for start in range(0, len(queries), batch):
            yield from _replies(mllm, queries[start : start + batch], max_new_tokens)

    return answer


def _replies(mllm: MLLM, queries: Sequence[Query], max_new_tokens: int) -> list[Reply]:
    """Replies in the order of the queries. Where a batch cannot be answered, its queries are asked one by one."""
    replies: dict[int, Reply] = {}
    # A batch for the model has a picture in every row or in none.
    for with_image in (True, False):
        rows = [row for row, query in enumerate(queries) if (query.image is not None) is with_image]
        if not rows:
            continue
        try:
            with mounted(mllm, ()):
                texts = mllm.generate([queries[row] for row in rows], max_new_tokens=max_new_tokens)
            # Thinking that the prompt has begun is thinking all the same.
            opening = begun(prompt_text(mllm.processor, "?", with_image=with_image))
            replies |= {row: opening + text for row, text in zip(rows, texts, strict=True)}
        except MlubenchError as error:
            for row in rows:
                if len(queries) == 1:
                    replies[row] = error
                else:
                    replies[row] = _replies(mllm, [queries[row]], max_new_tokens)[0]
    return [replies[row] for row in range(len(queries))]
