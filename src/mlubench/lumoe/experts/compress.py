"""Several LoRA experts as one of a given rank: the best there is by singular values, without ever forming a full matrix."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlubench.core.errors import UsageError
from mlubench.lumoe.experts.manifest import PREFIX, WEIGHTS, tensors_in

_LORA = re.compile(rf"{re.escape(PREFIX)}(.+)\.lora_([AB])\.weight")


@dataclass(frozen=True, slots=True)
class Factors:
    """The change that a LoRA makes to one matrix: `b @ a`."""

    b: Tensor  # (d_out, r), the LoRA's scale already in it
    a: Tensor  # (r, d_in)


# By the name of the base's module.
Deltas = dict[str, Factors]


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a rank budget left of a sum of deltas, and what it cost."""

    deltas: Deltas
    # Frobenius norms over all modules: of what was cut off, and of the whole sum.
    error: float
    norm: float

    @property
    def relative_error(self) -> float:
        """Part of the summed deltas that was cut off, 0 to 1."""
        return self.error / self.norm if self.norm else 0.0


def read_deltas(folder: Path) -> Deltas:
    """The deltas of a PEFT folder in float64. UsageError for one that has trained a part whole: copies have no sum."""
    config = LoraConfig.from_pretrained(str(folder))
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_file(folder / WEIGHTS).items():
        match = _LORA.fullmatch(name)
        if match is None:
            raise UsageError(
                f"{folder.name} has trained {name} whole, which has no sum", "Use --method distil."
            )
        module, letter = match.groups()
        pairs.setdefault(module, {})[letter] = tensor.double()
    deltas = {}
    for module, pair in pairs.items():
        scale = lora_scale(config, module, len(pair["A"]))
        deltas[module] = Factors(pair["B"] * scale, pair["A"])
    return deltas


# `config` is PEFT's LoraConfig, which brings no types.
def lora_scale(config: Any, module: str, rank: int) -> float:
    """What PEFT multiplies B @ A of this module by."""
    alphas = config.alpha_pattern or {}
    alpha = alphas.get(get_pattern_key(list(alphas), module), config.lora_alpha)
    return float(alpha) / (rank**0.5 if config.use_rslora else rank)


def weighted_sum(experts: Sequence[Deltas], weights: Sequence[float]) -> Deltas:
    """The exact weighted sum, its factors laid side by side: the rank is the sum of ranks. A module may be missing."""
    modules = {module for deltas in experts for module in deltas}
    total = {}
    for module in sorted(modules):
        b_parts = []
        a_parts = []
        for deltas, weight in zip(experts, weights, strict=True):
            if module in deltas:
                b_parts.append(deltas[module].b * weight)
                a_parts.append(deltas[module].a)
        total[module] = Factors(torch.cat(b_parts, 1), torch.cat(a_parts, 0))
    return total


def compress(deltas: Deltas, rank: int) -> Compressed:
    """The nearest deltas of at most `rank` in every module (Eckart-Young), in time linear in the matrices' sides.

    QR of both factors leaves a core no larger than their rank, whose singular values are those of the product. Both
    factors of the outcome carry the roots of the singular values, and are filled up with zeros to `rank`.
    """
    kept: Deltas = {}
    squared_error = 0.0
    squared_norm = 0.0
    for module, factors in deltas.items():
        q_out, r_out = torch.linalg.qr(factors.b)  # (d_out, k), (k, r)
        q_in, r_in = torch.linalg.qr(factors.a.T)  # (d_in, k), (k, r)
        u, values, v = torch.linalg.svd(r_out @ r_in.T)
        n = min(rank, len(values))
        root = values[:n].sqrt()
        b = (q_out @ u[:, :n]) * root  # (d_out, n)
        a = root[:, None] * (v[:n] @ q_in.T)  # (n, d_in)
        missing = rank - n
        kept[module] = Factors(
            torch.cat([b, b.new_zeros(len(b), missing)], 1),
            torch.cat([a, a.new_zeros(missing, a.shape[1])], 0),
        )
        # The squared singular values add up to the squared Frobenius norm.
        squared_error += float((values[n:] ** 2).sum())
        squared_norm += float((values**2).sum())
    return Compressed(kept, squared_error**0.5, squared_norm**0.5)


def write_adapter(deltas: Deltas, like: Path, out: Path) -> None:
    """A plain PEFT folder of these deltas at scale 1, in the precision and with the other settings of the adapter `like`.

    Every module must have the same rank.
    """
    (rank,) = {factors.a.shape[0] for factors in deltas.values()}
    config = LoraConfig.from_pretrained(str(like))
    # PEFT's scale is alpha / r, and the deltas hold theirs already.
    config.r = rank
    config.lora_alpha = rank
    config.use_rslora = False
    config.rank_pattern = {}
    config.alpha_pattern = {}
    # `like` may have other modules than the sum: these are named one by one.
    config.layers_to_transform = None
    config.layers_pattern = None
    config.exclude_modules = None
    config.target_modules = set(deltas)
    dtype = next(iter(load_file(like / WEIGHTS).values())).dtype
    tensors = {}
    for module, factors in deltas.items():
        tensors[f"{PREFIX}{module}.lora_A.weight"] = factors.a.to(dtype).contiguous()
        tensors[f"{PREFIX}{module}.lora_B.weight"] = factors.b.to(dtype).contiguous()
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    config.save_pretrained(str(out))


def rank_of(folder: Path) -> int:
    """The largest rank among the adapter's modules."""
    shapes = tensors_in(folder / WEIGHTS)
    return max(shape[0] for name, shape in shapes.items() if ".lora_A." in name)


def cosine(one: Deltas, other: Deltas) -> float:
    """Cosine between two experts' changes, all their matrices taken as one vector. 0 where one changes nothing."""
    norms = (_inner_product(one, one) * _inner_product(other, other)) ** 0.5
    return _inner_product(one, other) / norms if norms else 0.0


def _inner_product(one: Deltas, other: Deltas) -> float:
    # <B1 A1, B2 A2> by the factors' small products, so that no full matrix is formed.
    common = one.keys() & other.keys()
    products = [((one[m].b.T @ other[m].b) * (one[m].a @ other[m].a.T)).sum() for m in common]
    return float(sum(products))


def in_order(names: Sequence[str], groups: int) -> list[list[str]]:
    """The names in so many runs of neighbours, as even as can be."""
    cuts = [round(n * len(names) / groups) for n in range(groups + 1)]
    return [list(names[start:stop]) for start, stop in pairwise(cuts)]


def by_similarity(deltas: Mapping[str, Deltas], groups: int) -> list[list[str]]:
    """The names in so many groups whose deltas point the same way: the likest two are joined until so many are left.

    Two groups are as like as their members are on average. The order of names decides between equals.
    """
    names = list(deltas)
    similarity: dict[tuple[str, str], float] = {}
    for one, other in combinations(names, 2):
        similarity[one, other] = similarity[other, one] = cosine(deltas[one], deltas[other])
    found = [[name] for name in names]

    def mean_similarity(pair: tuple[int, int]) -> float:
        first, second = pair
        values = [similarity[one, other] for one in found[first] for other in found[second]]
        return sum(values) / len(values)

    while len(found) > groups:
        # `max` takes the first of equals.
        first, second = max(combinations(range(len(found)), 2), key=mean_similarity)
        found[first] += found.pop(second)
    return [sorted(group, key=names.index) for group in found]
