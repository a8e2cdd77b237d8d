"""Put one question to the LUMoE of a run."""

from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.pictures import open_picture
from mlubench.experiment.learners import Context, LumoeLearner
from mlubench.experiment.prepare import open_base, open_benchmark
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.mllm import Query
from mlubench.runs.opening import open_run
from mlubench.types import Route


def ask_run(root: Path, image: Path, question: str, *, base: bool = False) -> tuple[Route, str]:
    """The route and the answer. UsageError when the run has no expert yet, MlubenchError for a broken picture.

    A query that needs a disabled expert is an MlubenchError, unless `base` asks for an answer without that expert.
    """
    run = open_run(root)
    config = run.config
    done = run.archived("lumoe")
    if not done:
        raise UsageError(f"{root} has no LUMoE expert", "Run it with `lumoe` among its methods.")
    open_picture(
        image
    )  # here somebody waits who can give another one, so it is no matter for `gates.on_error`
    benchmark = open_benchmark(config)
    lumoe = LumoeLearner(Context(config, benchmark, open_base(config, benchmark), run.folder))
    lumoe.at(done)
    routes = lumoe.engine.routes([GateQuery(image, question)])
    if base:
        routes = lumoe.engine.without_disabled(routes)
    answers = lumoe.engine.generate(
        [Query(image, question)], routes, max_new_tokens=config.evaluate.max_new_tokens
    )
    return routes[0], answers[0]
