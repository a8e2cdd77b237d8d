"""What the frozen vision tower says of pictures, asked once for each: in memory, and over the life of a run in a file."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mlubench.core.files import digest, write_atomic
from mlubench.data.pictures import content_hash, stamp
from mlubench.models.mllm import MLLM


class FeatureRow(NamedTuple):
    """The features of a picture, and the stamp of its file when they were computed."""

    stamp: tuple[int, int]
    features: Tensor  # (D,)


@dataclass(eq=False)
class FeatureCache:
    """Features of pictures, computed once each while the file stays as it is: the vision tower is frozen."""

    mllm: MLLM
    # So many pictures are kept (16 KB each for a 7B), so that serving may go on for ever.
    keep: int = 50_000
    # The least recently used first.
    rows: OrderedDict[Path, FeatureRow] = field(default_factory=OrderedDict)
    # What an earlier process computed, by the hash of the picture's content: a gate that is fitted on one task more then
    # looks at the pictures of that task alone.
    known: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        """Features (N, D) of these pictures, float32 on the CPU."""
        if not pictures:
            return torch.zeros(0, 0)
        stamps = {path: stamp(path) for path in sorted(set(pictures))}
        new = []
        for path, now in stamps.items():
            if path in self.rows and self.rows[path].stamp == now:
                continue
            # Hashing reads the whole file, so only where there is something to find.
            known = self.known.get(content_hash(path)) if self.known else None
            if known is not None:
                self.rows[path] = FeatureRow(now, known)
            else:
                new.append(path)
        for path, features in zip(new, self.mllm.picture_features(new), strict=True):
            self.rows[path] = FeatureRow(stamps[path], features)
        for path in stamps:
            self.rows.move_to_end(path)
        result = torch.stack([self.rows[path].features for path in pictures])
        # Only now, as the pictures of one call may be more than are kept.
        while len(self.rows) > self.keep:
            self.rows.popitem(last=False)
        return result

    def save(self, path: Path) -> None:
        """Write all features to `path`. Nothing where the base has no hash: nobody could tell whose they are."""
        if not self.mllm.weight_hashes():
            return
        tensors = dict(self.known)
        for picture, row in self.rows.items():
            # A file that was changed since holds another picture.
            if picture.is_file() and stamp(picture) == row.stamp:
                tensors[content_hash(picture)] = row.features
        # Sorted, so that equal features make equal files. Cloned, as rows may be views of one batch.
        content = {key: tensors[key].clone() for key in sorted(tensors)}
        write_atomic(path, save(content, metadata={"base": self._base_hash()}))

    def load(self, path: Path) -> None:
        """Take over what was saved for this base. What is absent, broken or another base's is computed anew."""
        if not path.is_file() or not self.mllm.weight_hashes():
            return
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("base") == self._base_hash():
                    self.known = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError):
            path.unlink(missing_ok=True)

    def _base_hash(self) -> str:
        return digest(self.mllm.weight_hashes(), 64)
