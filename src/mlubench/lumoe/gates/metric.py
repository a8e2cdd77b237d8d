"""A gate that looks, with a metric that other things have taught it: whom is this picture like, more than all strangers?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from mlubench.core.errors import MlubenchError
from mlubench.core.files import write_json
from mlubench.core.reading import read_json
from mlubench.data.background import Background, open_background
from mlubench.lumoe.gates.base import EncodingFeatures, Features, Gate, GateQuery
from mlubench.lumoe.gates.learned import DIRECTIONS, Learned, learned_from
from mlubench.lumoe.gates.looks import look, numbers_of
from mlubench.lumoe.gates.prototype import PrototypeGate, pictures_by_entity
from mlubench.lumoe.gates.saved import HINT, EntityKey, SavedGate
from mlubench.lumoe.gates.statement import Forecast, Statement, together
from mlubench.models.features import EncoderName, LayerCache, open_encoder
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Sample, Task

# What a picture scores less where it is more like something that must stay: below every threshold.
VETO = 2.0
# Of so many other things that it is most like, the mean is subtracted. By the nearest alone a request that happens to
# resemble one of them would be lost.
NEAREST = 5
# How many other things teach the metric, as a plan of a run takes it: so many do where pictures are drawn.
THINGS = 300


class SavedMetric(SavedGate):
    """The state of the gate, but for its tensors."""

    # Whether there was a background. If not, the files of a `prototype` gate lie beside it, and nothing else stands here.
    background: bool = True
    entities: list[EntityKey] = []
    experts: list[str] = []
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    # From which score on the second look is told of an entity. None: no entity is suspect.
    suspicion: Annotated[float, Field(allow_inf_nan=False)] | None = None
    # `tower`, `drawn` or a folder, and the hash of its weights.
    encoder: str = "tower"
    encoder_id: str = ""
    # Whether parts of a picture are looked at too.
    parts: bool = False
    stated: Statement = Statement()

    @model_validator(mode="after")
    def _one_expert_each(self) -> "SavedMetric":
        if len(self.experts) != len(self.entities):
            raise ValueError(f"{len(self.entities)} entities and {len(self.experts)} experts")
        if self.background and not self.entities:
            raise ValueError("nothing is to be forgotten")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How pictures look to the gate, each by L looks."""

    # Of each look. Above the threshold the picture is routed. (N, L)
    values: Tensor
    # The number of the request that each look is most like. (N, L)
    numbers: Tensor
    # The same for each request, in the look that is most like it. (N, F)
    of_each: Tensor

    @property
    def highest(self) -> Tensor:
        """Of the look that scores highest. (N,)"""
        return self.values.max(1).values


