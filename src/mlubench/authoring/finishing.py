"""The second half of a build: items for a person to check, what every model knows, the split, and what is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from mlubench.authoring import split as splitting
from mlubench.authoring.datasheet import Made, write_datasheet
from mlubench.authoring.figures import write_figures
from mlubench.authoring.items import make_items
from mlubench.authoring.likeness import likeness
from mlubench.authoring.rows import (
    AnswerRow,
    EntityRow,
    ItemRow,
    KnownRow,
    PictureRow,
    QuestionRow,
    read_rows,
    write_rows,
)
from mlubench.authoring.spec import BuildSpec, SplitSpec
from mlubench.authoring.stages import Context, Stage, output_hash
from mlubench.authoring.verdicts import LOG, apply, read_log, usable
from mlubench.authoring.writing import Placed, place, write_parquet, write_release
from mlubench.core.errors import DataError
from mlubench.core.files import file_sha256, read_yaml, write_atomic
from mlubench.types import Split

RIGHT = 2
Scores = dict[str, int | None]  # by model's name; None: unscored


class Knower(Protocol):
    """Scores, 0 to 2 or None, that each model of the spec gets on each item, in the items' order."""

    def __call__(self, ctx: Context, items: Sequence[ItemRow]) -> list[Scores]: ...


def _items(ctx: Context) -> None:
    pictures, questions = (
        read_rows(ctx.root / "pictures.jsonl", PictureRow),
        read_rows(ctx.root / "questions.jsonl", QuestionRow),
    )
    items = make_items(pictures, questions, read_rows(ctx.root / "answers.jsonl", AnswerRow))
    if not items:
        raise DataError(
            "no entity has both a picture and an answer", "See pictures.jsonl and answers.jsonl."
        )
    write_rows(ctx.root / "items.jsonl", items)


def _review(ctx: Context) -> None:
    items = apply(read_rows(ctx.root / "items.jsonl", ItemRow), read_log(ctx.root / LOG))
    usable(items, required=ctx.spec.review.required)
    write_rows(ctx.root / "reviewed.jsonl", items)


def _log_hash(ctx: Context) -> str | None:
    return output_hash(ctx.root / LOG)


def _know(ctx: Context) -> None:
    items = usable(read_rows(ctx.root / "reviewed.jsonl", ItemRow), required=False)
    scores: list[Scores] = (
        ctx.tools["know"](ctx, items) if ctx.spec.know.models else [{} for _ in items]
    )
    rows = [_known(item, found) for item, found in zip(items, scores, strict=True)]
    if not any(row.kept for row in rows):
        raise DataError(
            "no item is known to every model of the spec",
            "See known.jsonl's reasons, or change know.models.",
        )
    write_rows(ctx.root / "known.jsonl", rows)
    (ctx.root / "known.jsonl.part").unlink(missing_ok=True)


def _known(item: ItemRow, scores: Scores) -> KnownRow:
    unscored = [name for name, score in scores.items() if score is None]
    wrong = [name for name, score in scores.items() if score is not None and score < RIGHT]
    why = [f"not answered rightly by {name}" for name in wrong] + [
        f"not judged for {name}" for name in unscored
    ]
    return KnownRow.model_validate(
        {"id": item.id, "scores": scores, "kept": not why, "why": "; ".join(why)}
    )


def kept_items(root: Path) -> list[ItemRow]:
    """The items that a benchmark is made of: looked at where that was asked for, and known to every model."""
    kept = {row.id for row in read_rows(root / "known.jsonl", KnownRow) if row.kept}
    return [item for item in read_rows(root / "reviewed.jsonl", ItemRow) if item.id in kept]


def _split(ctx: Context) -> None:
    items, spec = kept_items(ctx.root), ctx.spec.split
    entities = sorted({item.entity for item in items})
    dealt = deal(items, entities, spec, ctx)
    text = "# Who is forgotten and who is retained, task by task. Mend it as you like: no entity in two places.\n"
    write_atomic(
        ctx.root / "tasks.yaml", text + yaml.safe_dump(dealt, allow_unicode=True, sort_keys=False)
    )


