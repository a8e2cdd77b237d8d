"""Answers whose beginning the caller has put into the model's mouth, as whoever runs a model can."""

from collections.abc import Sequence

from mlubench.models.answers import answer_labels, answer_token_type, append_answers
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query


def answers_behind(
    mllm: MLLM, queries: Sequence[Query], begun: str, *, max_new_tokens: int
) -> list[str]:
    """Greedy answers that begin with `begun`, which is part of them; as `MLLM.generate` where it is empty."""
    if not begun:
        return mllm.generate(queries, max_new_tokens=max_new_tokens)
    first = queries[0]
    ids = mllm.answer_ids(
        first.question, begun, with_image=first.image is not None, history=first.history
    )
    # The last token is the answer's end, which is still to come.
    beginning = answer_labels([ids[:-1]] * len(queries)).to(mllm.device)
    batch = append_answers(
        mllm.encode(queries),
        beginning,
        mllm.tokenizer.pad_token_id,
        token_type=answer_token_type(mllm.base),
    )
    width = batch["input_ids"].shape[1]
    mllm.require_room(width, max_new_tokens)
    with mllm.no_gradients():
        made = mllm.model.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=mllm.tokenizer.pad_token_id,
        )  # (B, P + beginning + new tokens)
    return [f"{begun} {mllm.text_of(row)}" for row in made[:, width:]]
