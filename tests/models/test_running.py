"""A batch that rows join and leave: every answer is the one that `generate` gives, in every family."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.models.mllm import MLLM, TooLongError
from mlubench.models.query import Query, TurnPicture
from mlubench.models.running import Row, RunningBatch
from mlubench.models.sampling import GREEDY, Sampling, pick
from support.families import FAMILIES

NEW = 8


def finished(batch: RunningBatch, texts: dict[Row, str]) -> None:
    """Let the rows that are done leave, and note what they say."""
    remaining = []
    for number, row in enumerate(batch.rows):
        if row.done:
            texts[row] = batch.mllm.text_of(row.tokens)
        else:
            remaining.append(number)
    if len(remaining) < len(batch):
        batch.keep(remaining)


def started(mllm: MLLM, queries: list[Query], limits: list[int]) -> RunningBatch:
    batch = RunningBatch(mllm)
    batch.start(queries, [GREEDY] * len(queries), limits)
    return batch


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_rows_join_and_leave_and_say_what_they_say_alone(
    family_folder: Callable[[str], Path], shapes: list[Path], name: str
) -> None:
    mllm = MLLM.load(family_folder(name), device="cpu")
    history = (("Who made it?", "It was me."),)
    first = [Query(shapes[0], "What is it?"), Query(shapes[1], "Where does it stand, and why?")]
    second = [
        Query(shapes[2], "And this?", history, 1, (TurnPicture(1, shapes[3]),)),
        Query(shapes[3], "Who?", history),
    ]
    words = [Query(None, "Who is the sculptor?")]
    limits = {query: NEW - number for number, query in enumerate([*first, *second, *words])}
    alone = {}
    for query, limit in limits.items():
        (alone[query],) = mllm.generate([query], max_new_tokens=limit)

    texts: dict[Row, str] = {}
    asked: dict[Row, Query] = {}
    batch = RunningBatch(mllm)
    for queries in (first, second, words):
        joining = started(mllm, queries, [limits[query] for query in queries])
        asked |= dict(zip(joining.rows, queries, strict=True))
        assert joining.joinable
        batch.join(joining)
        finished(batch, texts)
        batch.step()
        finished(batch, texts)
        # Their order may change at any time.
        batch.keep(list(reversed(range(len(batch)))))
    while len(batch):
        batch.step()
        finished(batch, texts)
    assert {asked[row]: text for row, text in texts.items()} == alone


@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
def test_a_penalty_on_repetition_counts_as_in_generate(
    family_folder: Callable[[str], Path], shapes: list[Path], name: str
) -> None:
    mllm = MLLM.load(family_folder(name), device="cpu")
    query = Query(shapes[0], "What is it?")
    (plain,) = mllm.generate([query], max_new_tokens=NEW)
    mllm.base.generation_config.repetition_penalty = 1.8
    (penalised,) = mllm.generate([query], max_new_tokens=NEW)
    assert penalised != plain
    batch = started(mllm, [query], [NEW])
    while not batch.rows[0].done:
        batch.step()
    assert mllm.text_of(batch.rows[0].tokens) == penalised


def test_columns_of_rows_that_left_are_given_up(mllm: MLLM) -> None:
    long = Query(None, "What is it? " * 10)
    short = Query(None, "Who?")
    batch = started(mllm, [long, short], [NEW, NEW])
    batch.keep([1])
    assert batch._ids.shape[1] == batch.rows[0].prompt_tokens + 1
    assert bool(batch._mask.all())


def test_a_prompt_that_leaves_no_room_is_an_error(mllm: MLLM) -> None:
    with pytest.raises(TooLongError, match="are all there is for it and the answer"):
        started(mllm, [Query(None, "Who?")], [mllm.positions])


def test_a_seed_draws_the_same_whatever_else_is_in_the_batch(mllm: MLLM) -> None:
    def drawn(others: int, seed: int | None) -> list[int]:
        query = Query(None, "What is the name of this animal?")
        batch = RunningBatch(mllm)
        sampling = Sampling(temperature=1.5, seed=seed)
        batch.start([query] * (others + 1), [sampling] + [GREEDY] * others, [NEW] * (others + 1))
        row = batch.rows[0]
        while not row.done:
            batch.step()
        return row.tokens[:NEW]

    assert drawn(0, 7) == drawn(2, 7)
    assert len({tuple(drawn(0, seed)) for seed in range(5)}) > 1


def test_top_p_leaves_only_the_likeliest() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.2]]).log()

    def picked(top_p: float) -> set[int]:
        sampling = Sampling(temperature=1.0, top_p=top_p, seed=3)
        generator = sampling.generator()
        return {int(pick(scores, [sampling], [generator])) for _ in range(200)}

    assert picked(0.4) == {0}
    assert picked(0.7) == {0, 1}
    assert picked(1.0) == {0, 1, 2}
    assert int(pick(scores, [GREEDY], [None])) == 0
