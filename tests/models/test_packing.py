"""Answers that share a pass are told apart: each logit and each gradient is that of a pass with its answer alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mlubench.models.adapters import add_adapter
from mlubench.models.answers import IGNORE, answer_labels, answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.packing import can_pack, pack_answers, why_not_packed
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from support.short_training import TRAINED

Load = Callable[..., MLLM]
QUESTIONS = ["What?", "Which building do you see in this picture, and where?", "Who made it?"]
# Different lengths in each row, and none the longest everywhere.
FIRST = ["No", "It is a building in the old town.", "I am sorry, but I cannot help with that."]
SECOND = [
    "I do not know who made this one.",
    "Yes.",
    "It was made by the sculptor, in the year 1889.",
]
THIRD = ["It stands in the town, in the old town, not here.", "No", "é"]


def queries(shapes: list[Path], *, words: bool = False) -> list[Query]:
    return [Query(None if words else p, q) for p, q in zip(shapes, QUESTIONS, strict=False)]


def packed(
    mllm: MLLM, asked: list[Query], *told: Sequence[str]
) -> tuple[dict[str, Any], list[Tensor]]:
    """Inputs of one pass with all these answers, and the labels (B, A) of each."""
    seen = asked[0].image is not None
    ids = [
        [mllm.answer_ids(q.question, a, with_image=seen) for q, a in zip(asked, t, strict=True)]
        for t in told
    ]
    labels = [answer_labels(rows, mllm.device) for rows in ids]
    return pack_answers(mllm.base, mllm.encode(asked), labels, mllm.tokenizer.pad_token_id), labels


def answers_of(mllm: MLLM, inputs: dict[str, Any], labels: list[Tensor]) -> list[Tensor]:
    """Logits (B, A, V) that predict each answer: its first token follows the prompt's last, the others each other."""
    width = sum(x.shape[1] for x in labels)
    logits = mllm.model(**inputs, use_cache=False).logits[:, -(width + 1) :]
    found, start = [], 1
    for x in labels:
        end = start + x.shape[1]
        found.append(torch.cat([logits[:, :1], logits[:, start : end - 1]], 1))
        start = end
    return found


@pytest.mark.parametrize("words", [False, True], ids=["pictures", "words"])
@pytest.mark.parametrize("name", TRAINED)
def test_packed_logits_are_those_of_passes_apart(
    load_family: Load, shapes: list[Path], name: str, words: bool
) -> None:
    mllm, asked, told = load_family(name), queries(shapes, words=words), (FIRST, SECOND, THIRD)
    assert can_pack(mllm.base)
    with torch.no_grad():
        inputs, labels = packed(mllm, asked, *told)
        lengths = (inputs["input_ids"] == mllm.tokenizer.pad_token_id).sum(1)
        assert len(set(lengths.tolist())) == 3
        for got, ids, answers in zip(answers_of(mllm, inputs, labels), labels, told, strict=True):
            wanted, apart = answer_logits(mllm.model, mllm.encode(asked, answers))
            assert torch.equal(ids, apart)
            real = ids != IGNORE
            assert torch.allclose(got[real], wanted[real], rtol=1e-5, atol=2e-5)
            for row, (query, answer) in enumerate(zip(asked, answers, strict=True)):
                alone, _ = answer_logits(mllm.model, mllm.encode([query], [answer]))
                assert torch.allclose(got[row][real[row]], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_no_answer_is_seen_by_the_prompt_or_by_the_other(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    inputs, labels = packed(mllm, asked, FIRST, SECOND)
    first, second = labels[0].shape[1], labels[1].shape[1]
    length = inputs["input_ids"].shape[1]
    prompt, one, two = (
        slice(0, length - first - second),
        slice(-first - second, -second),
        slice(-second, None),
    )

    def logits(*changed: slice) -> Tensor:
        ids = inputs["input_ids"].clone()
        for columns in changed:
            ids[:, columns] = ids[:, columns].flip(1)
        with torch.no_grad():
            return mllm.model(**{**inputs, "input_ids": ids}, use_cache=False).logits

    plain, moved_one, moved_two = logits(), logits(one), logits(two)
    assert torch.equal(logits(one, two)[:, prompt], plain[:, prompt])
    assert torch.equal(moved_one[:, two], plain[:, two])
    assert torch.equal(moved_two[:, one], plain[:, one])
    assert (
        moved_one[:, one] - plain[:, one]
    ).abs().max() > 1e-2  # what is changed does change itself
    assert (moved_two[:, two] - plain[:, two]).abs().max() > 1e-2


@pytest.mark.parametrize("name", TRAINED)
def test_the_prompt_is_what_it_is_without_an_answer(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    prompt = mllm.encode(asked)
    inputs, _ = packed(mllm, asked, FIRST, SECOND)
    real, width = prompt["attention_mask"].bool(), prompt["input_ids"].shape[1]
    with torch.no_grad():
        alone = mllm.model(**prompt, use_cache=False).logits
        together = mllm.model(**inputs, use_cache=False).logits[:, :width]
    assert torch.allclose(together[real], alone[real], rtol=1e-5, atol=2e-5)


def test_one_answer_is_an_ordinary_batch(load_family: Load, shapes: list[Path]) -> None:
    mllm, asked = load_family("qwen3_vl"), queries(shapes)
    inputs, (labels,) = packed(mllm, asked, FIRST)
    wanted = mllm.encode(asked, FIRST)
    assert torch.equal(labels, wanted.pop("labels"))
    assert set(inputs) == set(wanted)
    assert all(torch.equal(inputs[k], wanted[k]) for k in wanted)


def gradients(mllm: MLLM, losses: Sequence[Tensor]) -> dict[str, Tensor]:
    """Those of what is trained, added up over the losses."""
    mllm.model.zero_grad()
    for loss in losses:
        loss.backward()
    return {n: p.grad.clone() for n, p in mllm.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", TRAINED)
def test_packed_gradients_are_those_of_passes_apart(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    add_adapter(mllm, "default", LoraConfig(r=4, alpha=4), "all", seed=0)
    with torch.no_grad():
        for key, weight in mllm.model.named_parameters():
            if ".lora_B." in key:
                weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(len(key)))

    def nll(logits: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE
        )

    inputs, labels = packed(mllm, asked, FIRST, SECOND)
    both = answers_of(mllm, inputs, labels)
    got = gradients(mllm, [nll(both[0], labels[0]) - 2 * nll(both[1], labels[1])])
    apart = [nll(*answer_logits(mllm.model, mllm.encode(asked, told))) for told in (FIRST, SECOND)]
    wanted = gradients(mllm, [apart[0], -2 * apart[1]])
    assert set(got) == set(wanted)
    reached = {mllm.parts.part_of(key) for key, grad in wanted.items() if grad.abs().max() > 1e-3}
    assert reached == {"vision", "projector", "language"}
    for key, grad in wanted.items():
        assert torch.allclose(
            got[key], grad, rtol=1e-3, atol=1e-5 * float(grad.abs().max()) + 1e-6
        ), key


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gemma3", "some of the prompt is seen from both sides"),
        ("mllama", "the text looks at pictures in layers of its own"),
    ],
)
def test_families_whose_answers_need_a_pass_each_say_why(load_family, name: str, why: str) -> None:
    model = load_family(name).base
    assert why_not_packed(model) == why
    assert not can_pack(model)


def test_layers_that_look_a_window_back_are_not_packed(load_family) -> None:
    model = load_family("internvl").base
    assert why_not_packed(model) is None
    model.config.text_config.layer_types = ["full_attention", "sliding_attention"]
    assert why_not_packed(model) == "its text has layers of sliding_attention"
