"""Several LoRA experts as one of a given rank: the best there is by singular values, without ever forming a full matrix."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
    """The change that a LoRA makes to one matrix, `b @ a`: b (d_out, r) and a (r, d_in), its scale already in b."""

    b: Tensor
    a: Tensor


Deltas = dict[str, Factors]  # by the name of the base's module


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a rank budget left of a sum of deltas, and what it cost: Frobenius norms over all modules."""

    deltas: Deltas
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
        if not (found := _LORA.fullmatch(name)):
            raise UsageError(
                f"{folder.name} has trained {name} whole, which has no sum", "Use --method distil."
            )
        pairs.setdefault(found[1], {})[found[2]] = tensor.double()
    return {
        m: Factors(ends["B"] * _scale(config, m, len(ends["A"])), ends["A"])
        for m, ends in pairs.items()
    }


def _scale(config: Any, module: str, rank: int) -> float:
    alpha = config.alpha_pattern.get(
        get_pattern_key(list(config.alpha_pattern), module), config.lora_alpha
    )
    return float(alpha) / (rank**0.5 if config.use_rslora else rank)


def weighted_sum(experts: Sequence[Deltas], weights: Sequence[float]) -> Deltas:
    """The exact weighted sum, its factors laid side by side: the rank is the sum of ranks. A module may be missing."""
    total = {}
    for module in sorted({m for deltas in experts for m in deltas}):
        parts = [(d[module], w) for d, w in zip(experts, weights, strict=True) if module in d]
        total[module] = Factors(
            torch.cat([f.b * w for f, w in parts], 1), torch.cat([f.a for f, _ in parts], 0)
        )
    return total


def compress(deltas: Deltas, rank: int) -> Compressed:
    """The nearest deltas of at most `rank` in every module (Eckart-Young), in time linear in the matrices' sides.

    QR of both factors leaves a core no larger than their rank, whose singular values are those of the product. Both
    factors of the outcome carry the roots of the singular values, and are filled up with zeros to `rank`.
    """
    kept: Deltas = {}
    lost, whole = 0.0, 0.0
    for module, factors in deltas.items():
        q_out, r_out = torch.linalg.qr(factors.b)
        q_in, r_in = torch.linalg.qr(factors.a.T)
        u, values, v = torch.linalg.svd(r_out @ r_in.T)
        n = min(rank, len(values))
        root = values[:n].sqrt()
        b, a = (q_out @ u[:, :n]) * root, root[:, None] * (v[:n] @ q_in.T)
        missing = rank - n
        kept[module] = Factors(
            torch.cat([b, b.new_zeros(len(b), missing)], 1),
            torch.cat([a, a.new_zeros(missing, a.shape[1])], 0),
        )
        lost += float((values[n:] ** 2).sum())
        whole += float((values**2).sum())
    return Compressed(kept, lost**0.5, whole**0.5)


def write_adapter(deltas: Deltas, like: Path, out: Path) -> None:
    """A plain PEFT folder of these deltas at scale 1, in the precision and with the other settings of the adapter `like`.

    Every module must have the same rank.
    """
    (rank,) = {f.a.shape[0] for f in deltas.values()}
    config = LoraConfig.from_pretrained(str(like))
    config.r = config.lora_alpha = rank
    config.use_rslora, config.rank_pattern, config.alpha_pattern = False, {}, {}
    config.layers_to_transform = config.layers_pattern = config.exclude_modules = None
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
    return max(
        shape[0] for name, shape in tensors_in(folder / WEIGHTS).items() if ".lora_A." in name
    )


def cosine(one: Deltas, other: Deltas) -> float:
    """Cosine between two experts' changes, all their matrices taken as one vector. 0 where one changes nothing."""
    size = (_inner(one, one) * _inner(other, other)) ** 0.5
    return _inner(one, other) / size if size else 0.0


def _inner(one: Deltas, other: Deltas) -> float:
    both = one.keys() & other.keys()
    return float(sum(((one[m].b.T @ other[m].b) * (one[m].a @ other[m].a.T)).sum() for m in both))


def in_order(names: Sequence[str], groups: int) -> list[list[str]]:
    """The names in so many runs of neighbours, as even as can be."""
    cuts = [round(n * len(names) / groups) for n in range(groups + 1)]
    return [list(names[a:b]) for a, b in pairwise(cuts)]


def by_similarity(deltas: Mapping[str, Deltas], groups: int) -> list[list[str]]:
    """The names in so many groups whose deltas point the same way: the likest two are joined until so many are left.

    Two groups are as like as their members are on average. The order of names decides between equals.
    """
    names = list(deltas)
    like = {
        (a, b): cosine(deltas[a], deltas[b]) for i, a in enumerate(names) for b in names[i + 1 :]
    }
    found = [[n] for n in names]

    def likeness(pair: tuple[int, int]) -> float:
        each = [
            like.get((a, b), like.get((b, a), 0.0)) for a in found[pair[0]] for b in found[pair[1]]
        ]
        return sum(each) / len(each)

    while len(found) > groups:
        pairs = [(i, j) for i in range(len(found)) for j in range(i + 1, len(found))]
        i, j = max(pairs, key=likeness)
        found[i] += found.pop(j)
    return [sorted(group, key=names.index) for group in found]
