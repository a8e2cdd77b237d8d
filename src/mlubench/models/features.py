"""What the frozen vision tower says of pictures, asked once for each: in memory, and over the life of a run in a file."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mlubench.core.files import digest, write_atomic
from mlubench.data.pictures import content_hash, open_picture, stamp
from mlubench.models.encoders import (
    Encoder,
    folder_encoder,
    folder_width,
    tower_encoder,
    tower_width,
)
from mlubench.models.mllm import MLLM

# Pictures that are decoded together, which bounds the memory that they take.
CHUNK = 256


class FeatureRow(NamedTuple):
    """The features of a picture, and the stamp of its file when they were computed."""

    stamp: tuple[int, int]
    features: Tensor  # (D,)


# The base's own tower, the one for drawn pictures, or a folder.
EncoderName = Literal["tower", "drawn"] | Path


def open_encoder(name: EncoderName, mllm: MLLM | None = None) -> Encoder:
    """The encoder of that name. `tower` needs a base. Raises MlubenchError for a folder that holds none."""
    if name == "drawn":
        from mlubench.models.toy.eye import FOLDER

        return folder_encoder(FOLDER)
    if name == "tower":
        assert mllm is not None, "the tower is a base's"
        return tower_encoder(mllm)
    assert isinstance(name, Path)
    return folder_encoder(name)


def encoder_width(name: EncoderName, mllm: MLLM) -> int:
    """The width of the rows of that encoder. The base may be a shape alone. Raises MlubenchError as `open_encoder` does."""
    if name == "tower":
        return tower_width(mllm)
    if name == "drawn":
        from mlubench.models.toy.eye import FOLDER

        return folder_width(FOLDER)
    assert isinstance(name, Path)
    return folder_width(name)


@dataclass(eq=False)
class LayerCache:
    """What an encoder says of pictures and of views of them, asked once each while the file stays as it is."""

    encoder: Encoder
    keep: int = 50_000
    # By the picture and the number of its view, where 0 is the picture itself. The least recently used first.
    rows: OrderedDict[tuple[Path, int], FeatureRow] = field(default_factory=OrderedDict)

    def __call__(self, pictures: Sequence[Path]) -> Tensor:
        """Rows (N, D), float32 on the CPU."""
        return self.of_views([(path, 0) for path in pictures], as_it_is)

    def of_views(
        self, views: Sequence[tuple[Path, int]], draw: Callable[[Path, int], Image.Image]
    ) -> Tensor:
        """Rows (N, D) of views, each a picture and a number by which `draw` draws it."""
        if not views:
            return torch.zeros(0, 0)
        stamps = {path: stamp(path) for path in sorted({path for path, _ in views})}
        new = []
        for view in dict.fromkeys(views):
            kept = self.rows.get(view)
            if kept is None or kept.stamp != stamps[view[0]]:
                new.append(view)
        for start in range(0, len(new), CHUNK):
            chunk = new[start : start + CHUNK]
            found = self.encoder([draw(path, number) for path, number in chunk])
            for view, row in zip(chunk, found, strict=True):
                self.rows[view] = FeatureRow(stamps[view[0]], row)
        result = torch.stack([self.rows[view].features for view in views])
        for view in dict.fromkeys(views):
            self.rows.move_to_end(view)
        while len(self.rows) > self.keep:
            self.rows.popitem(last=False)
        return result


def as_it_is(path: Path, number: int) -> Image.Image:
    """The picture itself."""
    return open_picture(path)


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
    # What other encoders say of pictures, by the encoder.
    layers: dict[EncoderName, LayerCache] = field(default_factory=dict)

    def encoded_by(self, encoder: EncoderName) -> "LayerCache":
        """What this encoder says of pictures. Raises MlubenchError for a folder that holds none."""
        if encoder not in self.layers:
            self.layers[encoder] = LayerCache(open_encoder(encoder, self.mllm), self.keep)
        return self.layers[encoder]

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
