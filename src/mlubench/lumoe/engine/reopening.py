"""Notices that what counts in a store has changed while an engine is open, and takes it over."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.lumoe.engine.opening import EngineSource, engine_source
from mlubench.lumoe.experts.state import STATE
from mlubench.lumoe.experts.store import ExpertStore

if TYPE_CHECKING:
    from mlubench.lumoe.engine.lumoe import LUMoE

# Time, size and number of the file of a store's state; None where there is none.
Stamp = tuple[int, int, int] | None


class Reopening:
    """The store of an engine, as it was when the engine last looked."""

    def __init__(self, engine: "LUMoE", place: EngineSource | ExpertStore | Path | str) -> None:
        """`place` is what the engine was opened from."""
        self.engine = engine
        self.place = place
        self.file = engine_source(place).store.root / STATE
        self._seen: Stamp = self._stamp()

    def is_due(self) -> bool:
        """Whether the store has changed since. It reads no file."""
        return self._stamp() != self._seen

    def reopen(self) -> None:
        """Have the engine take over what counts now. Raises as `LUMoE.reopen` does, and stays due then."""
        # Before anything is read: what changes meanwhile is seen the next time.
        stamp = self._stamp()
        self.engine.reopen(engine_source(self.place))
        self._seen = stamp

    def _stamp(self) -> Stamp:
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
