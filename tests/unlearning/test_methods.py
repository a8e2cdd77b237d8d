"""Each method's declaration and its loss: what it needs, what it asks the reference, and which way it pushes."""

import math

import pytest
import torch
from torch import Tensor

from mlubench.core.errors import UsageError
from mlubench.unlearning.methods.base import Method, View, Views
from support.trainings import LOSSES, method_of

KINDS = ("forget", "refusal", "alternate", "words", "retain")
# Kinds of which a method reads the tokens alone.
TOKENS_ALONE = {"siu": {"forget"}}
BETA = 0.1


def leaves() -> dict[str, Tensor]:
    """Token log-probabilities of two answers of each kind, to push on."""
    dice = torch.Generator().manual_seed(0)
    return {k: (-3 * torch.rand(2, 3, generator=dice)).requires_grad_() for k in KINDS}


def views(tokens: dict[str, Tensor], of: Method, *, only: bool = True) -> Views:
    """What the trainer would hand over: nothing but what the method declares, unless `only` is off. The reference says the
    same as the model."""
    made: Views = {}
    mask = torch.ones(2, 3, dtype=torch.bool)
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    for kind in of.needs if only else KINDS:
        form = of.reference.get(kind)
        said = {
            "logps": tokens[kind].sum(-1),
            "logits": logits + tokens[kind].unsqueeze(-1) * torch.arange(5),
            "states": tokens[kind].unsqueeze(-1) * torch.arange(1.0, 5),
        }
        said["all_logits"] = said["logits"]
        said["pictures"] = said["states"]
        given = {f"ref_{f}": said[f].detach() for f in said if f == form or not only}
        now = (
            said
            if not only or form == "all_logits" or of.layer or of.sees_features
            else {k: said[k] for k in ("logps", "logits")}
        )
        made[kind] = View(
            token_logps=tokens[kind],
            mask=mask,
            tokens=said["logits"].argmax(-1),
            all_mask=mask,
            picture_mask=mask,
            **now,
            **given,
        )
    return made


@pytest.mark.parametrize("name", LOSSES)
def test_the_declaration_is_enough_and_no_more(name: str) -> None:
    """The loss runs on what the method declares, gives the same when given everything, and uses all that it declares."""
    of, tokens = method_of(name), leaves()
    assert set(of.reference) <= set(of.needs) <= set(KINDS)
    assert len(set(of.needs)) == len(of.needs)
    loss = of.loss(views(tokens, of))
    assert loss.shape == ()
    assert torch.equal(loss, of.loss(views(tokens, of, only=False)))
    loss.backward()
    pushed = {k for k in KINDS if tokens[k].grad is not None}
    assert pushed == set(of.needs) - TOKENS_ALONE.get(name, set())


@pytest.mark.parametrize("name", LOSSES)
def test_each_reference_is_looked_at(name: str) -> None:
    of, tokens = method_of(name), leaves()
    plain = of.loss(views(tokens, of))
    for kind, form in of.reference.items():
        given = views(tokens, of)
        view = given[kind]
        parts = {field: getattr(view, field) for field in View.__slots__}
        tilt = 1 + torch.arange(5) if form.endswith("logits") else 1.0
        moved = {f"ref_{form}": parts[f"ref_{form}"] + tilt}
        given[kind] = View(**{**parts, **moved})
        assert not torch.equal(of.loss(given), plain), kind


@pytest.mark.parametrize("name", LOSSES)
def test_which_way_each_answer_is_pushed(name: str) -> None:
    """Descent lowers what has a positive gradient: the truth goes down, a refusal and what is retained go up."""
    of, tokens = method_of(name), leaves()
    of.loss(views(tokens, of)).backward()
    for kind in set(of.needs) - TOKENS_ALONE.get(name, set()):
        grad = tokens[kind].grad
        if name in ("undial", "vkd"):
            continue  # they look at logits and features, not at likelihoods: methods/
        if name == "rmu" and kind == "forget":
            assert (grad < 0).all()  # states of this sign are drawn to the positive direction
        elif kind == "forget":
            assert (grad < 0).all() if name == "task_vector" else (grad > 0).all()
        elif name in ("kl", "kl_all", "rmu") or kind == "words":
            assert torch.allclose(
                grad, torch.zeros_like(grad), atol=1e-6
            )  # at the reference it is at its least
        else:
            assert (grad < 0).all()


def test_losses_at_the_reference() -> None:
    tokens = leaves()
    nll = {k: -tokens[k].mean().item() for k in KINDS}
    at_start = {
        "ga": -nll["forget"],
        "gd": nll["retain"] - nll["forget"],
        "kl": -nll["forget"],
        "npo": 2 / BETA * math.log(2),
        "po": nll["refusal"],
        "kl_all": -nll["forget"],
        "po_retain": nll["refusal"] + nll["retain"],
        "gd_refusal": nll["retain"] - nll["forget"] + nll["refusal"],
        "task_vector": nll["forget"],
        "dpo": math.log(2),
        "mmunlearner": nll["retain"] - nll["forget"],
        "altpo": 2 / BETA * math.log(2) + nll["retain"],
    }
    for name, wanted in at_start.items():
        of = method_of(name)
        assert of.loss(views(tokens, of)).item() == pytest.approx(wanted, abs=1e-6), name


def test_hyperparameters_are_the_methods_own() -> None:
    tokens = leaves()
    weak, strong = (method_of("gd_refusal", refusal=w) for w in (0.5, 2.0))
    nll = -tokens["refusal"].mean().item()
    gap = (strong.loss(views(tokens, strong)) - weak.loss(views(tokens, weak))).item()
    assert gap == pytest.approx(1.5 * nll, abs=1e-5)
    assert method_of("npo", beta=0.5).beta == 0.5
    assert method_of("rmu", layer=2).layer == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "npo",
            {"bta": 1},
            r"unknown hyperparameter of npo in train.options 'bta'. Did you mean 'beta'",
        ),
        ("npo", {"beta": 0}, "beta must be above 0, got 0"),
        ("npo", {"beta": "much"}, "must be a number, got 'much'"),
        ("ga", {"beta": 1}, "method ga has no hyperparameter, got 'beta'"),
        ("rmu", {"layer": 0}, "layer counts from 1, or back from -1, got 0"),
        ("task_vector", {"negate": -1}, "negate must be above 0"),
    ],
)
def test_wrong_hyperparameters_are_wrong_use(name: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        method_of(name, **options)
