"""The hard split of `gates.py`: six tasks with, beside each forget entity, a retain entity that looks or reads like it.

The entities are split as `mlubench data build` splits them, 64 to a world, and nothing is asked of a model.
"""

from pathlib import Path

import yaml

from gates_world import OwnEncoders, World
from mlubench.authoring.builder import open_build
from mlubench.data import release
from mlubench.settings.gates import GateConfig

ENTITIES, TASKS = 64, 6
# Of each entity, for the requests. Those that gates are asked about are drawn apart.
PICTURES = 9


def hard_world(
    seed: int,
    folder: Path,
    pictures: int,
    gates: GateConfig,
    *,
    entities: int = ENTITIES,
    tasks: int = TASKS,
) -> World:
    """The world of that seed, built in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump(_specification(seed, entities, tasks)))
    built = folder / "built"
    open_build(spec, built).run(until="release")
    benchmark = release.read(built / "release", seed=seed)
    name = f"hard split, seed {seed}"
    return World(name, benchmark, None, OwnEncoders(), folder / "pictures", pictures, gates)


def _specification(seed: int, entities: int, tasks: int) -> dict[str, object]:
    return {
        "name": "A hard split",
        "seed": seed,
        "entities": {"world": entities},
        "pictures": {"kind": "render", "per_entity": PICTURES},
        "split": {"kind": "similarity", "tasks": tasks},
        "write": {"parquet": False},
    }
