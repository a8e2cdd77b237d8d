"""The table and the figure of the study of consolidation."""

from pathlib import Path
from typing import Any


def write_report(found: dict[str, Any], out: Path) -> None:
    pass
