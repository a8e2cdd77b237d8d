"""Pictures that are there twice: the same bytes, a link, or the same picture compressed or scaled anew."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlubench.core.errors import DataError
from mlubench.core.files import file_sha256
from mlubench.core.spelling import path_below
from mlubench.data.pictures import UnusablePictureError, opened
from mlubench.data.pixels import plain_rgb
from mlubench.types import Benchmark, Entity, Sample, Split

_SIDE = 16  # pixels of a thumbnail's side
# Two pictures are one if their thumbnails differ by at most this share of their own contrast. See docs/decisions.md for
# what it is measured on.
NEAR = 0.25
# A picture of nearly one colour, of 255 shades, has no contrast to compare by: only its bytes tell.
_LEAST_CONTRAST = 2.0
_BLOCK = 1024  # pictures that are compared with all others at once
_WORKERS = 4


class HasSplit(Protocol):
    """Anything of an entity that is to be forgotten or to be kept."""

    @property
    def entity(self) -> Entity: ...

    @property
    def split(self) -> Split: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What tells whether two files show one picture."""

    sha256: str
    # (_SIDE * _SIDE * 3,), 0 to 255
    thumbnail: NDArray[np.uint8]


def look_at(path: Path) -> Look:
    """The file's hash, and a thumbnail of the picture as people see it. Raises UnusablePictureError."""
    with opened(path) as picture:
        # A large JPEG is decoded at a fraction of its size.
        picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        small = plain_rgb(picture).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return Look(file_sha256(path), np.asarray(small, dtype=np.uint8).ravel())


def look_at_all(root: Path, images: Sequence[str]) -> dict[str, Look]:
    """The looks of all pictures below `root` that can be decoded."""

    def look(image: str) -> Look | None:
        try:
            return look_at(path_below(root, image))
        # What cannot be opened or decoded is a finding of its own.
        except UnusablePictureError:
            return None

    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # Pillow warns of big pictures and odd metadata; neither matters here.
        warnings.simplefilter("ignore")
        looks = list(pool.map(look, images))
    return {image: look for image, look in zip(images, looks, strict=True) if look is not None}


def same_pictures(looks: Mapping[str, Look]) -> list[list[str]]:
    """Groups of paths that show one picture, each of two or more, in the order of the paths."""
    images = sorted(looks)
    groups = _Groups(images)
    by_hash: dict[str, str] = {}
    for image in images:
        groups.join(image, by_hash.setdefault(looks[image].sha256, image))
    # One file of each content is enough to compare.
    distinct = sorted(by_hash.values())
    for one, other in _alike(np.array([looks[image].thumbnail for image in distinct])):
        groups.join(distinct[one], distinct[other])
    return [group for group in groups.all() if len(group) > 1]


def shown_among(looks: Sequence[Look], among: Sequence[Look]) -> list[bool]:
    """Of each look, whether one of the others shows the same picture."""
    hashes = {look.sha256 for look in among}
    found = [look.sha256 in hashes for look in looks]
    if not looks or not among:
        return found
    thumbnails = np.array([look.thumbnail for look in (*looks, *among)])
    for one, other in _alike(thumbnails):
        # The numbers rise, so that `one` is of the looks where the pair is of both.
        if one < len(looks) <= other:
            found[one] = True
    return found


def equal_files(paths: Iterable[Path]) -> list[list[Path]]:
    """Groups of files with the same bytes. Only files of one size are read."""
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        by_size.setdefault(path.stat().st_size, []).append(path)
    found = []
    for same_size in by_size.values():
        by_hash: dict[str, list[Path]] = {}
        if len(same_size) > 1:
            for path in same_size:
                by_hash.setdefault(file_sha256(path), []).append(path)
        found += [group for group in by_hash.values() if len(group) > 1]
    return found


def require_distinct(benchmark: Benchmark) -> None:
    """Raises DataError for a picture file that is, byte for byte, of a forgotten entity and of a kept one.

    Nothing is decoded: only `mlubench data check` finds pictures that were compressed anew.
    """
    samples_of: dict[Path, list[Sample]] = {}
    for sample in benchmark.samples:
        path = benchmark.picture(sample)
        if path is not None:
            samples_of.setdefault(path, []).append(sample)
    for paths in equal_files(samples_of):
        samples = list(chain.from_iterable(samples_of[path] for path in paths))
        entities = forgotten_and_kept(samples)
        if entities is not None:
            raise DataError(
                f"{entities[0].key}, to be forgotten, and {entities[1].key}, to be kept, share a "
                f"picture: {paths[0]} and {paths[1]} are the same",
                "`mlubench data check` lists all of them.",
            )


def forgotten_and_kept(samples: Iterable[HasSplit]) -> tuple[Entity, Entity] | None:
    """An entity to be forgotten and another to be kept among these; None where there are no two such."""
    by_split: dict[Split, set[Entity]] = {"forget": set(), "retain": set()}
    for sample in samples:
        by_split[sample.split].add(sample.entity)
    for one in sorted(by_split["forget"]):
        for other in sorted(by_split["retain"]):
            if one != other:
                return one, other
    return None


def _alike(thumbnails: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Numbers of the pairs of thumbnails (N, D) that are one picture."""
    if len(thumbnails) < 2:
        return
    rows = thumbnails.astype(np.float32)
    size = rows.shape[1]
    by_channel = rows.reshape(len(rows), -1, 3)
    spread = by_channel - by_channel.mean(axis=1, keepdims=True)
    contrast = np.sqrt((spread**2).mean(axis=(1, 2)))  # (N,)
    squares = (rows**2).sum(axis=1)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab, (block, N)
        apart = squares[block, None] + squares[None] - 2 * rows[block] @ rows.T
        difference = np.sqrt(np.maximum(apart, 0) / size)
        lower = np.minimum(contrast[block, None], contrast[None])
        near = (difference <= NEAR * lower) & (lower >= _LEAST_CONTRAST)
        for one, other in zip(*near.nonzero(), strict=True):
            if start + one < other:
                yield start + int(one), int(other)


class _Groups:
    """Things that are joined two by two (union-find)."""

    def __init__(self, names: Sequence[str]) -> None:
        self._parents = {name: name for name in names}

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def all(self) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for name in self._parents:
            groups.setdefault(self._root(name), []).append(name)
        return list(groups.values())

    def _root(self, name: str) -> str:
        while self._parents[name] != name:
            self._parents[name] = self._parents[
                self._parents[name]
            ]  # halves the way for the next time
            name = self._parents[name]
        return name
