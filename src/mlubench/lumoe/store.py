"""Experts on disk: one folder each in plain PEFT format, checked against its manifest before it is mounted."""

from pathlib import Path
from typing import Any

from mlubench.artifacts import is_whole, read_manifest
from mlubench.errors import MlubenchError
from mlubench.models.adapters import load_adapter
from mlubench.models.hf import MLLM


class ExpertStore:
    """The experts under `root`, in the order they were made."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def manifest(self, name: str) -> dict[str, Any]:
        """The expert's manifest, every file checked. Raises MlubenchError when it is absent or changed."""
        folder = self.root / name
        if not is_whole(folder):
            raise MlubenchError(
                f"no expert {name!r} in {self.root}", f"There are: {', '.join(self.names()) or 'none'}."
            )
        return read_manifest(folder)

    def names(self) -> list[str]:
        """Experts whose folder is whole, oldest first."""
        if not self.root.is_dir():
            return []
        folders = [f for f in self.root.iterdir() if is_whole(f)]
        return [f.name for f in sorted(folders, key=lambda f: (len(read_manifest(f)["tasks"]), f.name))]

    def mount(self, mllm: MLLM, name: str) -> None:
        """Put the expert on the base beside the others. A base it was not made for is refused."""
        made_for = self.manifest(name)["base"]
        if made_for != mllm.name:
            raise MlubenchError(f"expert {name!r} was made for {made_for}, not {mllm.name}", "Load that base.")
        load_adapter(mllm, name, self.root / name)
