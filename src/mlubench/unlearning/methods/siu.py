"""SIU: the picture is answered as if it were unknown, and all else as before."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlubench.unlearning.losses import kl_loss, masked_kl_loss
from mlubench.unlearning.methods.base import Method, View, Views, given, positive


@dataclass(frozen=True)
class SIU(Method):
    """NLL of a refusal + NLL of retain + kl x the dual masked KL to the reference (Li et al. 2024, arXiv 2405.12523).

    As published: cross-entropy on answers made for several targets, and a KL to the model at the start that is masked
    twice: at tokens that contradict what it knew, and at the concept's own entries of the vocabulary. Of the paper's
    targets, *aligning with unseen concepts* is the refusal, *preserving non-targeted knowledge* the retained answers, and
    *decoupling factual knowledge* the forget questions in words alone, whose answers are held. Assumed: that reading of the
    targets (a new visual description is left out, as our answers do not name what a picture shows); that a token
    contradicts where the reference would have said another; that the concept's entries are the tokens of the true answer
    which the refusal has not; and the weight of the KL. The paper trains on one picture, and this on all that it is given.
    """

    needs = ("refusal", "forget", "words", "retain")  # of `forget` the tokens alone
    reference = {"refusal": "logits", "words": "logits", "retain": "logits"}
    kl: float = 1.0  # how much the KL counts beside the cross-entropy

    def __post_init__(self) -> None:
        positive(kl=self.kl)

    def loss(self, views: Views) -> Tensor:
        refusal, retain, words = views["refusal"], views["retain"], views["words"]
        masked = masked_kl_loss(
            given(refusal.ref_logits),
            given(refusal.logits),
            agreed_tokens(refusal),
            vocabulary_without_truth(refusal, views["forget"]),
        )
        return refusal.nll + retain.nll + self.kl * (masked + _kl(retain) + _kl(words))


def agreed_tokens(view: View) -> Tensor:
    """Where the reference would have said the answer's token too, given those before it (B, A)."""
    likeliest = given(view.ref_logits).argmax(-1)
    return view.mask & (likeliest == given(view.tokens))


def vocabulary_without_truth(answer: View, truth: View) -> Tensor:
    """Which tokens of the vocabulary are left (B, V): all but those of the truth that are not in the answer too."""
    rows, _, vocabulary = given(answer.ref_logits).shape
    tokens = given(truth.tokens)
    # Padding counts as the answer's first token: it must take no other from the vocabulary.
    tokens = torch.where(truth.mask, tokens, tokens[:, :1])
    left = torch.ones(rows, vocabulary, dtype=torch.bool, device=tokens.device)
    left.scatter_(1, tokens, False)
    return left.scatter_(1, given(answer.tokens), True)


def _kl(view: View) -> Tensor:
    return kl_loss(given(view.ref_logits), given(view.logits), view.mask)
