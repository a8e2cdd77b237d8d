"""How much longer a piece of work takes when it grows: a ratio within one run, the same on any machine."""

import gc
import time
from collections.abc import Callable


def growth(work: Callable[[int], object], small: int, times: int) -> float:
    """CPU time of `work(times * small)` by that of `work(small)`; about `times` where the cost is linear.

    The small one is taken three times and its median counts, since it is over quickly.
    """
    work(small)  # what is loaded or compiled once is not counted
    few = sorted(_seconds(work, small) for _ in range(3))[1]
    return _seconds(work, times * small) / max(few, 1e-4)


def _seconds(work: Callable[[int], object], size: int) -> float:
    # A collection looks at everything that earlier tests left, and would come in the large one alone.
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        work(size)
        return time.process_time() - started
    finally:
        gc.enable()
