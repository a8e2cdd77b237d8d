"""SIU against arithmetic done by hand, and what it does to the tiny model."""

import math
from pathlib import Path

import pytest
import torch

from mlubench.core.errors import MlubenchError
from mlubench.models.mllm import MLLM
from mlubench.types import Benchmark
from mlubench.unlearning.losses import kl_loss, masked_kl_loss
from mlubench.unlearning.methods.siu import agreed_tokens, vocabulary_without_truth
from support.methods import view
from support.trainings import HARD, levels, method_of, train

LOG2 = math.log(2)
ALL = torch.ones(1, 3, dtype=torch.bool)
# One position over a vocabulary of three. The reference says 1/2, 1/4, 1/4; the model 1/4, 1/2, 1/4.
REFERENCE = torch.tensor([[[0.5, 0.25, 0.25]]]).log()
NOW = torch.tensor([[[0.25, 0.5, 0.25]]]).log()
HERE = torch.ones(1, 1, dtype=torch.bool)


def test_unmasked_it_is_the_kl() -> None:
    """1/2 log 2 + 1/4 log(1/2)."""
    loss = masked_kl_loss(REFERENCE, NOW, HERE, ALL)
    assert float(loss) == pytest.approx(LOG2 / 4)
    assert float(loss) == pytest.approx(float(kl_loss(REFERENCE, NOW, HERE)))


def test_over_some_of_the_vocabulary() -> None:
    """Without the first token the reference says 1/2 and 1/2, the model 2/3 and 1/3."""
    left = torch.tensor([[False, True, True]])
    by_hand = 0.5 * math.log(3 / 4) + 0.5 * math.log(3 / 2)
    assert float(masked_kl_loss(REFERENCE, NOW, HERE, left)) == pytest.approx(by_hand)


def test_what_is_left_out_is_not_pushed() -> None:
    logits = NOW.clone().requires_grad_()
    masked_kl_loss(REFERENCE, logits, HERE, torch.tensor([[False, True, True]])).backward()
    # softmax - target among what is left: 2/3 - 1/2 and 1/3 - 1/2.
    assert logits.grad.flatten().tolist() == pytest.approx([0.0, 1 / 6, -1 / 6])


def test_where_no_position_counts_it_is_nothing() -> None:
    logits = NOW.clone().requires_grad_()
    loss = masked_kl_loss(REFERENCE, logits, ~HERE, ALL)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_which_tokens_and_entries_are_masked() -> None:
    """A refusal of tokens 1 and 2, of which the reference would say 1 and 0; a truth of tokens 2 and 3, and padding."""
    scores = torch.tensor([[[0.0, 9.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]]])
    refusal = view([[0.5, 0.5]], tokens=torch.tensor([[1, 2]]), ref_logits=scores)
    truth = view([[0.5, 0.5, 0.5]], tokens=torch.tensor([[2, 3, 0]]))
    truth.mask[0, 2] = False
    assert agreed_tokens(refusal).tolist() == [[True, False]]
    # 3 is of the truth alone; 2 is in the refusal too.
    assert vocabulary_without_truth(refusal, truth).tolist() == [[True, True, True, False]]


def test_the_loss_by_hand() -> None:
    """The refusal is one token that the reference would say too, and the truth's token is the vocabulary's last."""
    refusal = view(
        [[0.25]], tokens=torch.tensor([[0]]), logits=NOW.clone(), ref_logits=REFERENCE.clone()
    )
    forget = view([[0.5]], tokens=torch.tensor([[2]]))
    held = view([[0.5]], logits=NOW.clone(), ref_logits=REFERENCE.clone())
    views = {"refusal": refusal, "forget": forget, "retain": held, "words": held}
    # Without the last token the reference says 2/3 and 1/3, the model 1/3 and 2/3.
    masked = 2 / 3 * LOG2 - 1 / 3 * LOG2
    by_hand = 2 * LOG2 + LOG2 + 3 * (masked + 2 * LOG2 / 4)
    assert method_of("siu", kl=3.0).loss(views).item() == pytest.approx(by_hand)


def test_it_refuses_and_holds_the_rest(mllm: MLLM, benchmark: Benchmark, tmp_path: Path) -> None:
    before = levels(mllm, benchmark)
    train(mllm, "siu", benchmark, tmp_path, HARD)
    after = levels(mllm, benchmark)
    assert after["refusal"] > before["refusal"] + 5
    assert after["retain"] > before["retain"] - 1


def test_without_pictures_there_is_nothing_to_tell_apart(
    mllm: MLLM, benchmark: Benchmark, tmp_path: Path
) -> None:
    blind = HARD.model_copy(update={"images": "blind"})
    with pytest.raises(MlubenchError, match="not every sample has one to be shown"):
        train(mllm, "siu", benchmark, tmp_path, blind)
