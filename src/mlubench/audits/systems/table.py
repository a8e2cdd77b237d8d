"""Systems by their names."""

from collections.abc import Callable

from mlubench.audits.systems.lumoe import GateOnlySystem, LumoeSystem
from mlubench.audits.systems.oracle import OracleSystem
from mlubench.audits.systems.prompted import PromptedSystem
from mlubench.audits.systems.system import System
from mlubench.audits.systems.training_free import TrainingFreeSystem
from mlubench.experiment.context import Context
from mlubench.runs.folder import GATE_ONLY, ORACLE, PROMPT_ONLY, TRAINING_FREE

_OTHERS: dict[str, Callable[[Context, str], System]] = {
    "lumoe": LumoeSystem,
    ORACLE: OracleSystem,
    GATE_ONLY: GateOnlySystem,
    PROMPT_ONLY: PromptedSystem,
    TRAINING_FREE: TrainingFreeSystem,
}


def system(ctx: Context, name: str) -> System:
    """The system of that name. It is opened before it is asked, and each opening closes the one before."""
    return _OTHERS.get(name, System)(ctx, name)
