"""Probes of the real tiny LLaVA: what they must find, what must not fool them, and arithmetic done again by hand."""

import json
import math

import pytest
import torch
from torch import Tensor

from mlubench.models.adapters import add_adapter
from mlubench.models.mllm import MLLM
from mlubench.models.probe import (
    Probe,
    answer_log_probs,
    answer_probabilities,
    compare,
    features_by_site,
    linear_cka,
)
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Sample


def gallery(benchmark: Benchmark) -> list[Sample]:
    return sorted(
        {s.image: s for s in benchmark.samples if s.phrasing == 0}.values(), key=lambda s: s.image
    )


def queries(benchmark: Benchmark, samples: list[Sample]) -> list[Query]:
    return [Query(benchmark.picture(s), s.question) for s in samples]


def labels(samples: list[Sample]) -> list[int]:
    keys = sorted({s.entity.key for s in samples})
    return [keys.index(s.entity.key) for s in samples]


def rotation(size: int) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.double, generator=dice)).Q


def rate(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


@pytest.fixture
def seen(mllm: MLLM, benchmark: Benchmark) -> tuple[Tensor, list[int], list[str]]:
    """Features out of the base's projector, the entities they show, and the roles of the pictures."""
    samples = gallery(benchmark)
    features = features_by_site(mllm, queries(benchmark, samples))["projector"]
    return features, labels(samples), [s.role for s in samples]


def test_the_base_beside_itself(seen) -> None:
    features, entities, roles = seen
    out = compare(features, features, entities, roles)
    assert len(out.carried) == roles.count("test")
    assert out.refitted == out.carried
    assert rate(out.carried) > 0.8  # chance is one in eight
    assert min(out.cosine) > 1 - 1e-9
    assert out.cka == pytest.approx(1)


def test_a_rotation_loses_the_bases_probe_and_nothing_else(seen) -> None:
    features, entities, roles = seen
    turned = features @ rotation(features.shape[1])
    same, out = (
        compare(features, features, entities, roles),
        compare(features, turned, entities, roles),
    )
    assert out.refitted == same.refitted
    assert rate(out.carried) < 0.5 < rate(out.refitted)
    assert sum(out.cosine) / len(out.cosine) < 0.5
    assert out.cka == pytest.approx(1)


def test_noise_loses_both_probes(seen) -> None:
    features, entities, roles = seen
    noise = torch.randn(
        features.shape, dtype=torch.double, generator=torch.Generator().manual_seed(0)
    )
    out = compare(features, noise, entities, roles)
    assert rate(out.refitted) < 0.5
    assert rate(out.carried) < 0.5
    assert out.cka < 0.6


def test_a_ridge_probe_is_the_least_squares_solution() -> None:
    dice = torch.Generator().manual_seed(1)
    rows, label = (
        torch.randn(12, 3, dtype=torch.double, generator=dice),
        torch.tensor([0, 1, 2] * 4),
    )
    probe = Probe.fit(rows, label, 3, ridge=0.1)
    x, y = rows - rows.mean(0), torch.eye(3, dtype=torch.double)[label]
    y = y - y.mean(0)
    penalty = 0.1 * float(x.square().sum()) / 3
    # The same as ordinary least squares with rows added that pull each weight to 0.
    stacked = torch.cat([x, penalty**0.5 * torch.eye(3, dtype=torch.double)])
    expected = torch.linalg.lstsq(
        stacked, torch.cat([y, torch.zeros(3, 3, dtype=torch.double)])
    ).solution
    assert torch.allclose(probe.weights, expected)


def test_cka_is_that_of_the_gram_matrices() -> None:
    dice = torch.Generator().manual_seed(2)
    x = torch.randn(9, 4, dtype=torch.double, generator=dice)
    y = x[:, :3] + torch.randn(9, 3, dtype=torch.double, generator=dice)
    centre = torch.eye(9, dtype=torch.double) - 1 / 9
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    expected = float((k * m).sum() / (k.norm() * m.norm()))
    assert linear_cka(x, y) == pytest.approx(expected)
    assert linear_cka(3 * x @ rotation(4), y) == pytest.approx(expected)
    assert linear_cka(x, torch.ones(9, 3, dtype=torch.double)) == 0


@pytest.mark.parametrize(
    ("scope", "moved"), [("vision", {"projector", "language"}), ("language", {"language"})]
)
def test_features_are_those_with_the_adapter_on(
    mllm: MLLM, benchmark: Benchmark, scope: str, moved: set[str]
) -> None:
    asked = queries(benchmark, gallery(benchmark)[:6])
    before = features_by_site(mllm, asked)
    add_adapter(mllm, "shaken", LoraConfig(r=4, alpha=8), scope, seed=0)
    mllm.model.eval()
    with torch.no_grad():
        for name, weight in mllm.model.named_parameters():
            if ".lora_B." in name:
                weight.fill_(0.1)
    after = features_by_site(mllm, asked)
    assert {site for site in before if not torch.equal(before[site], after[site])} == moved


def test_log_probs_are_those_of_the_answers_own_tokens(mllm: MLLM, benchmark: Benchmark) -> None:
    samples = sorted(benchmark.samples, key=lambda s: len(s.truth))[:: len(benchmark.samples) // 5]
    asked, truths = queries(benchmark, samples), [s.truth for s in samples]
    together = answer_log_probs(mllm, asked, truths)
    for query, truth, found in zip(asked, truths, together, strict=True):
        batch, ids = mllm.encode([query]), mllm.answer_ids(query.question, truth)
        batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([ids])], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        with torch.no_grad():
            logps = mllm.model(**batch).logits[0, -len(ids) - 1 : -1].log_softmax(-1)
        expected = sum(float(logps[n, token]) for n, token in enumerate(ids)) / len(ids)
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_probability_is_the_geometric_mean_of_the_tokens(
    mllm: MLLM, benchmark: Benchmark
) -> None:
    """One sample by hand, token after token, without teacher forcing or a batch."""
    sample = benchmark.samples[0]
    (query,) = queries(benchmark, [sample])
    batch, product, ids = mllm.encode([query]), 1.0, mllm.answer_ids(sample.question, sample.truth)
    assert len(ids) > 3
    for token in ids:
        with torch.no_grad():
            product *= float(mllm.model(**batch).logits[0, -1].softmax(-1)[token])
        batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([[token]])], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    assert answer_probabilities(mllm, [query], [sample.truth]) == [
        pytest.approx(product ** (1 / len(ids)), rel=1e-4)
    ]


def test_the_base_finds_truths_more_probable_than_those_of_others(
    mllm: MLLM, benchmark: Benchmark
) -> None:
    of = {s.truth: s for s in benchmark.samples if s.role == "test" and s.phrasing == 0}
    samples = list(of.values())[:16]
    asked, truths = queries(benchmark, samples), [s.truth for s in samples]
    right, wrong = (
        answer_probabilities(mllm, asked, told) for told in (truths, [*truths[1:], truths[0]])
    )
    assert all(1 >= r > w > 0 for r, w in zip(right, wrong, strict=True))  # type: ignore[operator]
    assert sum(right) > sum(wrong) + 0.3 * len(samples)  # type: ignore[arg-type]


def test_a_wreck_has_no_probability(mllm: MLLM, benchmark: Benchmark) -> None:
    """NaN is nothing that JSON can say, and no 0 either."""
    sample = benchmark.samples[0]
    with torch.no_grad():
        mllm.layers[0].mlp.down_proj.weight.fill_(math.nan)
    found = answer_probabilities(mllm, queries(benchmark, [sample]), [sample.truth])
    assert json.dumps(found) == "[null]"
