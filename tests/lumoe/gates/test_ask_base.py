"""The base asked in two steps on itself: whatever it says, queries are routed, and experts never take part."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.lumoe.engine.base_answers import base_asker
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import Gate, GateQuery, ModelAccess
from mlubench.lumoe.gates.making import make_gate
from mlubench.lumoe.gates.replies import Replies
from mlubench.models.adapters import mounted
from mlubench.models.query import Query
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route

NEW = 24


def fitted(lumoe: LUMoE, benchmark: Benchmark) -> Gate:
    gate = make_gate("self", ModelAccess(ask_base=base_asker(lumoe.mllm)))
    gate.fit(benchmark.tasks, benchmark, lumoe.features, GateConfig())
    return gate


def queries(benchmark: Benchmark) -> list[GateQuery]:
    samples = {s.image: s for s in benchmark.samples if s.role == "test"}
    return [GateQuery(benchmark.picture(s), s.question) for s in samples.values()]


def test_it_routes_and_says_what_the_base_said(lumoe: LUMoE, benchmark: Benchmark) -> None:
    lumoe.gate = fitted(lumoe, benchmark)
    asked = [*queries(benchmark)[:8], GateQuery(None, "What is it?")]
    routes = lumoe.routes(asked)
    assert len(routes) == len(asked) and not any(r.failed for r in routes)
    assert all(r.why.startswith("class: ") and "said " in r.why for r in routes)
    assert all(set(r.experts) <= {"A", "B"} for r in routes)


def test_the_base_is_asked_whatever_is_mounted(lumoe: LUMoE, benchmark: Benchmark) -> None:
    asked = [Query(q.image, q.question) for q in queries(benchmark)[:6]]
    plain = list(base_asker(lumoe.mllm)(asked))
    with mounted(lumoe.mllm, ()):
        assert plain == lumoe.mllm.generate(asked, max_new_tokens=NEW)
    with mounted(lumoe.mllm, ("A", "B")):
        assert list(base_asker(lumoe.mllm)(asked)) == plain


def test_one_broken_picture_or_question_fails_alone(
    lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    good = queries(benchmark)[:2]
    lumoe.gate = fitted(lumoe, benchmark)
    routes = lumoe.routes(
        [good[0], GateQuery(tmp_path / "x.jpg", "What?"), GateQuery(None, "<image>"), good[1]]
    )
    assert [r.refused for r in routes] == [False, True, True, False]
    assert [routes[0], routes[3]] == lumoe.routes(good)


def test_right_replies_of_a_base_reach_the_expert(lumoe: LUMoE, benchmark: Benchmark) -> None:
    """A base that could do it: the truth, as its replies."""
    entity = benchmark.task("B").forget[0].entity
    steps = {True: entity.cls, False: entity.title}
    gate = make_gate(
        "self", ModelAccess(ask_base=lambda qs: [steps["kind of thing" in q.question] for q in qs])
    )
    gate.fit(benchmark.tasks, benchmark, lumoe.features, GateConfig())
    (route,) = gate.route([GateQuery(None, "What is it?")], lumoe.features)
    assert (route.experts, route.entity) == (("B",), entity.key)


def test_a_base_that_thinks_is_heard_by_what_it_says(lumoe: LUMoE, benchmark: Benchmark) -> None:
    entity = benchmark.task("B").forget[0].entity
    other = benchmark.task("A").forget[0].entity
    steps = {True: entity.cls, False: entity.title}
    thought = f"<think>{other.cls}? {other.title}?"

    def route(form: str) -> Route:
        def answer(asked: Sequence[Query]) -> list[str]:
            return [form.format(steps["kind of thing" in query.question]) for query in asked]

        gate = make_gate("self", ModelAccess(ask_base=answer))
        gate.fit(benchmark.tasks, benchmark, lumoe.features, GateConfig())
        return gate.route([GateQuery(None, "What is it?")], lumoe.features)[0]

    assert route(thought + "</think>{}").entity == entity.key
    cut_off = route(thought)
    assert cut_off.failed and "thought and gave no reply" in cut_off.why


def test_thinking_that_the_bases_template_begins(lumoe: LUMoE) -> None:
    """What such a base writes has no opening mark, and a closing one only if it comes to an end."""
    asked = [Query(None, "What is it?")]
    processor = lumoe.mllm.processor
    processor.chat_template += "{% if add_generation_prompt %}<think>{% endif %}"
    (reply,) = base_asker(lumoe.mllm)(asked)
    assert str(reply).startswith("<think>")
    (said,) = Replies().ask("base", asked, base_asker(lumoe.mllm))
    assert isinstance(said, MlubenchError)


def test_saved_and_loaded(lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path) -> None:
    gate, other = (
        fitted(lumoe, benchmark),
        make_gate("self", ModelAccess(ask_base=base_asker(lumoe.mllm))),
    )
    gate.save(tmp_path)
    other.load(tmp_path)
    asked = queries(benchmark)[:4]
    assert other.route(asked, lumoe.features) == gate.route(asked, lumoe.features)


def test_without_a_base_it_is_wrongly_set_up() -> None:
    with pytest.raises(UsageError, match="no base"):
        make_gate("self", ModelAccess())
