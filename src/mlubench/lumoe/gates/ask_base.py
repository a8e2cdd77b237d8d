"""The two steps asked of the base itself: it needs no endpoint, and is as good a gate as the base is a reader of lists."""

from typing import ClassVar

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.base import ModelAccess
from mlubench.lumoe.gates.two_steps import Ask, TwoSteps, read_template
from mlubench.models import sharding
from mlubench.settings.gates import AskedGateConfig, GateConfig


class SelfGate(TwoSteps):
    """Asks the untouched base, which still knows what its experts suppress."""

    name = "self"
    asks_base: ClassVar[bool] = True

    def _asker(self, access: ModelAccess, settings: AskedGateConfig) -> Ask:
        """Raises UsageError without a base to ask."""
        answer = access.ask_base
        if answer is None:
            raise UsageError(
                "the self gate has no base to ask", "Give it one, or use another gate."
            )
        return lambda queries: access.replies.ask("base", queries, answer)

    @staticmethod
    def check(config: GateConfig) -> None:
        """Raises UsageError for settings with which no query could be routed."""
        read_template(config.mllm.template)
        # The leader alone measures the gate, and a sharded base answers only when all processes take part.
        if sharding.wanted():
            raise UsageError(
                "the self gate cannot ask a sharded base", "Use another gate: -s gate=hybrid."
            )
