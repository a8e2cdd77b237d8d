"""mlubench: lifelong unlearning in multimodal LLMs. Importing it loads nothing heavy.

Every name of `__all__` is loaded when it is first used. `docs/python.md` shows each in a few lines.

The rooms, from the top down; a file imports only from rooms below its own (docs/architecture.md):

cli/  api.py       the command line; the names above (__main__.py is `python -m mlubench`)
serving/           a LUMoE behind an OpenAI-compatible address
requests/          deletion requests: a queue, and a worker that trains, measures and puts in force
studies/  authoring/  audits/
                   what stands above finished runs; the builder of benchmarks; attacks on what was built
experiment/        the lifelong sequence
lumoe/  judging/   experts, gates and routed answers; how good answers are
unlearning/        losses, methods, the trainer
models/            the multimodal model
report/            table, page, figures
runs/              a run on disk
endpoint/          the client of OpenAI-compatible endpoints
ledger/            what was done about deletion requests
settings/          every setting
data/              what must go and what must stay
statistics/        arithmetic on verdicts
types.py           the words of the field
core/              files, errors, processes, tables of names
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mlubench.core.version import __version__

if TYPE_CHECKING:
    from mlubench.api import (
        load_benchmark,
        load_mllm,
        open_run,
        register_gate,
        register_judge,
        register_method,
        run,
    )
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.gates.base import Gate
    from mlubench.types import Judge
    from mlubench.unlearning.methods.base import Method

__all__ = [
    "Gate",
    "Judge",
    "LUMoE",
    "Method",
    "__version__",
    "load_benchmark",
    "load_mllm",
    "open_run",
    "register_gate",
    "register_judge",
    "register_method",
    "run",
]

# Where a name comes from, if not from `mlubench.api`.
_ELSEWHERE = {
    "Gate": "mlubench.lumoe.gates.base",
    "Judge": "mlubench.types",
    # To look at a run needs no torch, which the rest of `mlubench.api` brings along.
    "open_run": "mlubench.runs.opening",
    "LUMoE": "mlubench.lumoe.engine.lumoe",
    "Method": "mlubench.unlearning.methods.base",
}


def __getattr__(name: str) -> object:
    """Load a public name at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'mlubench' has no attribute {name!r}")
    value: object = getattr(import_module(_ELSEWHERE.get(name, "mlubench.api")), name)
    globals()[name] = value  # from now on Python finds it without asking here
    return value


def __dir__() -> list[str]:
    return __all__
