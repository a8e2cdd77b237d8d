"""Stage `split`: which entities are forgotten and which retained, task by task."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from mlubench.authoring import splitting
from mlubench.authoring.likeness import likeness
from mlubench.authoring.rows import ItemRow
from mlubench.authoring.splitting import Likeness, SplitSizes, TaskSplits
from mlubench.authoring.stage import Context, Stage
from mlubench.authoring.stages.know import kept_items
from mlubench.core.errors import DataError
from mlubench.core.files import write_atomic
from mlubench.core.reading import read_yaml

OUTPUT = "tasks.yaml"
_COMMENT = (
    "# Who is forgotten and who is retained, task by task."
    " Mend it as you like: no entity in two places.\n"
)


def load_splits(ctx: Context, entities: Sequence[str]) -> TaskSplits:
    """tasks.yaml as it stands, mended or not.

    Raises DataError for another form, and naming all `entities` that are unknown or in two places.
    """
    path = ctx.root / OUTPUT
    tasks = read_yaml(path, "Build it with `mlubench data build`.")
    for task, splits in tasks.items():
        if not _is_a_task(splits):
            raise DataError(
                f"{path}: task {task} is not {{forget: [...], retain: [...]}}", "Mend it."
            )
    return splitting.given(entities, {str(task): splits for task, splits in tasks.items()})


def _is_a_task(splits: object) -> bool:
    if not isinstance(splits, dict) or set(splits) != {"forget", "retain"}:
        return False
    for keys in splits.values():
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            return False
    return True


def entity_keys(items: Sequence[ItemRow]) -> list[str]:
    return sorted({item.entity for item in items})


def entity_likeness(root: Path, items: Sequence[ItemRow], entities: Sequence[str]) -> Likeness:
    """(N, N): how alike the entities look and read, by their pictures, names and answers."""
    pictures: dict[str, set[Path]] = {key: set() for key in entities}
    texts: dict[str, set[str]] = {}
    for key in entities:
        _, _, name = key.partition("/")
        texts[key] = {name.replace("_", " ")}
    for item in items:
        pictures[item.entity].add(root / item.picture)
        texts[item.entity].add(item.answer)
    # Sorted, since the order of a set differs from process to process.
    sorted_pictures = {key: sorted(paths) for key, paths in pictures.items()}
    joined_texts = {key: " ".join(sorted(found)) for key, found in texts.items()}
    return likeness(entities, sorted_pictures, joined_texts)


def _make(ctx: Context) -> None:
    items = kept_items(ctx.root)
    splits = _split(ctx, items, entity_keys(items))
    text = yaml.safe_dump(splits, allow_unicode=True, sort_keys=False)
    write_atomic(ctx.root / OUTPUT, _COMMENT + text)


def _split(ctx: Context, items: Sequence[ItemRow], entities: Sequence[str]) -> TaskSplits:
    """The entities in tasks, as the spec asks."""
    spec = ctx.spec.split
    if spec.kind == "given":
        return splitting.given(entities, spec.given)
    sizes = SplitSizes(spec.tasks, spec.forget)
    if spec.kind == "similarity":
        alike = entity_likeness(ctx.root, items, entities)
        return splitting.similar(entities, alike, sizes, ctx.spec.seed)
    if spec.kind == "by_class":
        return splitting.by_class(entities, sizes, ctx.spec.seed)
    return splitting.mixed(entities, sizes, ctx.spec.seed)


def _settings(ctx: Context) -> object:
    return {**ctx.spec.split.model_dump(mode="json"), "seed": ctx.spec.seed}


def _plan(ctx: Context) -> str:
    spec = ctx.spec.split
    tasks = len(spec.given) if spec.kind == "given" else spec.tasks
    return f"{tasks} tasks, {spec.kind}"


STAGE = Stage(
    name="split",
    outputs=(OUTPUT,),
    needs=("pictures", "review", "know"),
    settings=_settings,
    make=_make,
    plan=_plan,
)
