"""What a method of unlearning is: which answers it needs, what it asks the reference, and its loss.

To write one, put a class like this in a file of its own beside this one, and a row in `unlearning/table.py`:

    @dataclass(frozen=True)
    class NPO(Method):
        needs = ("forget",)  # the kinds of answer that the loss looks at
        reference = {"forget": "logps"}  # what the model at the start is asked, of which kinds
        beta: float = 0.1  # a hyperparameter, set by `train.options.beta`

        def loss(self, views: Views) -> Tensor:
            forget = views["forget"]
            return npo_loss(forget.logps, given(forget.ref_logps), beta=self.beta)

The formula itself is a pure function in `unlearning/losses.py`, and its test works it out by hand.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from mlubench.core.errors import UsageError, unknown_name
from mlubench.unlearning.losses import mean_nll

# The answers that a loss may look at:
#   forget     the true answer to a question that must go
#   refusal    a refusal as the answer to that same question
#   alternate  what the base guesses instead of the truth, drawn before the training (unlearning/alternates.py)
#   words      that guess as the answer to the question without its picture
#   retain     the true answer to a question that must stay
AnswerKind = Literal["forget", "refusal", "alternate", "words", "retain"]

# What the reference may be asked of a kind of answer:
#   logps       the log-probability of the whole answer
#   logits      the logits that predict the answer's tokens
#   all_logits  the logits at every position, prompt and picture included
#   states      the states of the method's `layer` at the answer's tokens
#   pictures    the features of pictures, as they enter the language model
ReferenceForm = Literal["logps", "logits", "all_logits", "states", "pictures"]


@dataclass(frozen=True, slots=True)
class View:
    """What the model says of one kind of answer in a batch, and what the reference said of it.

    Shapes: B samples, A tokens of the longest answer, L columns of the whole input, V words, H the width of states. A
    field is None unless the method has declared that it needs it; `given` takes the None away.
    """

    token_logps: Tensor  # (B, A), log-probability of each token of the answer, its end among them
    mask: Tensor  # (B, A), False at padding
    logps: Tensor  # (B,), of whole answers
    tokens: Tensor | None = None  # (B, A), the answer's tokens, 0 at padding; given to every method
    logits: Tensor | None = None  # (B, A, V), that predict the answer's tokens; for form `logits`
    states: Tensor | None = None  # (B, A, H), of the method's `layer` at the answer's tokens
    all_logits: Tensor | None = None  # (B, L, V); for form `all_logits`
    all_mask: Tensor | None = None  # (B, L), False at padding; for form `all_logits`
    # (B, L, H), what enters the language model, and (B, L), True at picture tokens. All kinds of a method have these where
    # it asks the reference about `pictures` of any.
    pictures: Tensor | None = None
    picture_mask: Tensor | None = None
    # The same as the reference said it, each for its form.
    ref_logps: Tensor | None = None  # (B,)
    ref_logits: Tensor | None = None  # (B, A, V)
    ref_all_logits: Tensor | None = None  # (B, L, V)
    ref_states: Tensor | None = None  # (B, A, H)
    ref_pictures: Tensor | None = None  # (B, L, H)

    @property
    def nll(self) -> Tensor:
        """Negative log-likelihood a token, over all answers of the batch."""
        return mean_nll(self.token_logps, self.mask)


Views = Mapping[AnswerKind, View]


class Method(ABC):
    """A method is its loss and what that needs; its hyperparameters are the fields of the class.

    A method with hyperparameters is a frozen dataclass whose fields are numbers with defaults. It checks them in
    `__post_init__` by raising ValueError, and a user sets them by `train.options`.
    """

    # The kinds of answer that `loss` finds in its views. Two kinds with the same prompt cost one pass.
    needs: ClassVar[tuple[AnswerKind, ...]]

    # Of which kinds, and in which form, the model at the start of the training is asked. It is asked once a sample, and
    # its answer is in the view's field `ref_` + form. Every kind here must be in `needs` too.
    reference: ClassVar[Mapping[AnswerKind, ReferenceForm]] = {}

    # Only parameters that matter to the forget answers `threshold` times as much as to these are trained
    # (unlearning/saliency.py). Nothing to spare: all are trained.
    spares: ClassVar[tuple[AnswerKind, ...]] = ()
    threshold: float = 1.0

    # How much it counts that the adapter reads other directions than earlier tasks' adapters (unlearning/orthogonality.py).
    # None for methods that do not mind. In the sequence, a method that does trains a new adapter for each task.
    orthogonal: float | None = None

    @property
    def sees_features(self) -> bool:
        """Whether the loss looks at features of pictures."""
        return "pictures" in self.reference.values()

    # Whose states the loss looks at: a layer of the language model, counted from 1, or back from the last with -1. None
    # for a loss that looks at none.
    layer: int | None = None

    # How far the learned change is turned round once training ends: each trained weight is put at
    # start - negate x (trained - start). None for methods whose outcome is what was trained.
    negate: float | None = None

    @abstractmethod
    def loss(self, views: Views) -> Tensor:
        """A scalar to be lowered, of one batch. It must have a gradient, and is never asked without `needs`."""


def make_method(name: str, of: type[Method], options: Mapping[str, Any]) -> Method:
    """The method with these hyperparameters. Raises UsageError for one that it does not have, or a wrong value."""
    known: dict[str, Any] = {}
    if is_dataclass(of):
        known = {field.name: field for field in fields(of)}
    for key, value in options.items():
        if not known:
            raise UsageError(
                f"method {name} has no hyperparameter, got {key!r}",
                "Leave train.options empty for it.",
            )
        if key not in known:
            raise unknown_name(f"hyperparameter of {name} in train.options", key, known)
        # Python counts True and False as integers.
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
        # Written so that NaN is refused too.
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value!r}")


def given(tensor: Tensor | None) -> Tensor:
    """A field of a view that the method has declared, and that the trainer has therefore filled."""
    assert tensor is not None
    return tensor
