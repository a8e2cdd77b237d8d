"""Every loss against arithmetic done by hand, against a second implementation in plain Python, and at the extremes."""

import math
import random
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from mlubench.unlearning.losses import (
    dpo_loss,
    ga_loss,
    kl_loss,
    mean_nll,
    npo_loss,
    rmu_loss,
    simnpo_loss,
    sums,
    token_log_probs,
)

LOG2 = math.log(2)
# Two answers of 2 and 1 tokens; what stands at the padded place must never count.
LOGPS = torch.tensor([[-1.0, -2.0], [-6.0, -77.0]])
MASK = torch.tensor([[True, True], [True, False]])


def plain_softmax(row: list[float]) -> list[float]:
    top = max(row)
    exps = [math.exp(x - top) for x in row]
    return [e / sum(exps) for e in exps]


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_token_log_probs_by_hand() -> None:
    logits = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0]], [[0.0, math.log(9)], [5.0, 5.0]]])
    labels = torch.tensor([[1, 0], [0, -100]])
    logps, mask = token_log_probs(logits, labels)
    assert logps[mask].tolist() == pytest.approx(
        [math.log(1 / 2), math.log(3 / 4), math.log(1 / 10)]
    )
    assert logps[1, 1] == 0
    assert mask.tolist() == [[True, True], [True, False]]


def test_token_log_probs_against_plain_python() -> None:
    dice = random.Random(0)
    logits = [[[dice.uniform(-5, 5) for _ in range(7)] for _ in range(4)] for _ in range(3)]
    labels = [[dice.randrange(7) for _ in range(4)] for _ in range(3)]
    labels[0][3] = labels[2][2] = labels[2][3] = -100
    got, mask = token_log_probs(torch.tensor(logits), torch.tensor(labels))
    for b, row in enumerate(labels):
        for a, label in enumerate(row):
            wanted = 0.0 if label == -100 else math.log(plain_softmax(logits[b][a])[label])
            assert float(got[b, a]) == pytest.approx(wanted, abs=1e-5)
            assert bool(mask[b, a]) is (label != -100)


def test_half_precision_logits_are_summed_in_full() -> None:
    logits = torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, 3], [4, 5, -100]])
    low = token_log_probs(logits.bfloat16(), labels)[0]
    assert low.dtype == torch.float32
    assert torch.allclose(low, token_log_probs(logits, labels)[0], atol=0.05)


def test_sums_are_over_the_answers_tokens() -> None:
    assert sums(LOGPS, MASK).tolist() == [-3.0, -6.0]


def test_nll_is_a_mean_over_tokens_not_over_answers() -> None:
    assert float(mean_nll(LOGPS, MASK)) == pytest.approx((1 + 2 + 6) / 3)
    assert float(ga_loss(LOGPS, MASK)) == pytest.approx(-(1 + 2 + 6) / 3)


def test_gradient_ascent_pushes_down_what_counts() -> None:
    logps = LOGPS.clone().requires_grad_()
    ga_loss(logps, MASK).backward()
    assert logps.grad.flatten().tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])


def test_npo_by_hand() -> None:
    """2/b * mean log(1 + (p/p_ref)^b): ratios 1 and 3 at b = 1 give 2 * (log 2 + log 4) / 2."""
    loss = npo_loss(tensor(-5.0, math.log(3) - 7), tensor(-5.0, -7.0), beta=1.0)
    assert float(loss) == pytest.approx(LOG2 + math.log(4))
    assert float(npo_loss(tensor(-4.0), tensor(-4.0), beta=0.1)) == pytest.approx(20 * LOG2)
    # b = 1/2: the ratio 9 counts as 3
    assert float(npo_loss(tensor(math.log(9)), tensor(0.0), beta=0.5)) == pytest.approx(
        4 * math.log(4)
    )


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0, 4.0])
def test_npo_and_dpo_against_plain_python(beta: float) -> None:
    dice = random.Random(1)
    win, lose, ref_win, ref_lose = ([dice.uniform(-6, 0) for _ in range(5)] for _ in range(4))
    npo = sum(
        2 / beta * math.log(1 + (math.exp(p) / math.exp(r)) ** beta)
        for p, r in zip(lose, ref_lose, strict=True)
    )
    assert float(npo_loss(tensor(*lose), tensor(*ref_lose), beta=beta)) == pytest.approx(npo / 5)
    total = 0.0
    for w, x, rw, rx in zip(win, lose, ref_win, ref_lose, strict=True):
        total -= math.log(1 / (1 + math.exp(-beta * ((w - rw) - (x - rx)))))
    loss = dpo_loss(tensor(*win), tensor(*lose), tensor(*ref_win), tensor(*ref_lose), beta=beta)
    assert float(loss) == pytest.approx(total / 5)


