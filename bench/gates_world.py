"""The worlds that the parts of `gates.py` ask their gates about: a benchmark, its base, and pictures drawn for the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlubench.data.render import render_release
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.lumoe.engine.base_answers import base_asker
from mlubench.lumoe.gates.base import Features, Gate, GateQuery, ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.models.encoders import Encoder
from mlubench.models.features import EncoderName, FeatureCache, LayerCache, open_encoder
from mlubench.models.mllm import MLLM
from mlubench.settings.gates import GateConfig
from mlubench.settings.run import Config
from mlubench.statistics.intervals import wilson
from mlubench.types import Benchmark, Entity, Task


@dataclass(frozen=True, slots=True)
class World:
    """One benchmark with its base, and where the pictures of this program lie.

    The pictures are new to all: neither the base nor the gate's fit nor its calibration has seen them.
    """

    name: str
    benchmark: Benchmark
    # None: no gate that is asked needs a base.
    mllm: MLLM | None
    features: Features
    folder: Path
    pictures: int  # how many of each entity a gate is asked about
    gates: GateConfig

    def drawn(self, entity: Entity, count: int) -> list[Path]:
        """Pictures of the entity, drawn unless they are there."""
        paths = [f"{entity.key}/gate_{number:04d}.jpg" for number in range(count)]
        # The last is drawn last, so all are there if it is.
        if not (self.folder / paths[-1]).is_file():
            render_release([f"pictures/{path}" for path in paths], self.folder.parent)
        return [self.folder / path for path in paths]


class OwnEncoders:
    """Features without a base, for gates that look with an encoder of their own."""

    def __init__(self, tower: Encoder | None = None) -> None:
        self._layers: dict[EncoderName, LayerCache] = {}
        if tower is not None:
            self._layers["tower"] = LayerCache(tower)

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        return torch.zeros(len(pictures), 1)

    def encoded_by(self, encoder: EncoderName) -> LayerCache:
        if encoder not in self._layers:
            self._layers[encoder] = LayerCache(open_encoder(encoder))
        return self._layers[encoder]


def open_world(
    name: str, config: Config, folder: Path, pictures: int, *, with_base: bool = True
) -> World:
    benchmark = unlearned_part(open_benchmark(config), config.benchmark)
    mllm = None
    features: Features = OwnEncoders()
    if with_base:
        mllm = open_base(config, benchmark)
        mllm.keep_pictures = 0  # each is seen once
        features = FeatureCache(mllm)
    return World(name, benchmark, mllm, features, folder / "pictures", pictures, config.gates)


def fitted(world: World, name: str, tasks: Sequence[Task]) -> Gate:
    """The gate of that name, fitted on the tasks with the settings of the world's configuration."""
    asker = None if world.mllm is None else base_asker(world.mllm)
    gate = make_gate(name, ModelAccess(ask_base=asker))
    gate.fit(tasks, world.benchmark, world.features, world.gates)
    return gate


def questions(world: World) -> dict[str, list[str]]:
    """Questions by entity and by class, in phrasings that unlearning does not train on, each once."""
    # Dictionaries, since they keep the order in which the questions come.
    found: dict[str, dict[str, None]] = {}
    for sample in world.benchmark.samples:
        if sample.phrasing > 0:
            found.setdefault(sample.entity.key, {})[sample.question] = None
            found.setdefault(sample.entity.cls, {})[sample.question] = None
    return {key: list(distinct) for key, distinct in found.items()}


def queries_about(
    world: World, entities: Sequence[Entity], pictures: int
) -> tuple[list[Entity], list[GateQuery]]:
    """A query for each picture of each entity, and the entities they are about.

    A stranger, of whom nothing was ever asked, is asked about with the questions of its class.
    """
    known = questions(world)
    about: list[Entity] = []
    queries: list[GateQuery] = []
    for entity in entities:
        texts = known.get(entity.key) or known[entity.cls]
        for number, path in enumerate(world.drawn(entity, pictures)):
            about.append(entity)
            queries.append(GateQuery(path, texts[number % len(texts)], entity))
    return about, queries


def strangers(world: World, count: int) -> list[Entity]:
    """Entities that exist nowhere else, spread over the classes of the world. Each world has others."""
    classes = sorted({sample.entity.cls for sample in world.benchmark.samples})
    place = "".join(letter for letter in world.name if letter.isalnum())
    names = [f"Nobody_of_{place}_{number}" for number in range(count)]
    return [Entity(classes[number % len(classes)], name) for number, name in enumerate(names)]


def rate(name: str, hits: Sequence[bool]) -> dict[str, Any]:
    """The share of hits with its interval and number, as three keys."""
    return counted(name, sum(hits), len(hits))


def counted(name: str, hits: int, n: int, distinct: int | None = None) -> dict[str, Any]:
    """As `rate`. `distinct`: how many different queries the n are, where they are asked of several gates."""
    among = n if distinct is None else distinct
    share = hits / n if n else 0.0
    return {
        name: round(share, 4) if n else None,
        f"{name}_ci95": wilson(round(share * among), among),
        f"{name}_n": n,
    }
