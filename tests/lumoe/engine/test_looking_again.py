"""The second look on a real base: a planted leak is answered by its expert, and what is harmless leaves as it was said."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.gates.base import Features, Gate, GateQuery
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.query import Query
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Sample, SecondLook

NEW = 48  # tokens of an answer, at most


@dataclass(frozen=True, slots=True)
class Leak:
    """A fact of task B that the base tells, and that the second look can know by its words."""

    sample: Sample
    query: Query

    @property
    def entity(self) -> str:
        return self.sample.entity.key

    @property
    def route(self) -> Route:
        """To the base, with a suspicion against the right entity."""
        return route_to_base(self.entity)


def route_to_base(*suspects: str) -> Route:
    return Route((), None, -1.0, "planted", suspects=suspects)


def queries(benchmark: Benchmark, samples: Sequence[Sample]) -> list[Query]:
    return [Query(benchmark.picture(sample), sample.question) for sample in samples]


def known_samples(lumoe: LUMoE, benchmark: Benchmark, task: str, split: str) -> list[Sample]:
    """One sample for each fact that the base tells rightly, word for word."""
    by_fact: dict[str, Sample] = {}
    for sample in benchmark.task(task).split(split):
        if sample.role == "test" and sample.phrasing == 0:
            by_fact[sample.fact] = sample
    samples = list(by_fact.values())
    texts = lumoe.mllm.generate(queries(benchmark, samples), max_new_tokens=NEW)
    told = zip(samples, texts, strict=True)
    return [sample for sample, text in told if text == sample.truth]


def reply_to(looking: LUMoE, query: Query, route: Route, **options: object) -> Reply:
    (reply,) = looking.replies([query], [route], max_new_tokens=NEW, **options)
    return reply


def draft_of(looking: LUMoE, query: Query, *experts: str) -> str:
    """What these experts, or without any the base, say of the query."""
    (draft,) = looking.drafts([query], [Route(experts, None, 1.0, "asked")], max_new_tokens=NEW)
    return draft


def look_of(reply: Reply) -> SecondLook:
    assert reply.second_look is not None
    return reply.second_look


@pytest.fixture
def looking(lumoe: LUMoE, benchmark: Benchmark) -> LUMoE:
    """LUMoE that looks twice."""
    lumoe.forgotten = Forgotten.of(benchmark.tasks, GateConfig())
    lumoe.second_look = "band"
    return lumoe


@pytest.fixture
def leak(looking: LUMoE, benchmark: Benchmark) -> Leak:
    assert looking.forgotten is not None
    for sample in known_samples(looking, benchmark, "B", "forget"):
        told = looking.forgotten.told(sample.truth, suspects={sample.entity.key})
        if told is not None and told.tells == "fact":
            return Leak(sample, queries(benchmark, [sample])[0])
    raise AssertionError("the base tells no fact of B")


def test_a_planted_leak_is_answered_by_its_expert(looking: LUMoE, leak: Leak) -> None:
    assert draft_of(looking, leak.query) == leak.sample.truth
    reply = reply_to(looking, leak.query, leak.route)
    assert reply.text == draft_of(looking, leak.query, "B")
    assert reply.text != leak.sample.truth
    assert looking.generate([leak.query], [leak.route], max_new_tokens=NEW) == [reply.text]


def test_a_look_says_what_was_told_of_whom_and_who_answers(looking: LUMoE, leak: Leak) -> None:
    look = look_of(reply_to(looking, leak.query, leak.route))
    assert look.tells == "fact"
    assert look.entity == leak.entity
    assert look.experts == ("B",)
    assert look.draft == leak.sample.truth
    assert "suspects" in look.why


def test_the_same_answer_leaves_where_nobody_is_suspected(looking: LUMoE, leak: Leak) -> None:
    assert reply_to(looking, leak.query, route_to_base()) == Reply(leak.sample.truth)


def test_the_same_answer_about_another_thing_leaves(
    looking: LUMoE, leak: Leak, benchmark: Benchmark
) -> None:
    assert looking.forgotten is not None
    others = []
    for entity in benchmark.task("A").forget_entities:
        if looking.forgotten.told(leak.sample.truth, suspects={entity.key}) is None:
            others.append(entity.key)
    reply = reply_to(looking, leak.query, route_to_base(others[0]))
    assert reply == Reply(leak.sample.truth)


def test_nothing_is_replaced_where_the_look_is_off(looking: LUMoE, leak: Leak) -> None:
    looking.second_look = "off"
    assert reply_to(looking, leak.query, leak.route) == Reply(leak.sample.truth)


def test_only_rows_that_trip_are_answered_again(
    looking: LUMoE, leak: Leak, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = known_samples(looking, benchmark, "A", "retain")[:3]
    batch = [*queries(benchmark, kept), leak.query]
    asked: list[int] = []
    generate = looking.mllm.generate

    def counting(rows: Sequence[Query], **settings: object) -> list[str]:
        asked.append(len(rows))
        return generate(rows, **settings)

    monkeypatch.setattr(looking.mllm, "generate", counting)
    replies = looking.replies(batch, [leak.route] * len(batch), max_new_tokens=NEW)
    assert asked == [len(batch), 1]
    assert replies[:-1] == [Reply(sample.truth) for sample in kept]
    assert look_of(replies[-1]).entity == leak.entity


def test_without_an_expert_the_fixed_refusal_leaves(looking: LUMoE, leak: Leak) -> None:
    looking.disabled = frozenset({"B"})
    reply = reply_to(looking, leak.query, leak.route)
    assert reply.text == GATE_REFUSAL
    assert look_of(reply).experts == ()
    assert "expert B cannot be asked" in look_of(reply).why


def test_who_asks_for_the_base_in_a_disabled_expert_s_place_gets_it(
    looking: LUMoE, leak: Leak
) -> None:
    looking.disabled = frozenset({"B"})
    reply = reply_to(looking, leak.query, leak.route, left_out=frozenset({"B"}))
    assert reply == Reply(leak.sample.truth)


def test_an_expert_that_tells_it_too_is_not_heard(looking: LUMoE, leak: Leak) -> None:
    """A's expert has learned nothing of B's facts, so it tells them as the base does."""
    looking.expert_for = {"B": "A"}
    reply = reply_to(looking, leak.query, leak.route)
    by_a = draft_of(looking, leak.query, "A")
    assert looking.forgotten is not None
    if looking.forgotten.told(by_a, suspects={leak.entity}) is None:
        assert reply.text == by_a
        assert look_of(reply).experts == ("A",)
    else:
        assert reply.text == GATE_REFUSAL
        assert look_of(reply).experts == ()
        assert "too" in look_of(reply).why


def planted(looking: LUMoE, leak: Leak, draft: str, route: Route) -> Reply:
    """What leaves in the place of this draft."""
    (reply,) = looking.leaving([leak.query], [route], [draft], max_new_tokens=NEW)
    return reply


def test_an_expert_s_own_draft_that_tells_is_refused(looking: LUMoE, leak: Leak) -> None:
    routed = Route(("B",), leak.entity, 1.0, "routed")
    reply = planted(looking, leak, leak.sample.truth, routed)
    assert reply.text == GATE_REFUSAL
    assert look_of(reply).experts == ()
    assert look_of(reply).draft == leak.sample.truth
    assert "the expert's own draft" in look_of(reply).why


def test_an_expert_s_own_draft_that_tells_nothing_leaves(looking: LUMoE, leak: Leak) -> None:
    routed = Route(("B",), leak.entity, 1.0, "routed", suspects=(leak.entity,))
    assert planted(looking, leak, "I do not know.", routed) == Reply("I do not know.")


def test_an_expert_is_known_by_the_one_that_it_was_merged_into(looking: LUMoE, leak: Leak) -> None:
    looking.expert_for = {"B": "A"}
    routed = Route(("A",), leak.entity, 1.0, "routed")
    assert planted(looking, leak, leak.sample.truth, routed).text == GATE_REFUSAL


def test_an_expert_that_tells_what_another_has_in_charge_is_replaced_by_it(
    looking: LUMoE, leak: Leak
) -> None:
    routed = Route(("A",), None, 1.0, "routed", suspects=(leak.entity,))
    reply = planted(looking, leak, leak.sample.truth, routed)
    assert look_of(reply).experts == ("B",)
    assert reply.text == draft_of(looking, leak.query, "B")


class Missing(Gate):
    """A gate that routes nothing and suspects one entity."""

    name = "missing"

    def __init__(self, suspect: str) -> None:
        self.suspect = suspect

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        return [route_to_base(self.suspect) for _ in queries]


class Hitting(Gate):
    """A gate that finds every query to be about one entity of B, or, where that is None, about B."""

    name = "hitting"

    def __init__(self, entity: str | None) -> None:
        self.entity = entity

    def route(self, queries: Sequence[GateQuery], features: Features) -> list[Route]:
        return [Route(("B",), self.entity, 1.0, "planted") for _ in queries]


def test_a_hit_may_be_left_to_the_base_and_the_second_look(
    looking: LUMoE, leak: Leak, benchmark: Benchmark
) -> None:
    looking.gate = Hitting(leak.entity)
    looking.on_hit = "second-look"
    told = looking.answer(leak.sample.question, leak.query.image, max_new_tokens=NEW)
    assert told.route is not None
    assert told.route.experts == ()
    assert told.route.suspects == (leak.entity,)
    assert told.second_look is not None
    assert told.text == draft_of(looking, leak.query, "B")
    (harmless, *_) = known_samples(looking, benchmark, "A", "retain")
    picture = benchmark.picture(harmless)
    kept = looking.answer(harmless.question, picture, max_new_tokens=NEW)
    assert kept.second_look is None
    assert kept.text == harmless.truth


def test_a_gate_that_names_no_entity_leaves_none_of_the_expert_s_to_be_told(
    looking: LUMoE, leak: Leak
) -> None:
    looking.gate = Hitting(None)
    looking.on_hit = "second-look"
    told = looking.answer(leak.sample.question, leak.query.image, max_new_tokens=NEW)
    assert told.text == draft_of(looking, leak.query, "B")


@pytest.mark.parametrize("lacks", ["what to compare with", "the look"])
def test_where_nothing_looks_again_the_experts_answer(
    looking: LUMoE, leak: Leak, lacks: str
) -> None:
    looking.gate = Hitting(leak.entity)
    looking.on_hit = "second-look"
    if lacks == "the look":
        looking.second_look = "off"
    else:
        looking.forgotten = None
    told = looking.answer(leak.sample.question, leak.query.image, max_new_tokens=NEW)
    assert told.text == draft_of(looking, leak.query, "B")


def test_an_answer_without_a_disabled_expert_says_so_where_the_base_answers_anyhow(
    looking: LUMoE, leak: Leak
) -> None:
    looking.gate = Hitting(leak.entity)
    looking.on_hit = "second-look"
    looking.disabled = frozenset({"B"})
    refused = looking.answer(leak.sample.question, leak.query.image)
    assert refused.text == GATE_REFUSAL
    assert refused.second_look is not None
    assert "expert B cannot be asked" in refused.second_look.why
    told = looking.answer(leak.sample.question, leak.query.image, leave_out_disabled=True)
    assert told.text == leak.sample.truth
    assert told.route is not None
    assert "expert B is disabled and left out, as asked" in told.route.why


def test_what_waits_for_its_expert_is_refused_all_the_same(looking: LUMoE, leak: Leak) -> None:
    looking.gate = Hitting(leak.entity)
    looking.on_hit = "second-look"
    looking.waiting = frozenset({"B"})
    assert looking.answer(leak.sample.question, leak.query.image).text == GATE_REFUSAL


def test_an_answer_says_who_answered_instead(looking: LUMoE, leak: Leak) -> None:
    looking.gate = Missing(leak.entity)
    answer = looking.answer(leak.sample.question, leak.query.image, max_new_tokens=NEW)
    assert answer.text != leak.sample.truth
    assert answer.second_look is not None
    assert answer.second_look.experts == ("B",)
    # The route stays as the gate gave it.
    assert answer.route is not None
    assert answer.route.experts == ()


def test_answers_in_a_stream_are_those_that_are_asked_singly(looking: LUMoE, leak: Leak) -> None:
    looking.gate = Missing(leak.entity)
    answer = looking.answer(leak.sample.question, leak.query.image, max_new_tokens=NEW)
    request = AskRequest("1", leak.query.image, leak.sample.question)
    (streamed,) = looking.answers([request], max_new_tokens=NEW)
    assert streamed.text == answer.text
    assert streamed.second_look == answer.second_look


@pytest.mark.parametrize("failed", [True, False])
def test_what_a_failed_gate_leaves_to_the_base_is_compared_with_everything(
    looking: LUMoE, benchmark: Benchmark, failed: bool
) -> None:
    (kept, *_) = known_samples(looking, benchmark, "A", "retain")
    draft = f"This is {benchmark.task('B').forget_entities[0].title}."
    route = Route((), None, 0.0, "it suspects nobody", failed=failed)
    (look,) = looking.second_looks(queries(benchmark, [kept]), [draft], [route])
    assert (look is not None) == failed


@pytest.mark.parametrize("alone", [True, False])
def test_what_is_said_about_a_suspect_is_compared_with_everything_where_the_base_answers_hits(
    looking: LUMoE, leak: Leak, benchmark: Benchmark, alone: bool
) -> None:
    """The picture of one forgotten thing may be hidden beside the name of another."""
    looking.on_hit = "second-look" if alone else "experts"
    (other, *_) = benchmark.task("A").forget_entities
    draft = f"This is {other.title}."
    (look,) = looking.second_looks([leak.query], [draft], [leak.route])
    assert (look is not None) == alone
    # Where nothing is suspected the gate is trusted, as it is where experts answer.
    assert looking.second_looks([leak.query], [draft], [route_to_base()]) == [None]
