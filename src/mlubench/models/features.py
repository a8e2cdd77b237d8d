"""What the frozen vision tower says of pictures, asked once for each: in memory, and over the life of a run in a file."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mlubench.core.files import digest, file_sha256, write_atomic
from mlubench.data.pictures import stamp
from mlubench.models.mllm import MLLM


@dataclass(eq=False)
class FeatureCache:
    """Features of pictures, computed once each while the file stays as it is: the vision tower is frozen.

    The least recently used beyond `keep` pictures are forgotten (16 KB each for a 7B), so that serving may go on for ever.
    `known` holds what an earlier process computed, by the SHA-256 of the picture: a gate that is fitted on one task more
    then looks at the pictures of that task alone.
    """

    mllm: MLLM
    keep: int = 50_000
    rows: OrderedDict[Path, tuple[tuple[int, int], Tensor]] = field(default_factory=OrderedDict)
    known: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        if not pictures:
            return torch.zeros(0, 0)
        now = {p: stamp(p) for p in sorted(set(pictures))}
        missing = [p for p, file in now.items() if p not in self.rows or self.rows[p][0] != file]
        found = (
            {p: row for p in missing if (row := self.known.get(file_sha256(p))) is not None}
            if self.known
            else {}
        )
        new = [p for p in missing if p not in found]
        found |= dict(zip(new, self.mllm.picture_features(new), strict=True))
        self.rows.update((p, (now[p], row)) for p, row in found.items())
        for path in now:
            self.rows.move_to_end(path)
        rows = torch.stack([self.rows[p][1] for p in pictures])
        while len(self.rows) > self.keep:
            self.rows.popitem(last=False)
        return rows

    def save(self, path: Path) -> None:
        """Write all features to `path`. Nothing where the base has no hash: nobody could tell whose they are."""
        if not self.mllm.weight_hashes():
            return
        rows = {file_sha256(p): row for p, (_, row) in self.rows.items() if p.is_file()}
        tensors = {key: row.clone() for key, row in sorted((self.known | rows).items())}
        write_atomic(path, save(tensors, metadata={"base": self._base()}))

    def load(self, path: Path) -> None:
        """Take over what was saved for this base. What is absent, broken or another base's is computed anew."""
        if not path.is_file() or not self.mllm.weight_hashes():
            return
        try:
            with safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("base") == self._base():
                    self.known = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError):
            path.unlink(missing_ok=True)

    def _base(self) -> str:
        return digest(self.mllm.weight_hashes(), 64)