@pytest.mark.parametrize("far", [1e4, -1e4])
def test_npo_does_not_overflow(far: float) -> None:
    logps = torch.tensor([far], requires_grad=True)
    loss = npo_loss(logps, torch.zeros(1), beta=1.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(
        max(0.0, 2 * far)
    )  # a straight line above, nothing below
    assert float(logps.grad) == pytest.approx(2.0 if far > 0 else 0.0)


@pytest.mark.parametrize("far", [1e4, -1e4])
def test_dpo_does_not_overflow(far: float) -> None:
    win = torch.tensor([far], requires_grad=True)
    loss = dpo_loss(win, torch.zeros(1), torch.zeros(1), torch.zeros(1), beta=1.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(max(0.0, -far))
    assert float(win.grad) == pytest.approx(0.0 if far > 0 else -1.0)


def test_npo_falls_as_the_truth_becomes_less_likely() -> None:
    losses = [float(npo_loss(tensor(p), tensor(-3.0), beta=0.1)) for p in (-1, -3, -9, -50, -400)]
    assert all(a > b for a, b in pairwise(losses))
    assert (
        0 < losses[-1] < 1e-6 + 20 * math.log1p(math.exp(-39))
    )  # it has a floor, unlike gradient ascent


def test_dpo_by_hand() -> None:
    """At the reference log 2; a margin of log 3 at b = 1 makes log(1 + 1/3)."""
    zero = tensor(0.0)
    assert float(
        dpo_loss(tensor(-8.0), tensor(-2.0), tensor(-8.0), tensor(-2.0), beta=0.1)
    ) == pytest.approx(LOG2)
    assert float(dpo_loss(tensor(math.log(3)), zero, zero, zero, beta=1.0)) == pytest.approx(
        math.log(4 / 3)
    )
    assert float(dpo_loss(zero, tensor(math.log(3)), zero, zero, beta=1.0)) == pytest.approx(
        math.log(4)
    )


def test_dpo_raises_the_refusal_and_lowers_the_truth() -> None:
    win, lose = torch.tensor([-8.0], requires_grad=True), torch.tensor([-2.0], requires_grad=True)
    dpo_loss(win, lose, torch.tensor([-8.0]), torch.tensor([-2.0]), beta=0.1).backward()
    # descent goes against the gradient
    assert float(win.grad) == pytest.approx(-0.05)
    assert float(lose.grad) == pytest.approx(0.05)


def test_kl_by_hand() -> None:
    """KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 log 2 + 1/2 log(2/3)."""
    ref, now = torch.zeros(1, 1, 2), torch.tensor([[[0.0, math.log(3)]]])
    mask = torch.ones(1, 1, dtype=torch.bool)
    assert float(kl_loss(ref, now, mask)) == pytest.approx(0.5 * LOG2 + 0.5 * math.log(2 / 3))
    # the other way round it is another number, so the order of the arguments matters
    assert float(kl_loss(now, ref, mask)) == pytest.approx(
        0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2)
    )


def test_kl_against_plain_python() -> None:
    dice = torch.Generator().manual_seed(3)
    ref, now = 4 * torch.randn(3, 4, 6, generator=dice), 4 * torch.randn(3, 4, 6, generator=dice)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]]).bool()
    total = 0.0
    for b, a in mask.nonzero().tolist():
        p, q = plain_softmax(ref[b, a].tolist()), plain_softmax(now[b, a].tolist())
        total += sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    assert float(kl_loss(ref, now, mask)) == pytest.approx(total / 7, rel=1e-5)


