"""What is counted on the meta device: by hand, and as torch's own counter counts it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from mlubench.models.counting import counted

ROWS, WIDTH, OUT = 8, 16, 32


def layer(*, trained: bool = True) -> nn.Linear:
    with torch.device("meta"):
        return nn.Linear(WIDTH, OUT, bias=False).requires_grad_(trained)


def inputs(*shape: int, trained: bool = False) -> Tensor:
    return torch.empty(shape, device="meta", requires_grad=trained)


def test_a_product_by_hand() -> None:
    model = layer()
    x = inputs(ROWS, WIDTH)
    with counted(model) as count:
        model(x)
    (kernel,) = count.kernels
    assert kernel.flops == count.flops == 2 * ROWS * WIDTH * OUT
    assert kernel.bytes == 4 * (ROWS * WIDTH + WIDTH * OUT + ROWS * OUT)
    # The outcome alone: input and weights were there before.
    assert count.peak_bytes == 4 * ROWS * OUT


def test_the_way_back_is_counted() -> None:
    """A frozen layer hands the gradient on: one product. A trained one needs another for its own weights."""
    for trained, products in ((False, 1), (True, 2)):
        model = layer(trained=trained)
        x = inputs(ROWS, WIDTH, trained=True)
        with counted(model) as forward:
            y = model(x).sum()
        with counted(model) as backward:
            torch.autograd.backward(y)
        assert backward.flops == products * forward.flops


def test_what_is_let_go_is_no_longer_alive() -> None:
    with counted(layer()) as count:
        x = inputs(ROWS, WIDTH)
        for _ in range(5):
            # Only the old and the new one live at once.
            x = x + 1
    assert count.peak_bytes == 2 * 4 * ROWS * WIDTH


def test_attention_writes_down_no_pairs_of_positions() -> None:
    length = 512
    query = inputs(1, 4, length, 8)
    with counted(layer()) as count:
        F.scaled_dot_product_attention(query, query, query)
    # Two products of (L, D) and (L, L), for each head.
    assert count.flops == 4 * 2 * (2 * length * length * 8)
    assert count.peak_bytes < 4 * length * length


def test_keys_may_be_shared_by_heads() -> None:
    query, shared = inputs(1, 4, 64, 8), inputs(1, 2, 64, 8)
    with counted(layer()) as count:
        out = F.scaled_dot_product_attention(query, shared, shared, enable_gqa=True)
    assert out.shape == query.shape
    assert count.flops == 4 * 2 * (2 * 64 * 64 * 8)


def test_attention_is_as_before_afterwards() -> None:
    before = F.scaled_dot_product_attention
    with counted(layer()):
        assert F.scaled_dot_product_attention is not before
    assert F.scaled_dot_product_attention is before


def test_sizes_of_pictures_may_be_true_numbers() -> None:
    """A tower reads grids on the CPU, and then picks rows of its table by them."""
    table = inputs(10, WIDTH)
    with counted(layer()):
        rows = table[torch.tensor([1, 2])] * torch.tensor([[0.5], [0.5]])
    assert rows.shape == (2, WIDTH)
    assert rows.device.type == "meta"


def test_as_torch_counts_it_with_checkpoints_too() -> None:
    with torch.device("meta"):
        block = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, WIDTH))

    def run(*, twice: bool) -> None:
        x = inputs(512, WIDTH, trained=True)
        for _ in range(6):
            x = checkpoint(block, x, use_reentrant=False) if twice else block(x)
        torch.autograd.backward(x.sum())

    peaks = {}
    for twice in (False, True):
        with FlopCounterMode(display=False) as torchs:
            run(twice=twice)
        block.zero_grad()
        with counted(block) as ours:
            run(twice=twice)
        block.zero_grad()
        assert ours.flops == torchs.get_total_flops()
        peaks[twice] = ours.peak_bytes
    assert peaks[True] < 0.7 * peaks[False]
