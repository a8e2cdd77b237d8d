"""Asks models what they know of a build's items, so that a benchmark holds only what all of them answer rightly."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlubench.authoring.finishing import Scores
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.stages import Context
from mlubench.core.errors import UsageError, all_errors
from mlubench.core.files import digest
from mlubench.core.lines import append_lines, read_lines, write_lines
from mlubench.data.roles import assign_roles
from mlubench.judging.run import make_judge
from mlubench.models.mllm import MLLM, Query
from mlubench.models.toy.base import toy_base
from mlubench.settings.run import ToyConfig
from mlubench.types import Benchmark, Entity, Question, Sample, Task

PART = "known.jsonl.part"  # what models have answered so far, so that a build that is stopped asks nothing twice


def know(ctx: Context, items: Sequence[ItemRow]) -> list[Scores]:
    """The correctness, 0 to 2 or None where it cannot be judged, of every model of the spec on every item, in their order.

    Models are loaded one after the other and asked in batches; each batch is kept, so an interrupted build goes on there.
    """
    names = model_names(ctx)
    said = {(row["model"], row["id"]): row["response"] for row in _begun(ctx.root / PART)}
    for name, model in zip(names, ctx.spec.know.models, strict=True):
        rest = [
            chunk
            for chunk in _chunks(items, ctx.spec.know.batch)
            if any((name, i.id) not in said for i in chunk)
        ]
        if not rest:
            continue
        mllm = _load(model, ctx, items)
        for done, chunk in enumerate(rest):
            ctx.progress(f"asking {name}", done, len(rest))
            queries = [Query(ctx.root / item.picture, item.text) for item in chunk]
            texts = mllm.generate(queries, max_new_tokens=ctx.spec.know.max_new_tokens)
            rows = [
                {"model": name, "id": item.id, "response": t}
                for item, t in zip(chunk, texts, strict=True)
            ]
            append_lines(ctx.root / PART, rows)
            said |= {(name, row["id"]): row["response"] for row in rows}
    return _judged(ctx, items, names, said)


def model_names(ctx: Context) -> list[str]:
    """A name for each model of the spec: its folder's, or `toy-` and a hash of its settings. No two are the same."""
    plain = [
        Path(m).name if isinstance(m, str) else f"toy-{digest(m, 6)}" for m in ctx.spec.know.models
    ]
    seen: Counter[str] = Counter()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _begun(part: Path) -> list[dict[str, Any]]:
    """What a killed build had been told; the file is left without a line that it had not finished."""
    rows = read_lines(part)
    write_lines(part, rows)
    return rows


def _chunks(items: Sequence[ItemRow], size: int) -> Iterator[Sequence[ItemRow]]:
    """Batches of answers alike in length; the same whether a build was interrupted or not."""
    rows = sorted(items, key=lambda i: (len(i.answer), i.id))
    return (rows[n : n + size] for n in range(0, len(rows), size))


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
    pictures: dict[str, set[str]] = {}
    for item in items:
        pictures.setdefault(f"{item.entity}#{item.question}", set()).add(item.picture)
    roles = assign_roles(pictures, seed=ctx.spec.seed)
    samples = tuple(
        Sample(
            id=item.id,
            task="items",
            split="retain",
            entity=Entity.from_key(item.entity),
            image=item.picture,
            question=item.text,
            truth=item.answer,
            fact=f"{item.entity}#{item.question}",
            phrasing=item.phrasing,
            role=roles[item.picture],
        )
        for item in items
    )
    drawn = ctx.spec.pictures.kind == "render"
    return Benchmark(
        (Task("items", (), samples),), ctx.root, drawn, digest([i.model_dump() for i in items])
    )


def _judged(
    ctx: Context, items: Sequence[ItemRow], names: Sequence[str], said: dict[tuple[str, str], str]
) -> list[Scores]:
    judge = make_judge(
        ctx.spec.know.judge, [(item.entity.split("/")[0], item.answer) for item in items]
    )
    scores: list[Scores] = [{} for _ in items]
    for name in names:
        asked = [Question("utility", i.entity, i.text, i.answer, said[name, i.id]) for i in items]
        for found, verdict in zip(scores, judge.judge(asked), strict=True):
            found[name] = verdict.score
    return scores
