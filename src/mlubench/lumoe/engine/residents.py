"""Experts to hand: in memory as matrices up to a limit, back from disk when needed, or mounted by PEFT."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.stacked import Layout, Matrix, can_stack, read_matrix, shape_of
from mlubench.lumoe.experts.compatibility import verified
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM

Stamp = tuple[tuple[str, int, int, int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """An expert that was checked when its folder had this stamp."""

    folder: Path
    stamp: Stamp
    rank: int
    layout: Layout


@dataclass(eq=False)
class Residents:
    """The experts that an engine can answer with.

    `limit` is a number of experts, or memory as "512MB"; None keeps all. Beyond it the least recently used leave memory.
    One that comes back is not hashed again unless a file of its folder has changed meanwhile; then all is checked anew.
    """

    mllm: MLLM
    limit: int | str | None = None
    loads: int = 0  # matrices read from disk so far
    _held: dict[str, "_Held"] = field(default_factory=dict, repr=False)
    _matrices: OrderedDict[str, Matrix] = field(default_factory=OrderedDict, repr=False)

    def take(self, store: ExpertStore, name: str) -> None:
        """Have the expert's current version to hand. Raises MlubenchError as `ExpertStore.mount` does."""
        if name in self:
            raise MlubenchError(
                f"expert {name!r} is mounted already", "Take the adapters off first."
            )
        folder = store.enabled_folder(name)
        if not can_stack(self.mllm, folder):
            store.mount(self.mllm, name)
            return
        stamp = _stamp(folder)
        verified(self.mllm, name, folder)
        self._held[name] = _Held(folder, stamp, *shape_of(folder))
        if not self._over(self._size(name)):
            self.matrix(name)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    @property
    def in_memory(self) -> list[str]:
        """Names, the least recently used first."""
        return list(self._matrices)

    @property
    def bytes(self) -> int:
        return sum(m.bytes for m in self._matrices.values())

    def matrix(self, name: str) -> Matrix:
        """The expert's matrix, from memory or from its folder. Raises MlubenchError where the folder is no longer sound."""
        if name not in self._matrices:
            while self._matrices and self._over(self._size(name)):
                self._matrices.popitem(last=False)
            self._matrices[name] = self._read(name)
        self._matrices.move_to_end(name)
        return self._matrices[name]

    def shape(self, name: str) -> tuple[int, Layout]:
        """Rank and layout, known also of an expert that is not in memory."""
        return self._held[name].rank, self._held[name].layout

    def _size(self, name: str) -> int:
        rank, layout = self.shape(name)
        return rank * layout.rows * self.mllm.base.dtype.itemsize

    def _over(self, size: int) -> bool:
        """Whether one more expert of so many bytes would be beyond the limit."""
        if isinstance(self.limit, str):
            return self.bytes + size > int(self.limit.removesuffix("MB")) * 2**20
        return self.limit is not None and len(self._matrices) >= self.limit

    def _read(self, name: str) -> Matrix:
        held = self._held[name]
        now = _stamp(held.folder)
        if now != held.stamp:
            verified(self.mllm, name, held.folder)
            if shape_of(held.folder) != self.shape(name):
                raise MlubenchError(
                    f"{held.folder} holds another expert than before", "Start again to take it."
                )
            self._held[name] = replace(held, stamp=now)
        found = read_matrix(self.mllm, held.folder)
        if _stamp(held.folder) != now:
            raise MlubenchError(
                f"{held.folder} was changed while it was read",
                "Ask again once nothing writes to it.",
            )
        self.loads += 1
        return found


def _stamp(folder: Path) -> Stamp:
    """What changes with any file of the folder. ctime is among it, since nobody can set it back."""
    try:
        stats = [(f.name, f.lstat()) for f in sorted(folder.iterdir())]
    except OSError as error:
        raise MlubenchError(f"expert {folder} is gone: {error}", "Put its folder back.") from error
    return tuple((n, s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino) for n, s in stats)
