"""A gate that looks, with a metric that other things have taught it: whom is this picture like, more than all strangers?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.data.background import Background, open_background
from mlubench.lumoe.gates.base import EncodingFeatures, Features, Gate, GateQuery
from mlubench.lumoe.gates.extending import cannot_extend, require_new
from mlubench.lumoe.gates.foreseen import Foreseen
from mlubench.lumoe.gates.guises import GUISES, TURNED
from mlubench.lumoe.gates.known import Known, SeenEntity
from mlubench.lumoe.gates.learned import DIRECTIONS, learned_from
from mlubench.lumoe.gates.looks import IN_GUISES, look, numbers_of
from mlubench.lumoe.gates.metric_state import (
    SavedMetric,
    read_known,
    read_state,
    write_known,
    write_state,
)
from mlubench.lumoe.gates.picture_routes import route_of, suspects_of
from mlubench.lumoe.gates.prototype import PrototypeGate, require_pictures_to_forget
from mlubench.lumoe.gates.risk import conformal_threshold
from mlubench.lumoe.gates.saved import HINT
from mlubench.lumoe.gates.standing import VETO
from mlubench.lumoe.gates.statement import Statement, together
from mlubench.lumoe.gates.task_pictures import Pictures, new_in_each
from mlubench.models.features import EncoderName, LayerCache, open_encoder
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Task

# So many pictures of an entity are looked at in guises.
SEEN_IN_GUISES = 4
_NOTHING_TO_COMPARE = "it has no pictures of other things to compare with"


class MetricGate(Gate):
    """Each request is the mean of its pictures and of views of them, in features that tell other things apart, and one mean
    more for each guise that its pictures may come in. The likest of these means counts.

    A picture's score is how like it is to the nearest request, less how like it is, on the average, to the things that it
    is most like of those that taught the metric. What is more like something that must stay is vetoed. The threshold is
    that of split conformal prediction (Vovk 2012) on the scores of still other things, each the largest over all requests:
    so the stated share of strangers holds for any number of requests. A task more is compared with what is known, and
    moves no more than the threshold. Without a background there is nothing to learn from, and the gate is as `prototype`.
    """

    name = "metric"

    def __init__(self) -> None:
        self.encoder: EncoderName = "tower"
        self.encoder_id = ""
        self.parts = False
        self.guises = False
        # None: the gate is not fitted, or has no background.
        self.known: Known | None = None
        self.threshold = 0.0
        self.suspicion: float | None = None
        self.stated = Statement()
        self.without_background: PrototypeGate | None = None
        # What the metric was learned from. None in a gate that was loaded and has learned nothing since.
        self._background: Background | None = None
        self._own_cache: LayerCache | None = None

    def fit(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.__init__()  # type: ignore[misc]
        require_pictures_to_forget(self.name, tasks)
        background = open_background(benchmark.background, config.background)
        if background is None:
            self.without_background = PrototypeGate()
            self.without_background.fit(tasks, benchmark, features, config)
            return
        self.encoder = encoder_for(benchmark, config)
        encoder = self._looks(features).encoder
        self.encoder_id = encoder.id
        self.parts = config.parts
        self.guises = config.guises
        learned = learned_from(background, encoder, parts=self.parts, guises=self.guises)
        self.known = Known.nothing(learned, len(GUISES) if self.guises else 0)
        self.stated = _about_strangers(background, config.strangers)
        self._background = background
        self._take(tasks, benchmark, features, config)

    def fit_next(
        self, tasks: Sequence[Task], benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if self._knows_all_but_the_last(tasks) and self._has_strangers(benchmark, features, config):
            self._take(tasks[-1:], benchmark, features, config)
        else:
            self.fit(tasks, benchmark, features, config)

    def extend(
        self, task: Task, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        if self.known is None or not self.known.tasks:
            raise cannot_extend(_NOTHING_TO_COMPARE)
        require_new(task, self.known.met)
        if not self._has_strangers(benchmark, features, config):
            raise cannot_extend(
                "the pictures of other things that it was fitted with are not at hand"
            )
        known = self.known.met
        new = tuple(sample for sample in task.retain if sample.entity.key not in known)
        self._take([replace(task, retain=new)], benchmark, features, config)

    def keeps(self, entity: str) -> bool:
        if self.known is None:
            return False
        return entity in self.known.met and entity not in self.known.entities

    def require_room(self, entity: str, *, has_background: bool) -> None:
        if self.known is None or not has_background:
            raise cannot_extend(_NOTHING_TO_COMPARE)
        if not self.known.tasks:
            raise cannot_extend("an earlier version has saved it, without what it had learned from")
        if self.keeps(entity) and not self.known.says_what_is_kept:
            raise cannot_extend(
                f"it was made to keep {entity}, by a version that did not note what looks how"
            )

    def release(
        self, entity: str, benchmark: Benchmark, features: Features, config: GateConfig
    ) -> None:
        self.require_room(entity, has_background=self._has_strangers(benchmark, features, config))
        if not self.keeps(entity):
            return
        assert self.known is not None
        self.known.release(entity)
        self._set_thresholds(config)
        self._state(_pictures_in_background(self.stated))

    def _knows_all_but_the_last(self, tasks: Sequence[Task]) -> bool:
        """Whether the last task is all that is new, and has none of the entities of those before."""
        earlier = [task.name for task in tasks[:-1]]
        if self.known is None or not earlier or self.known.tasks != earlier:
            return False
        return self.known.met.isdisjoint(sample.entity.key for sample in tasks[-1].samples)

    def _has_strangers(self, benchmark: Benchmark, features: Features, config: GateConfig) -> bool:
        """Whether strangers are there to compare requests with. A gate that was loaded brings them from the cache."""
        assert self.known is not None
        if len(self.known.learned.strangers):
            return True
        background = open_background(benchmark.background, config.background)
        if background is None:
            return False
        self._background = background
        encoder = self._looks(features).encoder
        learned = learned_from(background, encoder, parts=self.parts, guises=self.guises)
        return self.known.bring(learned)

    def _take(
        self,
        tasks: Sequence[Task],
        benchmark: Benchmark,
        features: Features,
        config: GateConfig,
    ) -> None:
        """Learn tasks of which no entity is known, and set the thresholds."""
        assert self.known is not None
        expert_of = {e.key: task.name for task in tasks for e in task.forget_entities}
        shared = _pictures_in_background(self.stated)
        for task, forget, retain in new_in_each(tasks):
            for key, samples in forget.items():
                shared[key] = self._in_background(benchmark.pictures(samples))
            self.known.take(
                self._seen(forget, benchmark, features, config.views),
                self._seen(retain, benchmark, features, config.views),
                expert_of,
            )
            self.known.tasks.append(task.name)
            self.known.met |= {sample.entity.key for sample in task.samples}
        if not self.known.entities:
            raise MlubenchError(
                "the gate has no picture of what is to be forgotten", "Use pictures of each entity."
            )
        self._set_thresholds(config)
        self._state(shared)

    def _set_thresholds(self, config: GateConfig) -> None:
        assert self.known is not None
        scores = self.known.stranger_scores()
        self.threshold = conformal_threshold(scores, config.strangers)
        self.suspicion = None
        if config.band:
            self.suspicion = min(self.threshold, conformal_threshold(scores, config.band))

    def _state(self, shared: Mapping[str, int]) -> None:
        """Say what is likely to be missed. `shared` is how many pictures of requests are in the background too."""
        assert self.known is not None
        forecasts = self.known.forecasts(self.threshold)
        for key, count in shared.items():
            if count:
                forecasts[key] = forecasts[key].model_copy(update={"in_background": count})
        leak, pictures = together(forecasts)
        self.stated = self.stated.model_copy(
            update={"leak": leak, "pictures": pictures, "requests": forecasts}
        )

    def _in_background(self, pictures: Sequence[Path]) -> int:
        """How many of these pictures the metric was learned from, too."""
        return self._background.also_show(pictures) if self._background is not None else 0

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
        self, entities: Pictures, benchmark: Benchmark, features: Features, views: int
    ) -> dict[str, SeenEntity]:
        """What the gate sees of entities."""
        found = {}
        for key, samples in entities.items():
            paths = benchmark.pictures(samples)
            guises = IN_GUISES if self.guises else range(0)
            found[key] = SeenEntity(
                views=self._looked_at(paths, range(1 + views), features),
                guises=self._looked_at(paths[:SEEN_IN_GUISES], guises, features),
            )
        return found

    def _looked_at(self, paths: Sequence[Path], looks: range, features: Features) -> Tensor:
        """Pictures by all looks, in the learned metric. (N, L, D)"""
        assert self.known is not None
        if not looks:
            return torch.zeros(len(paths), 0, self.known.forget.shape[-1])
        wanted = [(path, number) for path in paths for number in looks]
        rows = self._looks(features).of_views(wanted, look)
        return self.known.learned.seen(rows).unflatten(0, (-1, len(looks)))

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        if self.without_background is not None:
            return self.without_background.route(queries, features)
        # A query without a picture scores below every query with one.
        routes: list[Route] = [Route((), None, -2 * VETO, "no picture")] * len(queries)
        pictures: dict[int, Path] = {}
        for number, query in enumerate(queries):
            if query.image is not None:
                pictures[number] = query.image
        if not pictures or self.known is None:
            return routes
        scores = self.known.scores(self._asked(list(pictures.values()), features))
        for row, n in enumerate(pictures):
            suspects = suspects_of(self.known, scores.of_each[row], self.suspicion)
            found = route_of(self.known, scores.values[row], scores.numbers[row], self.threshold)
            # What other parts hit is suspect too, whether or not it is near enough by itself.
            together = dict.fromkeys((*suspects, *found.suspects))
            routes[n] = replace(found, suspects=tuple(together))
        return routes

    def _asked(self, pictures: Sequence[Path], features: Features) -> Tensor:
        """What the gate sees of pictures that are asked about, by all looks. (N, L, D)"""
        return self._looked_at(pictures, numbers_of(self.parts), features)

    def look(self, pictures: Sequence[Path], features: Features) -> None:
        if self.known is not None:
            self._asked(pictures, features)

    def statement(self) -> Statement | None:
        return self.stated

    @classmethod
    def saved_bytes(cls, foreseen: Foreseen) -> int:
        """Rows in float32: directions of the metric, other things, entities and the pictures of requests."""
        if not foreseen.things:
            return PrototypeGate.saved_bytes(foreseen)
        directions = min(foreseen.row, DIRECTIONS)
        things = foreseen.things
        entities = foreseen.entities
        if foreseen.guises:
            things *= 1 + len(TURNED)
            entities *= 1 + len(GUISES)
        return 4 * foreseen.row * (directions + things + entities + foreseen.pictures)

    def save(self, folder: Path) -> None:
        if self.without_background is not None:
            self.without_background.save(folder)
            write_state(folder, SavedMetric(background=False, stated=self.stated))
            return
        assert self.known is not None, "the gate is not fitted"
        write_known(folder, self.known)
        state = SavedMetric(
            entities=self.known.entities,
            experts=self.known.experts,
            threshold=self.threshold,
            suspicion=self.suspicion,
            encoder=str(self.encoder),
            encoder_id=self.encoder_id,
            parts=self.parts,
            guises=self.guises,
            stated=self.stated,
            tasks=self.known.tasks,
            met=sorted(self.known.met),
            kept=self.known.kept,
            pictures=self.known.own.counts,
        )
        write_state(folder, state)

    def load(self, folder: Path) -> None:
        self.__init__()  # type: ignore[misc]
        state = read_state(folder)
        self.stated = state.stated
        if not state.background:
            self.without_background = PrototypeGate()
            self.without_background.load(folder)
            return
        self.threshold = state.threshold
        self.suspicion = state.suspicion
        self.encoder = _saved_encoder(state.encoder)
        self.encoder_id = state.encoder_id
        self.parts = state.parts
        self.guises = state.guises
        self.known = read_known(folder, state)


def _about_strangers(background: Background, share: float) -> Statement:
    """What the gate states before it knows a request."""
    things = len(background.setting())
    return Statement(
        strangers=share,
        background=background.name,
        background_things=things,
        background_pictures=things * background.pictures,
    )


def _pictures_in_background(stated: Statement) -> dict[str, int]:
    """Of each request how many pictures the background shows too, as the gate said before."""
    return {key: forecast.in_background for key, forecast in stated.requests.items()}


def encoder_for(benchmark: Benchmark, config: GateConfig) -> EncoderName:
    return encoder_named(config, drawn=benchmark.stand_ins)


def encoder_named(config: GateConfig, *, drawn: bool) -> EncoderName:
    """What the gate looks with; `drawn` says that pictures are drawn."""
    if config.encoder is not None:
        return Path(config.encoder)
    return "drawn" if drawn else "tower"


def _saved_encoder(name: str) -> EncoderName:
    if name == "tower":
        return "tower"
    return "drawn" if name == "drawn" else Path(name)
