"""Which store of experts a command means: that of a run, or a plain folder."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlubench.lumoe.experts.store import ExpertStore


def open_store(path: Path, *, new: bool = False) -> "ExpertStore":
    """The store that a run or a folder holds. `new` lets it be one that is yet to come."""
    from mlubench.core.errors import UsageError
    from mlubench.lumoe.experts.state import STATE
    from mlubench.lumoe.experts.store import ExpertStore
    from mlubench.runs.folder import RunDir

    run = RunDir(path)
    # Within a run the store is one of its folders.
    store = ExpertStore(run.store("lumoe") if run.config_file.is_file() else path)
    # Experts, finished or not, make a folder a store even where its state file is not written yet.
    holds_any = (store.root / STATE).is_file() or store.names() or store.unfinished()
    if not new and not holds_any:
        raise UsageError(
            f"{path} holds no experts",
            "Give a run with `lumoe` among its methods, or a folder of experts.",
        )
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder", "Give a run, or a folder of experts.")
    return store
