"""Probes on hidden states, planted: they find what the untouched base knows, and nothing in a model that never learned."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from mlubench.audits.asking import answered
from mlubench.audits.attack import Ask
from mlubench.audits.attacks.probe import ATTACK
from mlubench.audits.probing import Probes, candidate_states
from mlubench.audits.rows import Attempt
from mlubench.audits.scores import is_first
from mlubench.audits.sites import SITES, Site
from mlubench.audits.systems.system import System
from mlubench.audits.systems.table import system
from mlubench.audits.targets import Targets
from mlubench.experiment.context import Context
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark, Sample
from support.runs import Finished

LAST_LAYER = SITES[-1]
NEXT = 7  # how far away in the list of facts a wrong candidate is taken


@pytest.fixture
def ctx(finished: Finished, context: Callable[..., Context], load_base: Callable) -> Context:
    """With a base of its own, since a test wrecks it."""
    return replace(context(finished.folder), mllm=load_base())


def asks(benchmark: Benchmark, split: str) -> list[Ask]:
    """A question for each fact, with the truths of three other facts of the same split beside its own.

    The small world has no four truths of one question. Whoever knows nothing cannot tell these apart either.
    """
    facts: dict[str, Sample] = {}
    for task in benchmark:
        for sample in task.split(split):
            if sample.tests and sample.image:
                facts.setdefault(sample.fact, sample)
    samples = list(facts.values())
    found = []
    for number, sample in enumerate(samples):
        wrong = [samples[(number + NEXT * step) % len(samples)].truth for step in (1, 2, 3)]
        picture = benchmark.picture(sample)
        assert picture is not None
        candidates = (sample.truth, *wrong)
        found.append(Ask(sample.question, ((0, picture),), candidates=candidates))
    return found


def scores_of(attacked: System, benchmark: Benchmark, site: Site) -> list[list[float]]:
    """Of the candidates of forgotten facts, by probes that have learned from the kept ones; of what could be read."""
    asked = asks(benchmark, "forget")
    assert len(asked) > 20
    return [scores for scores in attacked.probed(asked, site) if scores]


def opened(ctx: Context, benchmark: Benchmark, name: str) -> System:
    found = system(ctx, name)
    found.lessons = asks(benchmark, "retain")
    found.open()
    return found


def share_found(scores: Sequence[Sequence[float]]) -> float:
    return sum(map(is_first, scores)) / len(scores)


def test_a_probe_finds_what_the_base_knows(ctx: Context, benchmark: Benchmark) -> None:
    scores = scores_of(opened(ctx, benchmark, "base"), benchmark, LAST_LAYER)
    assert len(scores) == len(asks(benchmark, "forget"))
    assert share_found(scores) > 0.9


def test_a_probe_finds_nothing_in_a_model_that_never_learned(
    ctx: Context, benchmark: Benchmark
) -> None:
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in ctx.mllm.model.parameters():
            weight.copy_(0.05 * torch.randn(weight.shape, generator=rng))
    base = opened(ctx, benchmark, "base")
    for site in SITES:
        # Chance is 0.25.
        assert share_found(scores_of(base, benchmark, site)) < 0.5, site.name


def test_behind_a_fixed_sentence_there_is_no_state_to_read(
    ctx: Context, benchmark: Benchmark
) -> None:
    """All forgotten pictures of the small world are stopped; where experts answer, theirs are the states."""
    assert scores_of(opened(ctx, benchmark, "gate-only"), benchmark, LAST_LAYER) == []
    assert scores_of(opened(ctx, benchmark, "lumoe"), benchmark, LAST_LAYER)


def test_an_audit_counts_what_a_probe_finds(
    ctx: Context, benchmark: Benchmark, targets: Targets
) -> None:
    """Behind the gate nothing is read, so nothing is told."""
    way = ATTACK.ways[-1]
    attempts = [Attempt(way, targets.forgotten[0], ask) for ask in asks(benchmark, "forget")]
    found = answered(opened(ctx, benchmark, "base"), attempts)
    assert sum(row.value or 0 for row in found) / len(found) > 0.9
    stopped = answered(opened(ctx, benchmark, "gate-only"), attempts)
    assert {row.value for row in stopped} == {0.0}


def test_states_of_an_answer_do_not_depend_on_its_batch(mllm: MLLM, benchmark: Benchmark) -> None:
    """Answers of other lengths beside it are padded."""
    sample = benchmark.task("A").forget[0]
    query = Query(benchmark.picture(sample), sample.question)
    texts = [sample.truth, "Yes.", f"{sample.truth} And more words than that, for a longer row."]
    together = candidate_states(mllm, [query] * 3, texts)
    for text, states in zip(texts, together, strict=True):
        (alone,) = candidate_states(mllm, [query], [text])
        assert states.shape == (len(SITES), states.shape[1])
        torch.testing.assert_close(states, alone, atol=1e-4, rtol=1e-4)


def test_each_token_of_the_last_layer_sums_up_to_the_mean_logit(
    mllm: MLLM, benchmark: Benchmark
) -> None:
    """So a probe that weighs all features alike ranks as the logits do."""
    from mlubench.models.answers import answer_logits

    sample = benchmark.task("A").forget[0]
    query = Query(benchmark.picture(sample), sample.question)
    (states,) = candidate_states(mllm, [query], [sample.truth])
    with mllm.no_gradients():
        logits, labels = answer_logits(mllm.model, mllm.encode([query], [sample.truth]))
    mean = logits.gather(2, labels[..., None]).mean()
    assert float(states[SITES.index(LAST_LAYER)].sum()) == pytest.approx(float(mean), rel=1e-3)


def test_a_planted_direction_is_found_whatever_candidates_have_in_common() -> None:
    rng = torch.Generator().manual_seed(0)
    right = torch.randn(16, generator=rng).double()

    def question() -> torch.Tensor:
        rows = torch.randn(4, len(SITES), 16, generator=rng).double()
        # What the question has in common is far larger than what tells its candidates apart.
        rows += 100 * torch.randn(1, len(SITES), 16, generator=rng)
        rows[0] += 2 * right
        return rows

    probes = Probes([question() for _ in range(40)])
    for site in SITES:
        hits = [is_first(probes.scores(question(), site)) for _ in range(20)]
        assert sum(hits) >= 18


def test_without_lessons_nothing_is_told() -> None:
    assert Probes([]).scores(torch.zeros(4, len(SITES), 16).double(), SITES[0]) == []


def test_states_that_are_no_numbers_end_nothing(mllm: MLLM, benchmark: Benchmark) -> None:
    """As a wrecked model gives them: they are the same for all candidates, so nothing is found."""
    sample = benchmark.task("A").forget[0]
    query = Query(benchmark.picture(sample), sample.question)
    with torch.no_grad():
        mllm.layers[0].mlp.down_proj.weight.fill_(torch.nan)
    states = torch.stack(candidate_states(mllm, [query] * 2, [sample.truth, "It is blue."]))
    scores = Probes([states, states]).scores(states, LAST_LAYER)
    assert not is_first(scores)


def test_each_way_is_a_site() -> None:
    assert [way.probe for way in ATTACK.ways] == list(SITES)
