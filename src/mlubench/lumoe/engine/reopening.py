"""Notices that what counts in a store has changed while an engine is open, and takes it over."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.lumoe.engine.opening import EngineSource, engine_source
from mlubench.lumoe.experts.state import STATE
from mlubench.lumoe.experts.store import ExpertStore

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE

# Time, size and number of the file of a store's state; None where there is none.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class StoreFile:
    """The file that says what counts in a store, as it was at a moment."""

    path: Path
    stamp: Stamp

    @classmethod
    def of(cls, place: EngineSource | ExpertStore | Path | str) -> "StoreFile":
        """The file now. To be called before the engine is opened: what changes meanwhile is seen then."""
        path = engine_source(place).store.root / STATE
        return cls(path, _stamp(path))


class Reopening:
    """The store of an engine, as it was when the engine last looked."""

    def __init__(
        self,
        engine: "LUMoE",
        place: EngineSource | ExpertStore | Path | str,
        before: StoreFile | None = None,
    ) -> None:
        """`place` is what the engine was opened from, `before` its file before that; None: nothing has changed since."""
        self.engine = engine
        self.place = place
        found = before if before is not None else StoreFile.of(place)
        self.file = found.path
        self._seen = found.stamp

    def is_due(self) -> bool:
        """Whether the store has changed since. It reads no file."""
        return _stamp(self.file) != self._seen

    def reopen(self) -> None:
        """Have the engine take over what counts now. Raises as `LUMoE.reopen` does, and stays due then."""
        # Before anything is read: what changes meanwhile is seen the next time.
        stamp = _stamp(self.file)
        self.engine.reopen(engine_source(self.place))
        self._seen = stamp


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
