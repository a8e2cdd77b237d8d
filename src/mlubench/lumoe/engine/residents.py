"""Experts that an engine can answer with: in memory as matrices up to a limit, on disk until needed, or mounted by PEFT."""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.engine.stacked import Matrix, Shape, can_stack, read_matrix, shape_of
from mlubench.lumoe.experts.compatibility import verified
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM


class FileStamp(NamedTuple):
    """What changes whenever a file does. ctime is among it, since nobody can set it back."""

    name: str
    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True, eq=False)
class _CheckedFolder:
    """An expert's folder, and its stamp when everything in it was checked."""

    folder: Path
    stamp: tuple[FileStamp, ...]
    shape: Shape


@dataclass(eq=False)
class Residents:
    """The experts at hand. Beyond the limit, the least recently used leave memory and wait on disk.

    One that comes back is not hashed again unless a file of its folder has changed meanwhile; then all is checked anew.
    """

    mllm: MLLM
    # A number of experts, or memory as "512MB"; None keeps all.
    limit: int | str | None = None
    # Matrices read from disk so far.
    loads: int = 0
    _folders: dict[str, _CheckedFolder] = field(default_factory=dict, repr=False)
    # The least recently used first.
    _matrices: OrderedDict[str, Matrix] = field(default_factory=OrderedDict, repr=False)

    def add(self, store: ExpertStore, name: str) -> None:
        """Have the expert's current version at hand. Raises MlubenchError as `ExpertStore.mount` does."""
        if name in self:
            raise MlubenchError(
                f"expert {name!r} is mounted already", "Take the adapters off first."
            )
        folder = store.enabled_folder(name)
        if not can_stack(self.mllm, folder):
            store.mount(self.mllm, name)
            return
        # Stamped before it is checked: a change meanwhile is then seen at the next look.
        stamp = _stamp(folder)
        verified(self.mllm, name, folder)
        self._folders[name] = _CheckedFolder(folder, stamp, shape_of(folder))
        if not self._exceeds_limit(self._size(name)):
            self.matrix(name)

    def keep(self, store: ExpertStore, names: Collection[str]) -> None:
        """Let go of all but these, and of those whose current version is another by now."""
        for name in list(self._folders):
            if name not in names or self._folders[name].folder != store.folder(name):
                del self._folders[name]
                self._matrices.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._folders

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    @property
    def in_memory(self) -> list[str]:
        """Names, the least recently used first."""
        return list(self._matrices)

    @property
    def bytes(self) -> int:
        return sum(matrix.bytes for matrix in self._matrices.values())

    def matrix(self, name: str) -> Matrix:
        """The expert's matrix, from memory or from its folder. Raises MlubenchError where the folder is no longer sound."""
        if name not in self._matrices:
            while self._matrices and self._exceeds_limit(self._size(name)):
                self._matrices.popitem(last=False)
            self._matrices[name] = self._read(name)
        self._matrices.move_to_end(name)
        return self._matrices[name]

    def shape(self, name: str) -> Shape:
        """Rank and layout, known also of an expert that is not in memory."""
        return self._folders[name].shape

    def folder(self, name: str) -> Path:
        """Where the version that is at hand lies, whose files were checked."""
        return self._folders[name].folder

    def _size(self, name: str) -> int:
        """Bytes that the expert's matrix takes in memory."""
        rank, layout = self.shape(name)
        return rank * layout.rows * self.mllm.base.dtype.itemsize

    def _exceeds_limit(self, size: int) -> bool:
        """Whether one more expert of so many bytes would be beyond the limit."""
        if self.limit is None:
            return False
        if isinstance(self.limit, str):
            return self.bytes + size > int(self.limit.removesuffix("MB")) * 2**20
        return len(self._matrices) >= self.limit

    def _read(self, name: str) -> Matrix:
        checked = self._folders[name]
        stamp = _stamp(checked.folder)
        if stamp != checked.stamp:
            verified(self.mllm, name, checked.folder)
            if shape_of(checked.folder) != checked.shape:
                raise MlubenchError(
                    f"{checked.folder} holds another expert than before", "Start again to take it."
                )
            self._folders[name] = replace(checked, stamp=stamp)
        matrix = read_matrix(self.mllm, checked.folder)
        if _stamp(checked.folder) != stamp:
            raise MlubenchError(
                f"{checked.folder} was changed while it was read",
                "Ask again once nothing writes to it.",
            )
        self.loads += 1
        return matrix


def _stamp(folder: Path) -> tuple[FileStamp, ...]:
    stamps = []
    try:
        for file in sorted(folder.iterdir()):
            stat = file.lstat()
            stamps.append(
                FileStamp(file.name, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
            )
    except OSError as error:
        raise MlubenchError(f"expert {folder} is gone: {error}", "Put its folder back.") from error
    return tuple(stamps)