def deal(
    items: Sequence[ItemRow], entities: Sequence[str], spec: SplitSpec, ctx: Context
) -> splitting.Dealt:
    """The entities in tasks, as the spec asks."""
    if spec.kind == "given":
        return splitting.given(entities, spec.given)
    sizes = splitting.Sizes(spec.tasks, spec.forget)
    if spec.kind == "similarity":
        return splitting.similar(
            entities, _likeness(ctx.root, items, entities), sizes, ctx.spec.seed
        )
    way = splitting.by_class if spec.kind == "by_class" else splitting.mixed
    return way(entities, sizes, ctx.spec.seed)


def _likeness(root: Path, items: Sequence[ItemRow], entities: Sequence[str]) -> splitting.Likeness:
    pictures: dict[str, set[Path]] = {key: set() for key in entities}
    texts: dict[str, set[str]] = {
        key: {key.partition("/")[2].replace("_", " ")} for key in entities
    }
    for item in items:
        pictures[item.entity].add(root / item.picture)
        texts[item.entity].add(item.answer)
    return likeness(
        entities,
        {key: sorted(paths) for key, paths in pictures.items()},
        {key: " ".join(sorted(words)) for key, words in texts.items()},
    )


def _placed(ctx: Context) -> Placed:
    items = kept_items(ctx.root)
    return place(
        items,
        splitting.given(sorted({i.entity for i in items}), _read_tasks(ctx.root / "tasks.yaml")),
    )


def _release(ctx: Context) -> None:
    facts = {"name": ctx.spec.name, "seed": ctx.spec.seed}
    drawn = ctx.spec.pictures.kind == "render"
    write_release(ctx.root, ctx.root / "release", _placed(ctx), stand_ins=drawn, facts=facts)


def _dataset(ctx: Context) -> None:
    pictures = {p.file: p for p in read_rows(ctx.root / "pictures.jsonl", PictureRow)}
    write_parquet(ctx.root, ctx.root / "dataset", _placed(ctx), pictures, name=ctx.spec.name)


def _datasheet(ctx: Context) -> None:
    items, placed = kept_items(ctx.root), _placed(ctx)
    entities = sorted({item.entity for item in items})
    dealt: splitting.Dealt = {
        task: {split: sorted({i.entity for i in rows}) for split, rows in splits.items()}
        for task, splits in placed.items()
    }
    alike = _likeness(ctx.root, items, entities)
    made = Made(
        name=ctx.spec.name,
        seed=ctx.spec.seed,
        split=ctx.spec.split.kind,
        entities=read_rows(ctx.root / "entities.jsonl", EntityRow),
        pictures=read_rows(ctx.root / "pictures.jsonl", PictureRow),
        answers=read_rows(ctx.root / "answers.jsonl", AnswerRow),
        reviewed=read_rows(ctx.root / "reviewed.jsonl", ItemRow),
        known=read_rows(ctx.root / "known.jsonl", KnownRow),
        placed=placed,
        hardness=splitting.hardness(dealt, entities, alike),
        by_chance=splitting.by_chance(dealt, entities, alike, ctx.spec.seed),
        hashes=_hashes(ctx.root, dataset=ctx.spec.write.parquet),
    )
    write_figures(made, ctx.root / "figures")
    write_atomic(ctx.root / "datasheet.md", write_datasheet(made))


def _read_tasks(path: Path) -> Mapping[str, Mapping[Split, Sequence[str]]]:
    """tasks.yaml as it stands, mended or not. DataError where it does not have the form that it was written in."""
    tasks = read_yaml(path, "Build it with `mlubench data build`.")
    for task, splits in tasks.items():
        whole = isinstance(splits, dict) and set(splits) == {"forget", "retain"}
        if not (
            whole
            and all(
                isinstance(keys, list) and all(isinstance(k, str) for k in keys)
                for keys in splits.values()
            )
        ):
            raise DataError(
                f"{path}: task {task} is not {{forget: [...], retain: [...]}}", "Mend it."
            )
    return {str(task): splits for task, splits in tasks.items()}


