"""What a model makes of pictures inside, and how to compare that with the base: linear probes, CKA, log-probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query

# Penalties, relative to the mean square of a feature. The one that is best on calibration pictures is taken.
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Where features are taken from, see `features_by_site`.
SITES = ("projector", "language")


@torch.inference_mode()
def features_by_site(mllm: MLLM, queries: Sequence[Query]) -> dict[str, Tensor]:
    """Features of each query's picture at the two sites, each (B, H) float64 on the CPU, with the adapters that are on.

    `projector`: the mean of the picture's tokens as they go into the language model.
    `language`: the last hidden state at the position where the answer to the question begins.
    """
    paths = [query.image for query in queries if query.image is not None]
    tokens = mllm.picture_tokens(paths)
    means = [tokens_of_one.double().mean(0).cpu() for tokens_of_one in tokens]
    output = mllm.model(
        **mllm.encode(queries), output_hidden_states=True, logits_to_keep=1, use_cache=False
    )
    last_layer = output.hidden_states[-1]  # (B, P, H)
    return {
        "projector": torch.stack(means),
        # Prompts are padded on the left, so the last column is the last token of each.
        "language": last_layer[:, -1].double().cpu(),
    }


def answer_log_probs(mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]) -> list[float]:
    """Log-probability of each answer, the mean over its tokens (nats), with the adapters that are on."""
    with mllm.no_gradients():
        logits, labels = answer_logits(mllm.model, mllm.encode(queries, answers))
        # A token that is ignored has a loss of 0, and so adds nothing to the sum.
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="none"
        )  # (B * A,)
        sums = -losses.view(labels.shape).sum(1)
        lengths = (labels != IGNORE).sum(1)
        means = sums / lengths  # (B,)
        return [float(mean) for mean in means]


def answer_probabilities(
    mllm: MLLM, queries: Sequence[Query], answers: Sequence[str]
) -> list[float | None]:
    """Length-normalised probability of each answer (0-1): the geometric mean over its tokens, its end included.

    None where a wrecked model gives no number, which is not a probability of 0.
    """
    probabilities: list[float | None] = []
    for log_prob in answer_log_probs(mllm, queries, answers):
        if math.isnan(log_prob):
            probabilities.append(None)
        else:
            # Six digits: the next ones differ between machines and batch sizes.
            probabilities.append(float(f"{math.exp(log_prob):.6g}"))
    return probabilities


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear classifier of features: ridge regression of one-hot labels. Its closed form leaves nothing to chance.

    Features are centred, and the penalty is scaled by one number for all of them. So a rotation of all features
    changes no prediction of a probe that is fitted on them.
    """

    centre: Tensor  # (H,)
    weights: Tensor  # (H, classes)
    bias: Tensor  # (classes,)

    @classmethod
    def fit(cls, rows: Tensor, labels: Tensor, classes: int, ridge: float) -> "Probe":
        """`rows` (N, H), `labels` (N,); `ridge` is relative to the mean square of a centred feature."""
        targets = F.one_hot(labels, classes).to(rows)  # (N, classes)
        centre = rows.mean(0)
        bias = targets.mean(0)
        x = rows - centre
        size = x.shape[1]
        # Constant features would make the matrix below singular without the floor.
        penalty = (ridge * x.square().sum() / size).clamp_min(1e-12)
        gram = x.T @ x + penalty * torch.eye(size, dtype=x.dtype)  # (H, H)
        weights = torch.linalg.solve(gram, x.T @ (targets - bias))
        return cls(centre, weights, bias)

    @classmethod
    def with_best_ridge(
        cls, rows: Tensor, labels: Tensor, fit: Tensor, calibrate: Tensor, classes: int
    ) -> "Probe":
        """The probe fitted on the rows `fit` (N,) with the ridge that is best on the rows `calibrate` (N,)."""
        probes = [cls.fit(rows[fit], labels[fit], classes, ridge) for ridge in RIDGES]

        def calibration_hits(probe: "Probe") -> int:
            return int(probe.hits(rows[calibrate], labels[calibrate]).sum())

        # `max` keeps the first of equals: backwards, that is the one with the larger ridge.
        return max(reversed(probes), key=calibration_hits)

    def hits(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Which rows are classified right, (N,)."""
        return self.scores(rows).argmax(1) == labels

    def scores(self, rows: Tensor) -> Tensor:
        """How much each row (N, H) is like each class, (N, classes)."""
        return (rows - self.centre) @ self.weights + self.bias


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of two sets of features of the same pictures (arXiv 1905.00414, eq. 3); 0 to 1.

    It does not change when either set is rotated or scaled. 0 when one of them is constant.
    """
    x = x - x.mean(0)
    y = y - y.mean(0)
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    if scale > 0:
        return float((y.T @ x).square().sum() / scale)
    return 0.0


@dataclass(frozen=True, slots=True)
class FeatureComparison:
    """Features of a state beside those of the base. Lists hold a value for each test picture."""

    # Whether a probe fitted on the state's features tells the entity: is it still there?
    refitted: list[bool]
    # Whether the base's probe tells it from the state's features: is it where the language model looks for it?
    carried: list[bool]
    # Cosine of the two features, both centred on the base's mean.
    cosine: list[float]
    # Linear CKA, one number for all test pictures.
    cka: float


def compare(
    before: Sequence[Tensor], after: Sequence[Tensor], labels: Sequence[int], roles: Sequence[str]
) -> FeatureComparison:
    """Compare features (H,) of the same N pictures by base (`before`) and state (`after`).

    Probes are fitted on the pictures whose role is `fit`, and tested on those whose role is `test`.
    """
    base = torch.stack(list(before))  # (N, H)
    state = torch.stack(list(after))  # (N, H)
    entities = torch.tensor(labels)  # (N,)
    classes = max(labels) + 1
    fit = _has_role(roles, "fit")
    calibrate = _has_role(roles, "calibrate")
    test = _has_role(roles, "test")
    state_probe = Probe.with_best_ridge(state, entities, fit, calibrate, classes)
    base_probe = Probe.with_best_ridge(base, entities, fit, calibrate, classes)
    centre = base[fit].mean(0)
    cosine = F.cosine_similarity(base[test] - centre, state[test] - centre, dim=1)
    return FeatureComparison(
        refitted=state_probe.hits(state[test], entities[test]).tolist(),
        carried=base_probe.hits(state[test], entities[test]).tolist(),
        cosine=cosine.tolist(),
        cka=linear_cka(base[test], state[test]),
    )


def _has_role(roles: Sequence[str], role: str) -> Tensor:
    """Which pictures have this role, (N,)."""
    return torch.tensor([each == role for each in roles])