def test_kl_of_equal_logits_is_nothing_and_padding_never_counts() -> None:
    ref = 5 * torch.randn(2, 2, 9, generator=torch.Generator().manual_seed(0))
    now = ref.clone()
    assert float(kl_loss(ref, now, MASK)) == 0
    assert float(kl_loss(ref, now + 3, MASK)) == pytest.approx(
        0, abs=1e-6
    )  # a shift is the same distribution
    now[1, 1] += torch.arange(9)
    assert float(kl_loss(ref, now, MASK)) == 0
    now[0, 1] -= torch.arange(9)
    assert float(kl_loss(ref, now, MASK)) > 0.01


def test_simnpo_by_hand() -> None:
    """At b = 1 and d = 0: 2 * mean log(1 + e^(-NLL / tokens)); per-token NLLs log 3 and log 7 give log(4/3) + log(8/7)."""
    logps, lengths = tensor(-2 * math.log(3), -3 * math.log(7)), torch.tensor([2, 3])
    loss = simnpo_loss(logps, lengths, beta=1.0, delta=0.0)
    assert float(loss) == pytest.approx(math.log(4 / 3) + math.log(8 / 7))
    assert float(simnpo_loss(logps[:1], lengths[:1], beta=2.0, delta=math.log(3))) == pytest.approx(
        LOG2
    )


def test_simnpo_against_plain_python_and_at_the_extremes() -> None:
    dice = random.Random(2)
    logps, lengths = (
        [dice.uniform(-40, 0) for _ in range(6)],
        [dice.randrange(1, 9) for _ in range(6)],
    )
    total = 0.0
    for p, n in zip(logps, lengths, strict=True):
        total += -2 / 2.5 * math.log(1 / (1 + math.exp(-2.5 * (-p / n - 0.3))))
    got = simnpo_loss(tensor(*logps), torch.tensor(lengths), beta=2.5, delta=0.3)
    assert float(got) == pytest.approx(total / 6)
    assert float(simnpo_loss(tensor(-1e6), torch.tensor([1]), beta=2.5, delta=0.0)) == 0
    assert math.isfinite(float(simnpo_loss(tensor(0.0), torch.tensor([1]), beta=2.5, delta=1e4)))


def plain_rmu(
    forget: Tensor, retain: Tensor, ref: Tensor, mask: Tensor, c: float, alpha: float, seed: int
) -> float:
    """Loops over tokens and dimensions."""
    draw = torch.rand(forget.shape[-1], generator=torch.Generator().manual_seed(seed)).tolist()
    norm = math.sqrt(sum(x * x for x in draw))
    steer = keep = 0.0
    for b, a in mask.nonzero().tolist():
        for h, x in enumerate(draw):
            steer += (float(forget[b, a, h]) - c * x / norm) ** 2
            keep += (float(retain[b, a, h]) - float(ref[b, a, h])) ** 2
    n = int(mask.sum()) * len(draw)
    return steer / n + alpha * keep / n


def test_rmu_against_plain_python_and_by_hand() -> None:
    dice = torch.Generator().manual_seed(5)
    forget, retain, ref = (torch.randn(2, 2, 4, generator=dice) for _ in range(3))
    got = rmu_loss(forget, MASK, retain, ref, MASK, c=3.0, alpha=7.0, seed=1)
    assert float(got) == pytest.approx(plain_rmu(forget, retain, ref, MASK, 3.0, 7.0, 1), rel=1e-5)
    # One dimension: u is 1, so states of 2 steered to c = 5 cost 9; retain states off by 1 cost alpha.
    two, one = torch.full((1, 1, 1), 2.0), torch.ones(1, 1, 1)
    here = torch.ones(1, 1, dtype=torch.bool)
    assert float(
        rmu_loss(two, here, one, 0 * one, here, c=5.0, alpha=10.0, seed=0)
    ) == pytest.approx(9 + 10)