class MetricGate(Gate):
    """Each request is the mean of its pictures and of views of them, in features that tell other things apart.

    A picture's score is how like it is to the nearest request, less how like it is, on the average, to the `NEAREST`
    things that it is most like of those that taught the metric. What is more like something that must stay is vetoed.
    The threshold is that of split conformal prediction (Vovk 2012) on the scores of still other things, each the largest
    over all requests: so the stated share of strangers holds for any number of requests. Without a background there is
    nothing to learn from, and the gate is as `prototype`.
    """

    name = "metric"

    def __init__(self) -> None:
        self.encoder: EncoderName = "tower"
        self.encoder_id = ""
        self.parts = False
        self.learned: Learned | None = None
        # The requests and their experts in the order of the rows of `forget`.
        self.entities: list[str] = []
        self.experts: list[str] = []
        # What requests and retain entities look like on the average, at length 1. (F, D), (R, D)
        self.forget = torch.zeros(0, 1)
        self.retain = torch.zeros(0, 1)
        self.threshold = 0.0
        self.suspicion: float | None = None
        self.stated = Statement()
        self.without_background: PrototypeGate | None = None
        self._own_cache: LayerCache | None = None

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.__init__()  # type: ignore[misc]
        background = open_background(benchmark.background, config.background)
        if background is None:
            self.without_background = PrototypeGate()
            self.without_background.fit(tasks, benchmark, features, config)
            return
        self.encoder = _encoder_for(benchmark, config)
        looks = self._looks(features)
        self.encoder_id = looks.encoder.id
        self.parts = config.parts
        self.learned = learned_from(background, looks.encoder, parts=self.parts)
        expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        forget = pictures_by_entity([s for t in tasks for s in t.forget])
        # What an earlier task kept may have to go by now.
        kept = [s for t in tasks for s in t.retain if s.entity.key not in expert_of]
        if not forget:
            raise MlubenchError(
                "the gate has no picture of what is to be forgotten", "Use pictures of each entity."
            )
        seen: dict[str, Tensor] = {}
        for key, samples in forget.items():
            seen[key] = self._seen(samples, benchmark, looks, config.views)
        self.entities = list(forget)
        self.experts = [expert_of[key] for key in forget]
        self.forget = torch.stack([_mean(rows) for rows in seen.values()])
        if kept:
            means = []
            for samples in pictures_by_entity(kept).values():
                means.append(_mean(self._seen(samples, benchmark, looks, config.views)))
            self.retain = torch.stack(means)
        scores = self.scores(self.learned.strangers).highest
        self.threshold = conformal_threshold(scores, config.strangers)
        if config.band:
            self.suspicion = min(self.threshold, conformal_threshold(scores, config.band))
        self.stated = self._statement(background, seen, config.strangers)

    def _looks(self, features: Features) -> LayerCache:
        """What the gate looks with. Raises MlubenchError for features that have no other encoder."""
        if isinstance(features, EncodingFeatures):
            looks = features.encoded_by(self.encoder)
        else:
            if self._own_cache is None:
                self._own_cache = LayerCache(open_encoder(self.encoder))
            looks = self._own_cache
        if self.encoder_id and looks.encoder.id and looks.encoder.id != self.encoder_id:
            raise MlubenchError(
                f"the gate was fitted with another vision model than {self.encoder} holds", HINT
            )
        return looks

    def _seen(
        self, samples: Sequence[Sample], benchmark: Benchmark, looks: LayerCache, views: int
    ) -> Tensor:
        """The pictures of an entity, each with its views. (pictures, 1 + views, D)"""
        assert self.learned is not None
        wanted = []
        for sample in samples:
            path = benchmark.picture(sample)
            wanted += [(path, number) for number in range(1 + views)]
        rows = self.learned.seen(looks.of_views(wanted, look))
        return rows.unflatten(0, (-1, 1 + views))

    def scores(self, seen: Tensor, forget: Tensor | None = None) -> Scores:
        """Of features (N, L, D) at length 1. `forget` are what the requests look like; None: as they were fitted."""
        assert self.learned is not None
        likeness = seen @ (self.forget if forget is None else forget).T  # (N, L, F)
        others = seen @ self.learned.things.T
        usual = others.topk(min(NEAREST, others.shape[2]), 2).values.mean(2)
        of_each = likeness - usual[:, :, None]  # (N, L, F)
        if len(self.retain):
            stays = (seen @ self.retain.T).max(2).values[:, :, None]
            of_each = torch.where(stays > likeness, likeness - stays - VETO, of_each)
        values, numbers = of_each.max(2)
        return Scores(values, numbers, of_each.max(1).values)

    def _statement(
        self, background: Background, seen: Mapping[str, Tensor], strangers: float
    ) -> Statement:
        forecasts = {}
        for number, (key, rows) in enumerate(seen.items()):
            forecasts[key] = self._forecast(number, rows)
        leak, pictures = together(forecasts)
        things = len(background.setting())
        return Statement(
            strangers=strangers,
            background=background.name,
            background_things=things,
            background_pictures=things * background.pictures,
            leak=leak,
            pictures=pictures,
            requests=forecasts,
        )

    def _forecast(self, number: int, rows: Tensor) -> Forecast:
        """Of the request of that number, whose pictures and views are `rows`: each picture is left out and asked about."""
        pictures = len(rows)
        if pictures < 2:
            return Forecast(leak=None, pictures=pictures)
        missed = 0
        for left_out in range(pictures):
            others = torch.cat([rows[:left_out], rows[left_out + 1 :]])
            forget = self.forget.clone()
            forget[number] = _mean(others)
            scores = self.scores(rows[left_out, :1][None], forget)
            right = self.experts[int(scores.numbers)] == self.experts[number]
            missed += not (right and scores.values.item() > self.threshold)
        return Forecast(leak=missed / pictures, pictures=pictures)

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        if self.without_background is not None:
            return self.without_background.route(queries, features)
        # A query without a picture scores below every query with one.
        routes: list[Route] = [Route((), None, -2 * VETO, "no picture")] * len(queries)
        asked = [n for n, query in enumerate(queries) if query.image is not None]
        if not asked or self.learned is None:
            return routes
        pictures = [path for query in queries if (path := query.image) is not None]
        scores = self.scores(self._asked(pictures, features))
        for row, n in enumerate(asked):
            suspects = self._suspects(scores.of_each[row])
            routes[n] = self._route(scores.values[row], scores.numbers[row], suspects)
        return routes

    def _asked(self, pictures: Sequence[Path], features: Features) -> Tensor:
        """What the gate sees of pictures that are asked about, by all looks. (N, L, D)"""
        assert self.learned is not None
        looks = numbers_of(self.parts)
        wanted = [(path, number) for path in pictures for number in looks]
        rows = self._looks(features).of_views(wanted, look)
        return self.learned.seen(rows).unflatten(0, (-1, len(looks)))

    def _suspects(self, scores: Tensor) -> tuple[str, ...]:
        """The requests that a picture is like (F,) above `suspicion`, the most alike first."""
        if self.suspicion is None:
            return ()
        order = scores.argsort(descending=True).tolist()
        return tuple(self.entities[n] for n in order if float(scores[n]) > self.suspicion)

    def _route(self, values: Tensor, numbers: Tensor, suspects: tuple[str, ...]) -> Route:
        """`values` and `numbers` (L,) are of the looks at one picture. Each look above the threshold adds its expert."""
        best = int(values.argmax())
        score = float(values[best])
        entity = self.entities[int(numbers[best])]
        over = score - self.threshold
        if over > 0:
            hits = numbers[values > self.threshold].tolist()
            experts = tuple(sorted({self.experts[number] for number in hits}))
            why = f"likeness {score:.2f} > {self.threshold:.2f}, nearest {entity}"
            others = sorted({self.entities[number] for number in hits} - {entity})
            if others:
                why = f"{why}, in parts {', '.join(others)}"
            return Route(experts, entity, over, why, suspects=suspects)
        why = f"likeness {score:.2f} <= {self.threshold:.2f}, nearest {entity}"
        return Route((), None, over, why, suspects=suspects)

    def look(self, pictures: Sequence[Path], features: Features) -> None:
        if self.learned is not None:
            self._asked(pictures, features)

    def statement(self) -> Statement | None:
        return self.stated

    @classmethod
    def saved_bytes(cls, width: int) -> int:
        """The directions of the metric and what other things look like, in float32, where rows are as wide as features."""
        return 4 * width * (min(width, DIRECTIONS) + THINGS)

    def save(self, folder: Path) -> None:
        if self.without_background is not None:
            self.without_background.save(folder)
        elif self.learned is not None:
            tensors = {
                "mean": self.learned.mean,
                "directions": self.learned.directions,
                "gains": self.learned.gains,
                "things": self.learned.things,
                "forget": self.forget,
                "retain": self.retain,
            }
            whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
            save_file(whole, folder / "metric.safetensors")
        state = SavedMetric(
            background=self.without_background is None,
            entities=self.entities,
            experts=self.experts,
            threshold=self.threshold,
            suspicion=self.suspicion,
            encoder=str(self.encoder),
            encoder_id=self.encoder_id,
            parts=self.parts,
            stated=self.stated,
        )
        write_json(folder / "metric.json", state.model_dump())

    def load(self, folder: Path) -> None:
        self.__init__()  # type: ignore[misc]
        state = read_json(folder / "metric.json", SavedMetric, HINT)
        self.stated = state.stated
        if not state.background:
            self.without_background = PrototypeGate()
            self.without_background.load(folder)
            return
        self.entities = state.entities
        self.experts = state.experts
        self.threshold = state.threshold
        self.suspicion = state.suspicion
        self.encoder = _encoder_named(state.encoder)
        self.encoder_id = state.encoder_id
        self.parts = state.parts
        tensors = load_file(folder / "metric.safetensors")
        self.forget = tensors["forget"]
        self.retain = tensors["retain"]
        # The strangers set the threshold when the gate was fitted, and are not kept.
        self.learned = Learned(
            mean=tensors["mean"],
            directions=tensors["directions"],
            gains=tensors["gains"],
            things=tensors["things"],
            strangers=torch.zeros(0),
        )
        if len(self.forget) != len(self.entities):
            raise MlubenchError(
                f"{folder / 'metric.safetensors'} holds other entities than metric.json", HINT
            )


def has_metric(folder: Path) -> bool:
    """Whether a gate of this kind was saved there."""
    return (folder / "metric.json").is_file()


def _encoder_for(benchmark: Benchmark, config: GateConfig) -> EncoderName:
    if config.encoder is not None:
        return Path(config.encoder)
    return "drawn" if benchmark.stand_ins else "tower"


def _encoder_named(name: str) -> EncoderName:
    if name == "tower":
        return "tower"
    return "drawn" if name == "drawn" else Path(name)


def _mean(rows: Tensor) -> Tensor:
    """What pictures and their views (pictures, 1 + views, D) look like on the average, at length 1. (D,)"""
    return F.normalize(rows.mean((0, 1)), dim=0)


def conformal_threshold(scores: Tensor, share: float) -> float:
    """The score above which a new stranger scores with a chance of `share` at most, by the scores (N,) of others.

    Split conformal prediction: the ceil((N + 1)(1 - share))-th smallest, or the largest where N is too small for that.
    """
    rank = math.ceil((len(scores) + 1) * (1 - share))
    return float(scores.sort().values[min(rank, len(scores)) - 1])
