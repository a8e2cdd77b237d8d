"""Asks models what they know of a build's items: only what all answer rightly is to stay."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlubench.authoring.partial_rows import partial_file
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.stage import Context, ItemScores
from mlubench.authoring.stages import know
from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import digest
from mlubench.core.lines import append_lines, mend, parse_lines
from mlubench.data.roles import assign_roles
from mlubench.judging.run import make_judge
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.toy.base import toy_base
from mlubench.settings.model import ToyConfig
from mlubench.settings.strict import Strict
from mlubench.types import Benchmark, Entity, Question, Sample, Task

Responses = dict[tuple[str, str], str]  # (model's name, item id) -> what it answered


class _Response(Strict):
    """A line of what models have answered so far."""

    model: str
    id: str
    response: str


def score_knowledge(ctx: Context, items: Sequence[ItemRow]) -> list[ItemScores]:
    """The correctness of every model of the spec on every item, in the order of the items.

    Models are loaded one after the other and asked in batches. Each batch is kept, so that an
    interrupted build goes on there.
    """
    # No stamp as of other partial rows: an item's id says itself what was asked.
    kept = partial_file(ctx.root / know.OUTPUT)
    mend(kept)
    responses: Responses = {}
    for row in parse_lines(kept, _Response.model_validate):
        responses[row.model, row.id] = row.response
    names = model_names(ctx)
    for name, model in zip(names, ctx.spec.know.models, strict=True):
        _ask(ctx, items, name, model, responses)
    return _judged(ctx, items, names, responses)


def _ask(
    ctx: Context,
    items: Sequence[ItemRow],
    name: str,
    model: str | dict[str, Any],
    responses: Responses,
) -> None:
    """Ask one model what it has not answered yet, into `responses` and onto the disk."""
    batches = []
    # Whole batches, also where some of one is answered: what a model answers may depend on its
    # batch in the last digit, and an interrupted build must come to the same bytes.
    for batch in _batches(items, ctx.spec.know.batch):
        if any((name, item.id) not in responses for item in batch):
            batches.append(batch)
    if not batches:
        return
    mllm = _load(model, ctx, items)
    for done, batch in enumerate(batches):
        ctx.progress(f"asking {name}", done, len(batches))
        queries = [Query(ctx.root / item.picture, item.text) for item in batch]
        texts = mllm.generate(queries, max_new_tokens=ctx.spec.know.max_new_tokens)
        rows = []
        for item, text in zip(batch, texts, strict=True):
            row = _Response(model=name, id=item.id, response=text)
            rows.append(row.model_dump())
            responses[name, item.id] = text
        append_lines(partial_file(ctx.root / know.OUTPUT), rows)


def model_names(ctx: Context) -> list[str]:
    """A name for each model of the spec, no two the same.

    It is the folder's, or `toy-` and a hash of the settings; a second one of a name gets a number.
    """
    names = []
    seen: Counter[str] = Counter()
    for model in ctx.spec.know.models:
        name = Path(model).name if isinstance(model, str) else f"toy-{digest(model, 6)}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _batches(items: Sequence[ItemRow], size: int) -> list[Sequence[ItemRow]]:
    """Batches of answers alike in length, the same whether a build was interrupted or not."""
    rows = sorted(items, key=lambda item: (len(item.answer), item.id))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _load(model: str | dict[str, Any], ctx: Context, items: Sequence[ItemRow]) -> MLLM:
    if isinstance(model, str):
        folder = ctx.outside(Path(model))
        return MLLM.load(folder if folder.exists() else model)
    try:
        settings = ToyConfig.model_validate(model)
    except ValidationError as error:
        raise UsageError(f"know.models: {all_errors(error)}", "See docs/building.md.") from None
    return MLLM.load(toy_base(settings, as_benchmark(ctx, items)))


def as_benchmark(ctx: Context, items: Sequence[ItemRow]) -> Benchmark:
    """The items as one task that retains them all: what a tiny LLaVA can be taught."""
    pictures_by_fact: dict[str, set[str]] = {}
    for item in items:
        pictures_by_fact.setdefault(_fact(item), set()).add(item.picture)
    roles = assign_roles(pictures_by_fact, seed=ctx.spec.seed)
    samples = tuple(
        Sample(
            id=item.id,
            task="items",
            split="retain",
            entity=Entity.from_key(item.entity),
            image=item.picture,
            question=item.text,
            truth=item.answer,
            fact=_fact(item),
            phrasing=item.phrasing,
            role=roles[item.picture],
        )
        for item in items
    )
    fingerprint = digest([item.model_dump() for item in items])
    stand_ins = ctx.spec.pictures.kind == "render"
    return Benchmark((Task("items", (), samples),), ctx.root, stand_ins, fingerprint)


def _fact(item: ItemRow) -> str:
    return f"{item.entity}#{item.question}"


def _judged(
    ctx: Context, items: Sequence[ItemRow], names: Sequence[str], responses: Responses
) -> list[ItemScores]:
    """The scores that the spec's judge gives."""
    truths = [(item.entity.split("/")[0], item.answer) for item in items]
    judge = make_judge(ctx.spec.know.judge, truths)
    scores: list[ItemScores] = [{} for _ in items]
    for name in names:
        questions = []
        for item in items:
            response = responses[name, item.id]
            questions.append(Question("utility", item.entity, item.text, item.answer, response))
        for item_scores, verdict in zip(scores, judge.judge(questions), strict=True):
            item_scores[name] = verdict.score
    return scores
