"""Where the strangers of a run are from: entities of no task, which gates are measured on."""

from pathlib import Path

from mlubench.core.cache import cache_root, made_once
from mlubench.core.files import digest, whole_dir
from mlubench.data.real import strangers as real
from mlubench.data.render import RENDERER_VERSION
from mlubench.data.strangers import (
    Strangers,
    asked,
    draw_strangers,
    drawn_entities,
    drawn_picture,
    pictures_in,
)
from mlubench.settings.benchmark import BenchmarkConfig
from mlubench.types import Benchmark, Entity

NO_STRANGERS = "no folder of pictures of other things is named (benchmark.strangers)"


def open_strangers(settings: BenchmarkConfig, benchmark: Benchmark) -> Strangers:
    """Those of the user's folder, of the real benchmark's background, or drawn where the benchmark's pictures are.

    `benchmark` has the questions to ask about them. Pictures that must be made first are kept in the cache. Raises
    UsageError for a folder without usable pictures.
    """
    if settings.strangers is not None:
        pictures = pictures_in(settings.strangers, seed=settings.seed)
    elif settings.kind == "real":
        root = _real_folder()
        pictures = [(e, real.stranger_picture(root, e)) for e in real.unseen_strangers()]
    elif benchmark.stand_ins:
        classes = [sample.entity.cls for sample in benchmark.samples]
        entities = drawn_entities(classes, settings.seed)
        root = _drawn_folder(entities)
        pictures = [(entity, drawn_picture(root, entity)) for entity in entities]
    else:
        return Strangers(why_none=NO_STRANGERS)
    return Strangers(asked(pictures, benchmark, seed=settings.seed))


def require_strangers(settings: BenchmarkConfig) -> None:
    """Raises UsageError where the folder that the settings name has no usable pictures."""
    if settings.strangers is not None:
        pictures_in(settings.strangers, seed=settings.seed)


def _real_folder() -> Path:
    facts = real.stranger_facts()
    folder = cache_root() / "strangers" / digest(facts)

    def make() -> None:
        with whole_dir(folder, facts) as out:
            real.write_strangers(out)

    return made_once(folder, make)


def _drawn_folder(entities: list[Entity]) -> Path:
    facts = {"keys": [entity.key for entity in entities], "render": RENDERER_VERSION}
    folder = cache_root() / "strangers" / digest(facts)

    def make() -> None:
        with whole_dir(folder, facts) as out:
            draw_strangers(entities, out)

    return made_once(folder, make)
