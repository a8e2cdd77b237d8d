"""The second look on a real base: a planted leak is answered by its expert, and what is harmless leaves as it was said."""

from collections.abc import Sequence

import pytest

from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.mllm import Query
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Sample

NEW = 48


def route_to_base(*suspects: str) -> Route:
    return Route((), None, -1.0, "planted", suspects=suspects)


def known_samples(lumoe: LUMoE, benchmark: Benchmark, task: str, split: str) -> list[Sample]:
    """One sample for each fact that the base tells rightly, word for word."""
    samples = [s for s in benchmark.task(task).split(split) if s.role == "test" and s.phrasing == 0]
    one_each = list({s.fact: s for s in samples}.values())
    texts = lumoe.mllm.generate(queries(benchmark, one_each), max_new_tokens=NEW)
    return [s for s, text in zip(one_each, texts, strict=True) if text == s.truth]


def queries(benchmark: Benchmark, samples: Sequence[Sample]) -> list[Query]:
    return [Query(benchmark.picture(s), s.question) for s in samples]


@pytest.fixture
def looking(lumoe: LUMoE, benchmark: Benchmark) -> LUMoE:
    """LUMoE that looks twice."""
    lumoe.forgotten = Forgotten.of(benchmark.tasks, GateConfig())
    lumoe.second_look = "band"
    return lumoe


def leak(looking: LUMoE, benchmark: Benchmark) -> tuple[Sample, Query]:
    """A fact of task B that the base tells, and that the second look can know by its words."""
    for sample in known_samples(looking, benchmark, "B", "forget"):
        told = looking.forgotten.told(sample.truth, suspects={sample.entity.key})
        if told is not None and told.tells == "fact":
            return sample, queries(benchmark, [sample])[0]
    raise AssertionError("the base tells no fact of B")


def test_a_planted_leak_is_answered_by_its_expert(looking: LUMoE, benchmark: Benchmark) -> None:
    sample, query = leak(looking, benchmark)
    route = route_to_base(sample.entity.key)
    (draft,) = looking.drafts([query], [route], max_new_tokens=NEW)
    assert draft == sample.truth
    (reply,) = looking.replies([query], [route], max_new_tokens=NEW)
    look = reply.second_look
    assert look is not None
    assert (look.tells, look.entity, look.experts) == ("fact", sample.entity.key, ("B",))
    assert look.draft == draft and "suspects" in look.why
    by_expert = Route(("B",), sample.entity.key, 1.0, "to its expert")
    assert reply.text == looking.drafts([query], [by_expert], max_new_tokens=NEW)[0] != draft
    assert looking.generate([query], [route], max_new_tokens=NEW) == [reply.text]


def test_the_same_answer_about_another_thing_leaves(looking: LUMoE, benchmark: Benchmark) -> None:
    sample, query = leak(looking, benchmark)
    others = [e.key for e in benchmark.task("A").forget_entities]
    unsuspected = next(
        key for key in others if looking.forgotten.told(sample.truth, suspects={key}) is None
    )
    for route in (route_to_base(), route_to_base(unsuspected)):
        (reply,) = looking.replies([query], [route], max_new_tokens=NEW)
        assert (reply.text, reply.second_look) == (sample.truth, None)


def test_nothing_is_replaced_where_the_look_is_off(looking: LUMoE, benchmark: Benchmark) -> None:
    sample, query = leak(looking, benchmark)
    looking.second_look = "off"
    (reply,) = looking.replies([query], [route_to_base(sample.entity.key)], max_new_tokens=NEW)
    assert (reply.text, reply.second_look) == (sample.truth, None)


def test_only_rows_that_trip_are_answered_again(
    looking: LUMoE, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, query = leak(looking, benchmark)
    kept = known_samples(looking, benchmark, "A", "retain")[:3]
    batch = [*queries(benchmark, kept), query]
    routes = [route_to_base(sample.entity.key)] * len(batch)
    asked: list[int] = []
    generate = looking.mllm.generate

    def counting(rows: Sequence[Query], **settings: object) -> list[str]:
        asked.append(len(rows))
        return generate(rows, **settings)

    monkeypatch.setattr(looking.mllm, "generate", counting)
    replies = looking.replies(batch, routes, max_new_tokens=NEW)
    assert asked == [len(batch), 1]
    assert [reply.text for reply in replies[:-1]] == [s.truth for s in kept]
    assert [reply.second_look is None for reply in replies] == [True] * len(kept) + [False]


def test_without_an_expert_the_fixed_refusal_leaves(looking: LUMoE, benchmark: Benchmark) -> None:
    sample, query = leak(looking, benchmark)
    looking.disabled = frozenset({"B"})
    (reply,) = looking.replies([query], [route_to_base(sample.entity.key)], max_new_tokens=NEW)
    assert reply.text == GATE_REFUSAL
    assert reply.second_look is not None
    assert (reply.second_look.experts, "no expert" in reply.second_look.why) == ((), True)
    # Who has asked for the base in the place of a disabled expert gets it.
    (reply,) = looking.replies(
        [query],
        [route_to_base(sample.entity.key)],
        max_new_tokens=NEW,
        left_out=frozenset({"B"}),
    )
    assert (reply.text, reply.second_look) == (sample.truth, None)


def test_an_expert_that_tells_it_too_is_not_heard(looking: LUMoE, benchmark: Benchmark) -> None:
    """A's expert has learned nothing of B's facts, so it tells them as the base does."""
    sample, query = leak(looking, benchmark)
    looking.expert_for = {"B": "A"}
    (reply,) = looking.replies([query], [route_to_base(sample.entity.key)], max_new_tokens=NEW)
    by_a = Route(("A",), None, 1.0, "to the other expert")
    (other,) = looking.drafts([query], [by_a], max_new_tokens=NEW)
    look = reply.second_look
    assert look is not None
    if looking.forgotten.told(other, suspects={sample.entity.key}) is not None:
        assert (reply.text, look.experts) == (GATE_REFUSAL, ())
        assert "too" in look.why
    else:
        assert (reply.text, look.experts) == (other, ("A",))


class Missing(Gate):
    """A gate that routes nothing and suspects one entity."""

    name = "missing"

    def __init__(self, suspect: str) -> None:
        self.suspect = suspect

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        return [route_to_base(self.suspect) for _ in queries]


def test_answers_and_streams_of_answers_say_why(looking: LUMoE, benchmark: Benchmark) -> None:
    sample, query = leak(looking, benchmark)
    looking.gate = Missing(sample.entity.key)
    answer = looking.answer(sample.question, query.image, max_new_tokens=NEW)
    assert answer.second_look is not None and answer.second_look.experts == ("B",)
    assert answer.text != sample.truth
    assert answer.route is not None and answer.route.experts == ()
    request = AskRequest("1", query.image, sample.question)
    (streamed,) = looking.answers([request], max_new_tokens=NEW)
    assert (streamed.text, streamed.second_look) == (answer.text, answer.second_look)


def test_what_a_failed_gate_leaves_to_the_base_is_compared_with_everything(
    looking: LUMoE, benchmark: Benchmark
) -> None:
    query = queries(benchmark, known_samples(looking, benchmark, "A", "retain")[:1])[0]
    name = benchmark.task("B").forget_entities[0].title
    draft = f"This is {name}."
    for route, held_back in (
        (Route((), None, 0.0, "down", failed=True), True),
        (Route((), None, 0.0, "not near"), False),
    ):
        (look,) = looking.second_looks([query], [draft], [route])
        assert (look is not None) is held_back
