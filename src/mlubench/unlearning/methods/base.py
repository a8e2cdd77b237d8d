"""What a method of unlearning is: which answers it needs, what it asks the reference, and its loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from mlubench.core.errors import UsageError, unknown_name
from mlubench.unlearning.losses import mean_nll

Kind = Literal["forget", "refusal", "retain"]
# logps: of whole answers · logits: at the answers · all_logits: at every position · states: of one layer, at the answers
Form = Literal["logps", "logits", "all_logits", "states"]


@dataclass(frozen=True, slots=True)
class View:
    """What the model says of one kind of answer, and what the reference said of it where a method asked for that.

    `token_logps`, `mask` (B, A) · `logps` (B,) of whole answers · `logits` (B, A, V) that predict the answer's tokens, for
    kinds whose reference is asked for logits alone, as the vocabulary is wide. `states` (B, A, H) are the outputs of the
    method's `layer` at the answer's tokens. `all_logits` (B, L, V) and `all_mask` (B, L) are of every position, prompt and
    picture included. What starts with `ref_` is the reference's.
    """

    token_logps: Tensor
    mask: Tensor
    logps: Tensor
    logits: Tensor | None = None
    states: Tensor | None = None
    all_logits: Tensor | None = None
    all_mask: Tensor | None = None
    ref_logps: Tensor | None = None
    ref_logits: Tensor | None = None
    ref_all_logits: Tensor | None = None
    ref_states: Tensor | None = None

    @property
    def nll(self) -> Tensor:
        return mean_nll(self.token_logps, self.mask)


Views = Mapping[Kind, View]


class Method(ABC):
    """A method is its loss and what that needs; its hyperparameters are the fields of the class.

    `needs`: the kinds of answer a batch is made of. `reference`: of which kinds, and in which form, the model at the start
    of the step is asked. `layer`: whose states the loss looks at, None for none. `negate`: by how much the learned change
    is taken back and over once training ends, None for methods whose outcome is what was trained.
    """

    needs: ClassVar[tuple[Kind, ...]]
    reference: ClassVar[Mapping[Kind, Form]] = {}
    layer: int | None = None
    negate: float | None = None

    @abstractmethod
    def loss(self, views: Views) -> Tensor:
        """A scalar to be lowered."""


def make_method(name: str, of: type[Method], options: Mapping[str, Any]) -> Method:
    """The method with these hyperparameters. Raises UsageError for one that it does not have, or a wrong value."""
    known: dict[str, Any] = {f.name: f for f in fields(of)} if is_dataclass(of) else {}
    for key, value in options.items():
        if key not in known:
            if not known:
                raise UsageError(
                    f"method {name} has no hyperparameter, got {key!r}",
                    "Leave train.options empty for it.",
                )
            raise unknown_name(f"hyperparameter of {name} in train.options", key, known)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(
                f"train.options.{key} of {name} must be a number, got {value!r}", "Give a number."
            )
    try:
        return of(**options)
    except ValueError as error:
        raise UsageError(f"train.options of {name}: {error}", "Mend the value.") from None


def positive(**values: float) -> None:
    """Raises ValueError for the first hyperparameter that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value!r}")


def given(tensor: Tensor | None) -> Tensor:
    """A part of a view that the method declared, and that the trainer therefore filled."""
    assert tensor is not None
    return tensor
