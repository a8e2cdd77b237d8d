"""What the judges that ask a model are made with: settings, a device, and the replies that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlubench.core.cache import cache_root
from mlubench.endpoint.replies import ReplyCache
from mlubench.settings.judging import JudgeConfig

CACHE = "judgements.sqlite"


@dataclass(frozen=True, slots=True)
class JudgeTools:
    """What a judge that asks a model is made with."""

    settings: JudgeConfig = field(default_factory=JudgeConfig)
    # Where a local model runs: "auto", "cpu", "cuda".
    device: str = "auto"
    # Modules that register model classes, as the run's `model.plugins` names them.
    plugins: Sequence[str] = ()


def kept_replies() -> ReplyCache:
    """The replies kept on this machine, shared by all of its runs.

    Seeds and sweeps judge the same answers of the same base again and again.
    """
    return ReplyCache(cache_root() / CACHE)
