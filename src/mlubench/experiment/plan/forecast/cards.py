"""Cards with the figures of their makers, and how long a count of kernels takes on one."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlubench.core.errors import unknown_name
from mlubench.models.counting import Count

# Of a card's stated rates, as much as a run of this code reaches: half comes nearest to the steps that were measured on an
# H200 (docs/performance.md). What a kernel reaches is less than its maker's figure, and kernels wait for one another.
UTILISATION = 0.5
# What a kernel costs however little it does: Python and the driver hand them over one by one.
KERNEL_SECONDS = 15e-6


@dataclass(frozen=True, slots=True)
class Card:
    """One accelerator as its maker's data sheet has it."""

    # Of dense bfloat16 products with sums in float32, a second. Sheets often tell those of sparse ones: twice that.
    flops: float
    # Of memory, decimal as on the sheet.
    bytes: float
    # Read or written a second.
    bandwidth: float


def _card(teraflops: float, gigabytes: float, gigabytes_a_second: float) -> Card:
    return Card(teraflops * 1e12, gigabytes * 1e9, gigabytes_a_second * 1e9)


CARDS: Mapping[str, Card] = {
    "l4": _card(121, 24, 300),
    "a10": _card(125, 24, 600),
    "rtx3090": _card(71, 24, 936),
    "rtx4090": _card(165.2, 24, 1008),
    "rtx5090": _card(209.5, 32, 1792),
    "a100-40gb": _card(312, 40, 1555),
    "a6000": _card(154.8, 48, 768),
    "l40s": _card(362, 48, 864),
    "a100-80gb": _card(312, 80, 2039),
    "h100-pcie": _card(756, 80, 2000),
    "h100": _card(989, 80, 3350),
    "h200": _card(989, 141, 4800),
    "b200": _card(2250, 180, 7700),
    "mi300x": _card(1307, 192, 5300),
}


def find_card(name: str) -> Card:
    """The card of that name. Raises UsageError for one that is not in the table."""
    if name not in CARDS:
        raise unknown_name("card", name, CARDS)
    return CARDS[name]


def seconds_of(count: Count, card: Card, utilisation: float) -> float:
    """How long the counted kernels take one after another.

    Each takes as long as its arithmetic or its reading and writing, whichever is longer. A card that is done sooner than
    it is given work waits for it.
    """
    at_full_rate = 0.0
    for kernel in count.kernels:
        at_full_rate += max(kernel.flops / card.flops, kernel.bytes / card.bandwidth)
    return max(at_full_rate / utilisation, len(count.kernels) * KERNEL_SECONDS)
