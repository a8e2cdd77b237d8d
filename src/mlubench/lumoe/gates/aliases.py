"""What an entity is called: its own name, that without an ending or article, and its aliases (aliases.yaml)."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

from mlubench.core.errors import unknown_name
from mlubench.data.naming import without_generic_ending
from mlubench.lumoe.gates.spelling import fold
from mlubench.types import Benchmark, Entity


def names_of(entity: Entity, aliases: Mapping[str, Sequence[str]]) -> list[str]:
    """The entity's folded names: its own, that without a generic ending or an article, and its aliases."""
    own = fold(entity.name)
    found = [own, without_generic_ending(own)]
    found += [fold(alias) for alias in aliases.get(entity.key, ())]
    for name in list(found):
        # "The Strain" without its article would be any strain.
        if name.startswith("the ") and name.count(" ") > 1:
            found.append(name.removeprefix("the "))
    return [name for name in dict.fromkeys(found) if name]


@cache
def _our_aliases() -> Mapping[str, Sequence[str]]:
    source = resources.files("mlubench.lumoe.gates").joinpath("aliases.yaml")
    known: dict[str, list[str]] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return known


def known_aliases(added: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Our aliases of the official entities, and those that the settings add."""
    known = {key: list(names) for key, names in _our_aliases().items()}
    for key, names in added.items():
        known[key] = [*known.get(key, []), *names]
    return known


def check_aliases(added: Mapping[str, Sequence[str]], benchmark: Benchmark) -> None:
    """Raises UsageError for aliases of what the benchmark does not hold, which would never count."""
    known = {s.entity.key for s in benchmark.samples}
    for key in added:
        if key not in known:
            raise unknown_name("entity in gates.aliases", key, known)
