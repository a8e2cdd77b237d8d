"""What a model makes of pictures inside, and how to compare that with the base: linear probes, CKA, log-probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.mllm import MLLM, Query

RIDGES = (
    1e-4,
    1e-3,
    1e-2,
    1e-1,
    1.0,
)  # of the mean square of a feature; the best on calibration pictures is taken
SITES = ("projector", "language")


@torch.inference_mode()
def sights(mllm: MLLM, queries: Sequence[Query]) -> dict[str, Tensor]:
    """What the model, with the adapters that are on, makes of each picture at two sites, (B, H) float64 on the CPU each.

    `projector`: the picture's tokens as they go into the language model, their mean. `language`: the last hidden state
    at the position where the answer to the question begins.
    """
    pictures = [mllm.picture(q.image) for q in queries if q.image is not None]
    inputs = mllm.processor.image_processor(images=pictures, return_tensors="pt").to(mllm.device)
    tokens = mllm.base.get_image_features(**inputs).pooler_output
    states = mllm.model(
        **mllm.encode(queries), output_hidden_states=True, logits_to_keep=1, use_cache=False
    )
    return {
        "projector": torch.stack([t.double().mean(0).cpu() for t in tokens]),
        "language": states.hidden_states[-1][:, -1].double().cpu(),
    }


def answer_log_probs(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> list[float]:
    """Log-probability of each answer, the mean over its tokens (nats), with the adapters that are on."""
    with mllm.no_gradients():
        logits, labels = answer_logits(mllm.model, mllm.encode(queries, answers))
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="none"
        )
        sums = -losses.view(labels.shape).sum(1)
        return [float(x) for x in sums / (labels != IGNORE).sum(1)]


def answer_probabilities(
    mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]
) -> list[float | None]:
    """Length-normalised probability of each answer (0-1): the geometric mean of its tokens', its end among them.

    Six digits count. None where a wrecked model gives no number, which is no probability of 0.
    """
    logs = answer_log_probs(mllm, queries, answers)
    return [None if math.isnan(x) else float(f"{math.exp(x):.6g}") for x in logs]


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear classifier of features: ridge regression of one-hot labels, in closed form, so nothing of it is random.

    Features are centred and divided by one number, so that a rotation of all features changes no prediction of a probe
    that is fitted on them.
    """

    centre: Tensor  # (H,)
    weights: Tensor  # (H, classes)
    bias: Tensor  # (classes,)

    @classmethod
    def fit(cls, rows: Tensor, labels: Tensor, classes: int, ridge: float) -> "Probe":
        """`rows` (N, H), `labels` (N,); `ridge` is relative to the mean square of a centred feature."""
        centre, targets = rows.mean(0), F.one_hot(labels, classes).to(rows)
        x, bias = rows - centre, targets.mean(0)
        penalty = (ridge * x.square().sum() / x.shape[1]).clamp_min(1e-12)
        gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
        return cls(centre, torch.linalg.solve(gram, x.T @ (targets - bias)), bias)

    @classmethod
    def chosen(
        cls, rows: Tensor, labels: Tensor, fit: Tensor, choose: Tensor, classes: int
    ) -> "Probe":
        """The probe fitted on rows `fit` with the ridge that is best on rows `choose`; the larger one where they tie."""
        probes = [cls.fit(rows[fit], labels[fit], classes, ridge) for ridge in RIDGES]
        return max(reversed(probes), key=lambda p: int(p.hits(rows[choose], labels[choose]).sum()))

    def hits(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Which rows are told right, (N,)."""
        return ((rows - self.centre) @ self.weights + self.bias).argmax(1) == labels


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of two sets of features of the same pictures (arXiv 1905.00414, eq. 3); 0 to 1.

    It does not change when either set is rotated or scaled. 0 when one of them is constant.
    """
    x, y = x - x.mean(0), y - y.mean(0)
    own = (x.T @ x).norm() * (y.T @ y).norm()
    return float((y.T @ x).square().sum() / own) if own > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Features of a state beside those of the base, a value for each test picture; `cka` is one for all of them.

    `refitted`: does a probe fitted on the state's own features tell the entity (is it still there)? `carried`: does the
    base's probe tell it from them (is it still where the language model looks for it)? `cosine`: of the two features,
    centred on the base's mean.
    """

    refitted: list[bool]
    carried: list[bool]
    cosine: list[float]
    cka: float


def compare(
    before: Sequence[Tensor], after: Sequence[Tensor], labels: Sequence[int], roles: Sequence[str]
) -> Comparison:
    """Features (H,) of the same N pictures by base and state; probes are fitted on `fit` ones, tested on `test` ones."""
    base, now, label = torch.stack(list(before)), torch.stack(list(after)), torch.tensor(labels)
    fit, choose, test = (
        torch.tensor([r == role for r in roles]) for role in ("fit", "calibrate", "test")
    )
    own, carried = (Probe.chosen(rows, label, fit, choose, max(labels) + 1) for rows in (now, base))
    centre = base[fit].mean(0)
    return Comparison(
        own.hits(now[test], label[test]).tolist(),
        carried.hits(now[test], label[test]).tolist(),
        F.cosine_similarity(base[test] - centre, now[test] - centre, dim=1).tolist(),
        linear_cka(base[test], now[test]),
    )
