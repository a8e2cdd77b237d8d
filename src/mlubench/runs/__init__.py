"""A run on disk: where its files lie, how it is opened, the one schema of its results. No torch is loaded.

from mlubench import runs
run = runs.open("runs/smoke")
"""

from mlubench.runs.opening import Run
from mlubench.runs.opening import open_run as open

__all__ = ["Run", "open"]
