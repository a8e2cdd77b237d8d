"""Each method's declaration and its loss: what it needs, what it asks the reference, and which way it pushes."""

import math

import pytest
import torch
from torch import Tensor

from mlubench.registry import METHODS, resolve
from mlubench.unlearning.methods import Method, View, Views

LOSSES = [name for name, row in METHODS.items() if row.target.startswith("mlubench.unlearning.")]
KINDS = ("forget", "refusal", "retain")
BETA = 0.1


def method(name: str) -> type[Method]:
    return resolve("method", METHODS, name)


def leaves() -> dict[str, Tensor]:
    """Token log-probabilities of two answers of each kind, to push on."""
    dice = torch.Generator().manual_seed(0)
    return {k: (-3 * torch.rand(2, 3, generator=dice)).requires_grad_() for k in KINDS}


def views(tokens: dict[str, Tensor], of: type[Method], *, only: bool = True) -> Views:
    """What the trainer would hand over: nothing but what the method declares, unless `only` is off."""
    made: Views = {}
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    for kind in of.needs if only else KINDS:
        form = of.reference.get(kind) if only else "both"
        logps = tokens[kind].sum(-1)
        now = logits + tokens[kind].unsqueeze(-1) * torch.arange(5)
        made[kind] = View(
            now,
            tokens[kind],
            torch.ones(2, 3, dtype=torch.bool),
            logps,
            ref_logps=logps.detach() if form in ("logps", "both") else None,
            ref_logits=now.detach() if form in ("logits", "both") else None,
        )
    return made


def test_every_published_loss_is_there() -> None:
    assert LOSSES == ["ga", "gd", "kl", "npo", "po", "dpo"]


@pytest.mark.parametrize("name", LOSSES)
def test_the_declaration_is_enough_and_no_more(name: str) -> None:
    """The loss runs on what the method declares, gives the same when given everything, and uses all that it declares."""
    of, tokens = method(name), leaves()
    assert set(of.reference) <= set(of.needs) <= set(KINDS)
    assert len(set(of.needs)) == len(of.needs)
    loss = of.loss(views(tokens, of), beta=BETA)
    assert loss.shape == ()
    assert torch.equal(loss, of.loss(views(tokens, of, only=False), beta=BETA))
    loss.backward()
    pushed = {k for k in KINDS if tokens[k].grad is not None}
    assert pushed == set(of.needs)


@pytest.mark.parametrize("name", LOSSES)
def test_each_reference_is_looked_at(name: str) -> None:
    of, tokens = method(name), leaves()
    plain = of.loss(views(tokens, of), beta=BETA)
    for kind, form in of.reference.items():
        given = views(tokens, of)
        view = given[kind]
        parts = {field: getattr(view, field) for field in View.__slots__}
        tilt = 1 + torch.arange(5) if form == "logits" else 1.0
        moved = {f"ref_{form}": parts[f"ref_{form}"] + tilt}
        given[kind] = View(**{**parts, **moved})
        assert not torch.equal(of.loss(given, beta=BETA), plain), kind


@pytest.mark.parametrize("name", LOSSES)
def test_which_way_each_answer_is_pushed(name: str) -> None:
    """Descent lowers what has a positive gradient: the truth goes down, a refusal and what is retained go up."""
    of, tokens = method(name), leaves()
    of.loss(views(tokens, of), beta=BETA).backward()
    for kind in of.needs:
        grad = tokens[kind].grad
        if kind == "forget":
            assert (grad > 0).all()
        elif name == "kl":
            assert torch.allclose(grad, torch.zeros_like(grad), atol=1e-6)  # at the reference KL is at its least
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
        "dpo": math.log(2),
    }
    for name, wanted in at_start.items():
        of = method(name)
        assert of.loss(views(tokens, of), beta=BETA).item() == pytest.approx(wanted, abs=1e-6), name
