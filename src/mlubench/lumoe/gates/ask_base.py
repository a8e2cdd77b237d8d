"""The two steps asked of the base itself: no endpoint, and as good a gate as the base is a reader of lists."""

from mlubench.core.errors import UsageError
from mlubench.lumoe.gates.base import Tools
from mlubench.lumoe.gates.two_steps import TwoSteps, read_template
from mlubench.models import sharding
from mlubench.settings.gates import GateConfig


class SelfGate(TwoSteps):
    """Asks the untouched base, which still knows what its experts suppress."""

    name = "self"

    def equip(self, tools: Tools) -> None:
        """Raises UsageError without a base to ask, or when the template is missing."""
        answer = tools.ask_base
        if answer is None:
            raise UsageError(
                "the self gate has no base to ask", "Give it one, or use another gate."
            )
        self.settings = tools.config.mllm
        self.template = read_template(self.settings.template)
        self.ask = lambda queries: tools.replies.ask("base", queries, answer)

    @staticmethod
    def check(config: GateConfig) -> None:
        """Raises UsageError for settings with which no query could be routed."""
        read_template(config.mllm.template)
        if (
            sharding.wanted()
        ):  # the leader alone measures the gate, and a sharded base needs all processes
            raise UsageError(
                "the self gate cannot ask a sharded base", "Use another gate: -s gate=hybrid."
            )
