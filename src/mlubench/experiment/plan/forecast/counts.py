"""The counts that a forecast is made of. What costs the same is counted once, as a 7B takes a second or two each time."""

from collections.abc import Callable, Hashable

from mlubench.experiment.plan.forecast.answering import AnswerCounts, count_answers
from mlubench.experiment.plan.forecast.inputs import Shown
from mlubench.experiment.plan.forecast.pictures import PictureLoad
from mlubench.experiment.plan.forecast.texts import TextLengths
from mlubench.experiment.plan.forecast.training import count_reference, count_step
from mlubench.models.counting import Count
from mlubench.models.sizes import Shape, in_base_precision, with_adapter
from mlubench.settings.training import TrainConfig
from mlubench.unlearning.methods.base import Method


class Counts:
    """Counts steps and answers on the shape of one model."""

    def __init__(self, shape: Shape, texts: TextLengths, picture: PictureLoad | None) -> None:
        self.shape = shape
        self.texts = texts
        self.picture = picture
        self._known: dict[Hashable, Count] = {}
        self._answers: dict[Hashable, AnswerCounts] = {}

    def step(self, method: Method, settings: TrainConfig, *, kept: bool) -> Count:
        """Of a method with these settings; `kept` says whether features of pictures are there from an earlier look."""
        # One number for each answer costs nothing.
        forms = [(kind, form) for kind, form in method.reference.items() if form != "logps"]
        key = ("step", method.needs, tuple(forms), method.layer, _batch_key(settings), kept)
        return self._counted(key, count_step, method, settings, kept)

    def reference(self, method: Method, settings: TrainConfig, *, kept: bool) -> Count | None:
        """Of what it asks the reference; None for a method that asks nothing."""
        if not method.reference:
            return None
        key = ("reference", tuple(method.reference.items()), _batch_key(settings), kept)
        return self._counted(key, count_reference, method, settings, kept)

    def _counted(
        self,
        key: Hashable,
        count: Callable[..., Count],
        method: Method,
        settings: TrainConfig,
        kept: bool,
    ) -> Count:
        if key not in self._known:
            seen = settings.images == "seen"
            shown = self._shown(kept=kept) if seen else None
            with with_adapter(self.shape, settings.lora, settings.scope, settings.full) as mllm:
                self._known[key] = count(mllm, method, settings, self.texts, shown)
        return self._known[key]

    def answers(self, rows: int, adapter: TrainConfig | None, *, trained: bool) -> AnswerCounts:
        """Of a batch with the adapter of these settings; None for the base.

        A `trained` one is float32, as baselines answer with it. An expert has the base's precision.
        """
        key = (rows, _adapter_key(adapter) if adapter is not None else None, trained)
        if key not in self._answers:
            self._answers[key] = self._count_answers(rows, adapter, trained)
        return self._answers[key]

    def _count_answers(self, rows: int, adapter: TrainConfig | None, trained: bool) -> AnswerCounts:
        shown = self._shown(kept=False)
        if adapter is None:
            return count_answers(self.shape.mllm, rows, self.texts, shown)
        with with_adapter(self.shape, adapter.lora, adapter.scope, adapter.full) as mllm:
            if not trained:
                in_base_precision(mllm)
            return count_answers(mllm, rows, self.texts, shown)

    def _shown(self, *, kept: bool) -> Shown | None:
        return Shown(self.picture, kept) if self.picture is not None else None


def _batch_key(settings: TrainConfig) -> Hashable:
    """All by which the cost of a batch differs between trainings of the same method."""
    return (
        settings.batch,
        settings.images,
        settings.pack,
        settings.gradient_checkpointing,
        _adapter_key(settings),
    )


def _adapter_key(settings: TrainConfig) -> Hashable:
    return (settings.lora, settings.scope, settings.full)