def _hashes(root: Path, *, dataset: bool) -> dict[str, str]:
    rows = ("entities", "pictures", "questions", "answers", "reviewed", "known")
    files = [*(root / f"{name}.jsonl" for name in rows), root / "tasks.yaml"]
    files += sorted((root / "release").rglob("task*.json"))
    files += sorted((root / "dataset").rglob("*.parquet")) if dataset else []
    return {f.relative_to(root).as_posix(): file_sha256(f) for f in files}


def _weights(ctx: Context) -> list[list[str]]:
    """What tells one model from another of the same name: the hash of its weight files where they are here."""
    folders = [ctx.outside(Path(m)) for m in ctx.spec.know.models if isinstance(m, str)]
    return [sorted(file_sha256(f) for f in folder.glob("*.safetensors")) for folder in folders]


def finishing(spec: BuildSpec) -> list[Stage]:
    """The stages after the answers, in order."""
    stages = [
        Stage(
            "items",
            ("items.jsonl",),
            ("pictures", "questions", "answers"),
            _no_settings,
            _items,
            _plan_items,
        ),
        Stage("review", ("reviewed.jsonl",), ("items",), _review_settings, _review, _plan_review),
        Stage("know", ("known.jsonl",), ("review",), _know_settings, _know, _plan_know),
        Stage(
            "split",
            ("tasks.yaml",),
            ("pictures", "review", "know"),
            _split_settings,
            _split,
            _plan_split,
        ),
        Stage(
            "release",
            ("release",),
            ("review", "know", "split"),
            _name_settings,
            _release,
            _plan_release,
        ),
    ]
    if spec.write.parquet:
        stages.append(
            Stage(
                "dataset",
                ("dataset",),
                ("pictures", "review", "know", "split"),
                _name_settings,
                _dataset,
                _plan_dataset,
            )
        )
    whole = ("entities", *(stage.name for stage in stages))
    stages.append(
        Stage(
            "datasheet",
            ("datasheet.md", "figures"),
            whole,
            _name_settings,
            _datasheet,
            _plan_datasheet,
        )
    )
    return stages


def _no_settings(ctx: Context) -> Any:
    return None


def _review_settings(ctx: Context) -> Any:
    return {"required": ctx.spec.review.required, "said": output_hash(ctx.root / LOG)}


def _know_settings(ctx: Context) -> Any:
    return {**ctx.spec.know.model_dump(mode="json"), "weights": _weights(ctx)}


def _split_settings(ctx: Context) -> Any:
    return {**ctx.spec.split.model_dump(mode="json"), "seed": ctx.spec.seed}


def _name_settings(ctx: Context) -> Any:
    return {"name": ctx.spec.name, "seed": ctx.spec.seed, "pictures": ctx.spec.pictures.kind}


def _plan_items(ctx: Context) -> str:
    return "every kept picture with every phrasing of each answered question"


def _plan_review(ctx: Context) -> str:
    return (
        "needs a person's word on every item" if ctx.spec.review.required else "nobody has to look"
    )


def _plan_know(ctx: Context) -> str:
    count = len(ctx.spec.know.models)
    return (
        f"asks {count} model{'s' * (count != 1)} every item"
        if count
        else "keeps everything: no model is named"
    )


def _plan_split(ctx: Context) -> str:
    tasks = len(ctx.spec.split.given) if ctx.spec.split.kind == "given" else ctx.spec.split.tasks
    return f"{tasks} tasks, {ctx.spec.split.kind}"


def _plan_release(ctx: Context) -> str:
    return "writes the official layout and copies the pictures"


def _plan_dataset(ctx: Context) -> str:
    return "writes parquet with the pictures inside"


def _plan_datasheet(ctx: Context) -> str:
    return "writes counts, sources, licences, drop rates, hashes and figures"
