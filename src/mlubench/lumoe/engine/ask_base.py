"""Questions to the untouched base, whatever is mounted on it."""

from collections.abc import Iterator, Sequence

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.gates.replies import Answerer, Reply
from mlubench.models.adapters import mounted
from mlubench.models.mllm import MLLM, Query


def base_asker(mllm: MLLM, *, batch: int = 64, max_new_tokens: int = 24) -> Answerer:
    """Asks the untouched base whatever is mounted on it; an error, not raised, for what it cannot be asked."""

    def answer(queries: Sequence[Query]) -> Iterator[Reply]:
        for start in range(0, len(queries), batch):
            yield from _asked(mllm, queries[start : start + batch], max_new_tokens)

    return answer


def _asked(mllm: MLLM, queries: Sequence[Query], max_new_tokens: int) -> list[Reply]:
    """Replies in order. Where a batch cannot be answered, its queries are asked one by one."""
    replies: dict[int, Reply] = {}
    for seen in (True, False):
        rows = [n for n, q in enumerate(queries) if (q.image is not None) is seen]
        if not rows:
            continue
        try:
            with mounted(mllm, ()):
                texts = mllm.generate([queries[n] for n in rows], max_new_tokens=max_new_tokens)
            replies |= dict(zip(rows, texts, strict=True))
        except MlubenchError as error:
            alone = len(queries) == 1
            replies |= {
                n: error if alone else _asked(mllm, [queries[n]], max_new_tokens)[0] for n in rows
            }
    return [replies[n] for n in range(len(queries))]
