"""Seconds of a count on a card, by hand."""

import pytest

from mlubench.core.errors import UsageError
from mlubench.experiment.plan.forecast.cards import (
    CARDS,
    KERNEL_SECONDS,
    Card,
    find_card,
    seconds_of,
)
from mlubench.models.counting import Count, Kernel

# A teraflop and a tenth of a terabyte a second.
CARD = Card(flops=1e12, bytes=1e9, bandwidth=1e11)


def test_each_kernel_takes_the_longer_of_both() -> None:
    busy = Kernel(flops=10**12, bytes=10**9)  # 1 s of arithmetic, 0.01 s of memory
    moving = Kernel(flops=10**9, bytes=3 * 10**11)  # 0.001 s and 3 s
    assert seconds_of(Count([busy, moving]), CARD, 1.0) == pytest.approx(4.0)
    assert seconds_of(Count([busy, moving]), CARD, 0.5) == pytest.approx(8.0)


def test_small_kernels_wait_for_the_next() -> None:
    assert seconds_of(Count([Kernel(0, 4)] * 1000), CARD, 0.5) == pytest.approx(
        1000 * KERNEL_SECONDS
    )


def test_a_card_has_a_name() -> None:
    assert find_card("h100").bytes == 80e9
    with pytest.raises(UsageError, match="unknown card 'h10'"):
        find_card("h10")


def test_sheets_of_one_maker_agree() -> None:
    """The H200 is an H100 with more and faster memory, and no card has less arithmetic than memory could feed."""
    assert CARDS["h200"].flops == CARDS["h100"].flops
    for card in CARDS.values():
        assert card.flops / card.bandwidth > 50
