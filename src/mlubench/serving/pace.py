"""When an answer leaves, so that the time it took does not tell who gave it.

Answers leave in steps: a whole number of them after their request came. A refusal that no model gave, which would be there
at once, takes as long as one that an expert gave of late.
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field

from mlubench.lumoe.engine.requests import Finished

# Experts' answers whose times are remembered.
_REMEMBERED = 64


@dataclass(eq=False)
class Pace:
    """Of one server."""

    # Seconds; 0 lets answers leave as they come.
    step: float
    draw: random.Random = field(default_factory=random.SystemRandom, repr=False)
    _by_experts: deque[float] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED), init=False, repr=False
    )

    def seconds_more(self, finished: Finished, taken: float) -> float:
        """How long the answer is still held, `taken` seconds after its request came."""
        if self.step == 0:
            return 0.0
        due = taken
        if finished.fault is not None:
            if self._by_experts:
                due = max(taken, self.draw.choice(self._by_experts))
        elif finished.route.experts:
            self._by_experts.append(taken)
        steps = max(1, math.ceil(due / self.step))
        return steps * self.step - taken
