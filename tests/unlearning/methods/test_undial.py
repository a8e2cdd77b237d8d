"""UNDIAL against arithmetic done by hand."""

import math

import pytest
import torch

from mlubench.unlearning.losses import undial_loss

# One answer of one token, and one of two whose second is padding. The true tokens are 0 and 1; the vocabulary has two.
TOKENS = torch.tensor([[0, 0], [1, 0]])
MASK = torch.tensor([[True, False], [True, False]])
EVEN = torch.zeros(2, 2, 2)


def test_the_target_is_the_reference_with_the_true_token_lowered() -> None:
    """From even logits, lowering by log 3 makes 1/4 for the true token and 3/4 for the other.

    The model says 1/2 and 1/2, so the cross-entropy is log 2 in each place.
    """
    assert float(undial_loss(EVEN, EVEN, TOKENS, MASK, beta=math.log(3))) == pytest.approx(
        math.log(2)
    )
    # A model that says 1/4 for the true tokens has reached the target, whose entropy is left.
    reached = torch.tensor([[[0.25, 0.75], [0.5, 0.5]], [[0.75, 0.25], [0.5, 0.5]]]).log()
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    loss = undial_loss(reached, EVEN, TOKENS, MASK, beta=math.log(3))
    assert float(loss) == pytest.approx(entropy)


def test_at_the_target_nothing_is_pushed() -> None:
    reached = torch.tensor([[[0.25, 0.75], [0.1, 0.9]], [[0.75, 0.25], [0.9, 0.1]]]).log()
    reached.requires_grad_()
    undial_loss(reached, EVEN, TOKENS, MASK, beta=math.log(3)).backward()
    assert torch.allclose(reached.grad, torch.zeros_like(reached), atol=1e-6)


def test_at_the_reference_the_true_token_goes_down() -> None:
    logits = EVEN.clone().requires_grad_()
    undial_loss(logits, EVEN, TOKENS, MASK, beta=math.log(3)).backward()
    # softmax - target, over two tokens: (1/2 - 1/4) / 2 for the true one.
    assert logits.grad[0, 0].tolist() == pytest.approx([0.125, -0.125])
    assert logits.grad[1, 0].tolist() == pytest.approx([-0.125, 0.125])
    assert logits.grad[:, 1].abs().max() == 0


def test_without_lowering_it_holds_to_the_reference() -> None:
    logits = torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    undial_loss(logits, logits.detach(), TOKENS, MASK, beta=0.0).backward()
    assert torch.allclose(logits.grad, torch.zeros_like(logits), atol=1e-6)
