"""The context of a run that is finished, as its methods saw it, for whoever measures it again."""

from dataclasses import replace

from mlubench.data.protocols import under_protocol
from mlubench.experiment.context import Context
from mlubench.experiment.know import know_filter
from mlubench.experiment.prepare import open_base, open_benchmark, unlearned_part
from mlubench.runs.folder import RunDir


def finished_context(run: RunDir) -> Context:
    """The run's benchmark in its order, without what its base does not know, and the base without any adapter."""
    config = run.config()
    whole = open_benchmark(config)
    ctx = Context(config, unlearned_part(whole, config.benchmark), open_base(config, whole), run)
    return replace(ctx, benchmark=under_protocol(know_filter(ctx), config.benchmark.protocol))
