"""What must stay: the kept set, which of it goes beside a request, and what is asked about a class."""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlubench.core.files import is_whole, whole_dir, write_json
from mlubench.core.reading import read_json
from mlubench.data import release
from mlubench.experiment.know import dropped_facts
from mlubench.experiment.prepare import open_benchmark
from mlubench.requests.place import Place
from mlubench.requests.submission import read_sent
from mlubench.runs.folder import RunDir
from mlubench.types import Background, Benchmark, Entity, Sample

# The folder of a request that holds what stays beside it, with copies of the pictures.
KEPT = "kept"
# The same question in other words.
Phrasings = tuple[str, ...]

# Where nobody knows what is asked about a class.
ANY_CLASS: tuple[Phrasings, ...] = (
    ("What does this picture show?", "What can be seen in this picture?"),
    ("What is the name of what is shown here?", "Who or what is this called?"),
    ("What do you know about what is shown here?", "Please tell me about what this picture shows."),
    ("What is it known for?", "For what is the subject of this picture known?"),
)


@dataclass(frozen=True, slots=True)
class KeptSet:
    """What must stay, with its pictures."""

    samples: tuple[Sample, ...]
    # None where there is none: then a request has nothing beside it.
    benchmark: Benchmark | None
    background: Background


def open_kept(place: Place) -> KeptSet:
    """The folder that the settings name, else the retain sets of the run; nothing where there is neither."""
    settings = place.settings
    if settings.kept is not None:
        benchmark = release.read(settings.kept)
        dropped: set[str] = set()
    elif place.is_run:
        benchmark = open_benchmark(place.config)
        know = RunDir(place.path)
        dropped = dropped_facts(know) if know.know.is_file() else set()
    else:
        return KeptSet((), None, settings.background or "")
    background = benchmark.background if settings.background is None else settings.background
    retained = []
    for task in benchmark:
        retained += [sample for sample in task.retain if sample.fact not in dropped]
    return KeptSet(tuple(retained), benchmark, background)


def questions_about(kept: KeptSet, cls: str) -> tuple[Phrasings, ...]:
    """What is asked about a class, each question in its wordings: as of the kept entity that most is asked about.

    A question that names its entity is left out.
    """
    by_entity: dict[Entity, dict[str, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for sample in kept.samples:
        names_it = sample.entity.title.lower() in sample.question.lower()
        if sample.entity.cls == cls and sample.image and not names_it:
            by_entity[sample.entity][sample.fact].setdefault(sample.phrasing, sample.question)
    if not by_entity:
        return ANY_CLASS
    most = max(sorted(by_entity), key=lambda entity: len(by_entity[entity]))
    found: dict[Phrasings, None] = {}
    for wordings in by_entity[most].values():
        found[tuple(wordings[number] for number in sorted(wordings))] = None
    return tuple(found)


def keep_beside(place: Place, request: str, entity: Entity, kept: KeptSet) -> None:
    """Choose what is kept beside a request, and copy its pictures. What is there already stays.

    First things of the same class, which the gate must not take for it; then others.
    """
    folder = place.folder(request) / KEPT
    if is_whole(folder):
        return
    chosen = _look_alikes(kept, entity, place.settings.look_alikes)
    with whole_dir(folder, {"samples": len(chosen)}) as out:
        moved = []
        for sample in chosen:
            assert kept.benchmark is not None
            picture = kept.benchmark.picture(sample)
            image = ""
            if picture is not None:
                image = f"{KEPT}/{sample.image}"
                target = out / sample.image
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.is_file():
                    shutil.copyfile(picture, target)
            moved.append(replace(sample, image=image, task=request))
        write_json(out / "samples.json", [asdict(sample) for sample in moved])


def kept_beside(
    place: Place, request: str, asked_for: Collection[str] | None = None
) -> list[Sample]:
    """What is kept beside a request. Pictures lie below the request's folder.

    What another request has asked for need not stay: left out is what `asked_for` names, or what is in effect now.
    """
    if asked_for is None:
        asked_for = entities_of(place, place.now().requests)
    samples = read_samples(place.folder(request) / KEPT / "samples.json")
    return [sample for sample in samples if sample.entity.key not in asked_for]


def entities_of(place: Place, requests: Iterable[str]) -> set[str]:
    """Keys of what these requests are about."""
    return {read_sent(place, request).entity for request in requests}


def read_samples(path: Path) -> list[Sample]:
    return read_json(path, list[Sample])


def _look_alikes(kept: KeptSet, entity: Entity, most: int) -> Sequence[Sample]:
    others = {sample.entity for sample in kept.samples} - {entity}
    ranked = sorted(others, key=lambda other: (other.cls != entity.cls, other))
    chosen = set(ranked[:most])
    return [sample for sample in kept.samples if sample.entity in chosen]
