"""The engine of LUMoE: `open` makes one of a run, or of a store of experts and a base."""

from mlubench.lumoe.engine.lumoe import LUMoE

open = LUMoE.open
