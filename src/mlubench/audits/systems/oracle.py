"""The base that never learned what is forgotten."""

from mlubench.audits.oracle.bases import on_base, oracle_base
from mlubench.audits.systems.system import System
from mlubench.experiment.prepare import open_benchmark
from mlubench.models.adapters import add_adapter
from mlubench.runs.folder import ORACLE


class OracleSystem(System):
    """The base taught again without what is forgotten. Nothing protects it: it has nothing to tell.

    A fresh adapter is mounted, of the size that methods train, so that it can be taught what it never knew.
    """

    def _mount(self, done: list[str]) -> None:
        folder = oracle_base(self.ctx.config, open_benchmark(self.ctx.config), done)
        self.ctx = on_base(self.ctx, folder)
        train = self.ctx.config.train
        add_adapter(self.ctx.mllm, ORACLE, train.lora, train.scope, seed=self.ctx.config.seed)
