"""The methods: what each needs, and its loss as one line of arithmetic. A new one is a class here and a registry row."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from mlubench.unlearning.losses import dpo_loss, ga_loss, kl_loss, mean_nll, npo_loss

Kind = Literal["forget", "refusal", "retain"]


@dataclass(frozen=True, slots=True)
class View:
    """What the model says of one kind of answer, and what the reference said of it where a method asked for that.

    `logits` (B, A, V) · `token_logps`, `mask` (B, A) · `logps`, `ref_logps` (B,) · `ref_logits` (B, A, V).
    """

    logits: Tensor
    token_logps: Tensor
    mask: Tensor
    logps: Tensor
    ref_logps: Tensor | None = None
    ref_logits: Tensor | None = None

    @property
    def nll(self) -> Tensor:
        return mean_nll(self.token_logps, self.mask)


Views = dict[Kind, View]


class Method(Protocol):
    """`needs`: the answers a batch is made of. `reference`: of which kinds, and in which form, the reference is asked."""

    needs: ClassVar[tuple[Kind, ...]]
    reference: ClassVar[dict[Kind, Literal["logps", "logits"]]]

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor: ...


class GA:
    needs: ClassVar[tuple[Kind, ...]] = ("forget",)
    reference: ClassVar[dict] = {}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        return ga_loss(views["forget"].token_logps, views["forget"].mask)


class GD:
    needs: ClassVar[tuple[Kind, ...]] = ("forget", "retain")
    reference: ClassVar[dict] = {}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        return -views["forget"].nll + views["retain"].nll


class KL:
    needs: ClassVar[tuple[Kind, ...]] = ("forget", "retain")
    reference: ClassVar[dict] = {"retain": "logits"}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        retain = views["retain"]
        assert retain.ref_logits is not None
        return -views["forget"].nll + kl_loss(retain.ref_logits, retain.logits, retain.mask)


class NPO:
    needs: ClassVar[tuple[Kind, ...]] = ("forget",)
    reference: ClassVar[dict] = {"forget": "logps"}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        forget = views["forget"]
        assert forget.ref_logps is not None
        return npo_loss(forget.logps, forget.ref_logps, beta=beta)


class PO:
    needs: ClassVar[tuple[Kind, ...]] = ("refusal",)
    reference: ClassVar[dict] = {}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        return views["refusal"].nll


class DPO:
    needs: ClassVar[tuple[Kind, ...]] = ("refusal", "forget")
    reference: ClassVar[dict] = {"refusal": "logps", "forget": "logps"}

    @staticmethod
    def loss(views: Views, *, beta: float) -> Tensor:
        win, lose = views["refusal"], views["forget"]
        assert win.ref_logps is not None
        assert lose.ref_logps is not None
        return dpo_loss(win.logps, lose.logps, win.ref_logps, lose.ref_logps, beta=beta)
