"""Many callers at once: each gets what it would get alone, and nobody gets past the gate or the second look."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.judging.rules.refusal import refusal
from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.continuous import ContinuousEngine
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.engine.requests import (
    BusyError,
    CancelledError,
    Finished,
    OverdueError,
    Ticket,
    UnanswerableError,
    Wanted,
)
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.models.sampling import Sampling
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route

NEW = 16
LONG = 60  # seconds that no test takes

Serve = Callable[..., ContinuousEngine]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes continuous engines, and closes them at the end."""
    made: list[ContinuousEngine] = []

    def make(engine: LUMoE, **settings: object) -> ContinuousEngine:
        made.append(ContinuousEngine(engine, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def stacked(load_base: Callable, experts: Path, benchmark: Benchmark) -> LUMoE:
    """LUMoE whose experts are matrices, so that rows of all of them share a batch."""
    from mlubench.lumoe.experts.store import ExpertStore
    from mlubench.lumoe.gates.hybrid import HybridGate
    from mlubench.models.features import FeatureCache

    mllm = load_base()
    engine = LUMoE(mllm, HybridGate(), FeatureCache(mllm))
    store = ExpertStore(experts)
    for name in store.names():
        engine.experts.add(store, name)
    engine.gate.fit(benchmark.tasks, benchmark, engine.features, GateConfig())
    return engine


@pytest.fixture(scope="module")
def requests(benchmark: Benchmark) -> list[AskRequest]:
    """About forgotten and kept things of both tasks, and one in words alone."""
    samples = [s for t in benchmark for s in (*t.forget, *t.retain) if s.role == "test"]
    asked = [AskRequest(s.id, benchmark.picture(s), s.question) for s in samples[::17]]
    return [*asked, AskRequest("words", None, "Who is this?")]


def got(tickets: Sequence[Ticket]) -> list[Finished]:
    return [ticket.answer.result(LONG) for ticket in tickets]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("way", ["stacked", "lumoe"])
def test_each_is_answered_as_it_would_be_alone(
    way: str, request: pytest.FixtureRequest, requests: list[AskRequest], serve: Serve
) -> None:
    """Experts as matrices, or mounted by PEFT; few rows, so that requests join while others run."""
    engine = request.getfixturevalue(way)
    alone = []
    for asked in requests:
        alone += list(engine.answers([asked], max_new_tokens=NEW))
    assert len({answer.route.experts for answer in alone}) > 2
    server = serve(engine, rows=3, waiting=len(requests))
    tickets = []
    for asked in requests:
        tickets.append(server.submit(Wanted(asked, NEW)))
        time.sleep(0.01)
    answers = got(tickets)
    assert [a.text for a in answers] == [a.text for a in alone]
    for answer, by_itself in zip(answers, alone, strict=True):
        # Scores differ in their last digits by what else the gate was asked.
        assert replace(answer.route, score=by_itself.route.score) == by_itself.route
    assert all(a.prompt_tokens > 0 and 0 < a.answer_tokens <= NEW for a in answers)


def test_rows_of_the_base_and_of_experts_share_a_step(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    widths = []
    hook = stacked.mllm.layers[-1].register_forward_hook(
        lambda _, inputs, __: widths.append(inputs[0].shape)
    )
    server = serve(stacked, rows=8, waiting=len(requests))
    got([server.submit(Wanted(asked, NEW)) for asked in requests[:8]])
    hook.remove()
    rows_of_steps = [shape[0] for shape in widths if shape[1] == 1]
    assert max(rows_of_steps) > 4
    # Some left before the others.
    assert min(rows_of_steps) < max(rows_of_steps)


def test_a_late_request_joins_a_batch_that_runs(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    """It does not wait until the first one is done."""
    server = serve(stacked)
    stacked.mllm.base.generation_config.eos_token_id = None
    endless = server.submit(Wanted(AskRequest("1", None, "Who?"), 150, Sampling(1.9, seed=1)))
    wait_for(lambda: server.running == 1)
    late = server.submit(Wanted(requests[0], 1))
    assert late.answer.result(LONG).ended == "length"
    assert not endless.answer.done()
    endless.cancel()


def test_who_leaves_frees_the_row(stacked: LUMoE, requests: list[AskRequest], serve: Serve) -> None:
    server = serve(stacked, rows=1)
    gone = server.submit(Wanted(AskRequest("1", None, "Who?"), 150, Sampling(1.9, seed=1)))
    waits = server.submit(Wanted(requests[0], NEW))
    gone.cancel()
    with pytest.raises(CancelledError):
        gone.answer.result(LONG)
    assert waits.answer.result(LONG).text
    assert (server.running, server.waiting) == (0, 0)


def test_too_many_are_turned_away_and_late_ones_end(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    server = serve(stacked, rows=1, waiting=2)
    lock = stacked._lock
    # Nothing is answered while somebody else holds the engine.
    lock.acquire()
    try:
        first = server.submit(Wanted(requests[0], NEW))
        wait_for(lambda: not server.waiting)
        late = server.submit(Wanted(requests[1], NEW, seconds=0))
        server.submit(Wanted(requests[1], NEW))
        with pytest.raises(BusyError, match="too many requests wait"):
            server.submit(Wanted(requests[1], NEW))
    finally:
        lock.release()
    assert first.answer.result(LONG).text
    with pytest.raises(OverdueError, match="not finished in time"):
        late.answer.result(LONG)


def test_what_is_wrong_with_one_is_its_own_error(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    bad = [
        AskRequest("broken", tmp_path / "broken.jpg", "Who?"),
        AskRequest("long", None, "why " * 2000),
        AskRequest("marker", requests[0].image, "What is <image>?"),
    ]
    server = serve(stacked)
    tickets = [server.submit(Wanted(asked, NEW)) for asked in [*bad, requests[0]]]
    for ticket in tickets[:3]:
        with pytest.raises(UnanswerableError):
            ticket.answer.result(LONG)
    assert tickets[3].answer.result(LONG).text


class Down(Gate):
    """A gate that is broken in a way that nobody foresaw."""

    name = "down"

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        raise ZeroDivisionError("who knows why")


def test_a_gate_that_fails_refuses_whatever_the_setting(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    stacked.gate = Down()
    stacked.on_error = "base"
    asked: list[object] = []
    hook = stacked.mllm.layers[-1].register_forward_hook(lambda *_: asked.append(1))
    server = serve(stacked)
    answers = got([server.submit(Wanted(request, NEW)) for request in requests])
    hook.remove()
    assert {answer.text for answer in answers} == {GATE_REFUSAL}
    assert all(answer.fault and answer.has_failed for answer in answers)
    assert not asked


def test_what_waits_for_its_expert_is_refused_and_nothing_has_failed(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    stacked.waiting = frozenset(stacked.experts)
    server = serve(stacked)
    answers = got([server.submit(Wanted(request, NEW)) for request in requests])
    refused = [answer for answer in answers if answer.fault is not None]
    assert refused
    assert all("has no expert yet" in (answer.fault or "") for answer in refused)
    assert not any(answer.has_failed for answer in answers)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_disabled_expert_is_a_refusal_that_names_nobody(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    stacked.disabled = frozenset({"A", "B"})
    server = serve(stacked)
    answers = got([server.submit(Wanted(request, NEW)) for request in requests])
    refused = [answer for answer in answers if answer.route.experts]
    assert refused and len(refused) < len(answers)
    assert {(answer.text, answer.ended) for answer in refused} == {(GATE_REFUSAL, "stop")}


class Suspecting(Gate):
    """Lets everything through, and suspects one entity of everything."""

    name = "suspecting"

    def __init__(self, suspect: str) -> None:
        self.suspect = suspect

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        return [Route((), None, -1.0, "near", suspects=(self.suspect,)) for _ in queries]


@pytest.mark.parametrize("limit", [48, 1])
def test_a_draft_that_tells_never_leaves_however_little_of_it_is_wanted(
    stacked: LUMoE, benchmark: Benchmark, serve: Serve, limit: int
) -> None:
    stacked.forgotten = Forgotten.of(benchmark.tasks, GateConfig())
    told = []
    samples = [s for s in benchmark.task("B").forget if s.role == "test" and s.phrasing == 0]
    for sample in samples[::2]:
        request = AskRequest(sample.id, benchmark.picture(sample), sample.question)
        stacked.gate = Suspecting(sample.entity.key)
        (looked_at,) = stacked.answers([request], max_new_tokens=48)
        if looked_at.second_look is not None:
            told.append((request, sample, looked_at))
    server = serve(stacked)
    assert len(told) > 3
    for request, sample, looked_at in told:
        stacked.gate = Suspecting(sample.entity.key)
        answer = server.submit(Wanted(request, limit)).answer.result(LONG)
        assert answer.second_look == looked_at.second_look
        assert looked_at.text.startswith(answer.text)
        assert (answer.ended, answer.text == looked_at.text) == (
            ("length", False) if limit == 1 else ("stop", True)
        )


def test_the_log_names_the_disabled_expert_that_a_second_look_needs_and_not_whom_it_is_about(
    stacked: LUMoE, benchmark: Benchmark, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    stacked.forgotten = Forgotten.of(benchmark.tasks, GateConfig())
    stacked.disabled = frozenset({"B"})
    server = serve(stacked)
    faults = []
    for sample in benchmark.task("B").forget:
        if sample.role == "test" and sample.phrasing == 0:
            stacked.gate = Suspecting(sample.entity.key)
            asked = AskRequest(sample.id, benchmark.picture(sample), sample.question)
            faults.append(server.submit(Wanted(asked, NEW)).answer.result(LONG).fault)
    told = [fault for fault in faults if fault is not None]
    assert told and all("expert B cannot be asked" in fault for fault in told)
    assert caplog.text.count("expert 'B', which has it in charge, cannot be asked") == len(told)
    assert not any(entity.key in caplog.text for entity in benchmark.task("B").forget_entities)


def test_an_expert_that_tells_is_refused(
    stacked: LUMoE, benchmark: Benchmark, serve: Serve
) -> None:
    """Here because its weights are lost, so that it says what the base says."""
    samples = [s for t in benchmark for s in t.forget if s.role == "test" and s.phrasing == 0]
    requests = [AskRequest(s.id, benchmark.picture(s), s.question) for s in samples[::6]]
    for name in ("A", "B"):
        stacked.experts.matrix(name).values.zero_()
    plain = {answer.number: answer for answer in stacked.answers(requests, max_new_tokens=NEW)}
    stacked.forgotten = Forgotten.of(benchmark.tasks, GateConfig())
    server = serve(stacked)
    answers = got([server.submit(Wanted(request, NEW)) for request in requests])
    telling = 0
    for number, answer in enumerate(answers):
        told = stacked.forgotten.told(
            plain[number].text, suspects={samples[::6][number].entity.key}
        )
        if told is not None and answer.route.experts:
            telling += 1
            assert (answer.text, answer.ended) == (GATE_REFUSAL, "stop")
    assert telling > 3


def test_refusals_of_all_experts_are_one_text(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    plain = list(stacked.answers(requests, max_new_tokens=NEW))
    server = serve(stacked, is_refusal=refusal)
    answers = got([server.submit(Wanted(asked, NEW)) for asked in requests])
    by_number = {answer.number: answer for answer in plain}
    kinds = set()
    for number, answer in enumerate(answers):
        alone = by_number[number]
        if alone.route.experts and refusal(alone.text):
            kinds.add(answer.text)
        else:
            assert answer.text == alone.text
    assert kinds == {GATE_REFUSAL}


def test_an_answer_ends_at_its_stop_and_at_its_limit(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    (whole,) = stacked.answers([requests[0]], max_new_tokens=NEW)
    words = whole.text.split()
    assert len(words) > 3
    server = serve(stacked)
    stopped = server.submit(Wanted(requests[0], NEW, stop=(words[2], "never said")))
    cut = server.submit(Wanted(requests[0], 2))
    first, second = got([stopped, cut])
    assert (first.text, first.ended) == (whole.text[: whole.text.index(words[2])], "stop")
    assert second.ended == "length"
    assert second.answer_tokens == 2
    assert whole.text.startswith(second.text)


def test_an_error_of_the_machine_is_told_and_the_next_request_is_answered(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory, say")

    server = serve(stacked)
    hook = stacked.mllm.layers[-1].register_forward_hook(fail)
    tickets = [server.submit(Wanted(asked, NEW)) for asked in requests[:3]]
    for ticket in tickets:
        with pytest.raises(RuntimeError, match="out of memory"):
            ticket.answer.result(LONG)
    hook.remove()
    assert server.submit(Wanted(requests[0], NEW)).answer.result(LONG).text


def test_closing_answers_what_was_taken_and_takes_no_more(
    stacked: LUMoE, requests: list[AskRequest]
) -> None:
    server = ContinuousEngine(stacked, rows=2)
    tickets = [server.submit(Wanted(asked, NEW)) for asked in requests[:5]]
    closing = threading.Thread(target=server.close)
    closing.start()
    assert all(answer.text for answer in got(tickets))
    closing.join(LONG)
    assert not server.alive
    with pytest.raises(BusyError, match="is stopping"):
        server.submit(Wanted(requests[0], NEW))


def test_an_expert_says_its_likeliest_words_however_it_is_asked(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    """Otherwise whoever asks often enough would get what it says now and then."""
    plain = {a.number: a for a in stacked.answers(requests, max_new_tokens=NEW)}
    by_expert = [n for n, answer in plain.items() if answer.route and answer.route.experts]
    by_base = [n for n in plain if n not in by_expert]
    server = serve(stacked, waiting=len(requests))
    drawn = Sampling(temperature=2.0, seed=3)
    texts = [
        answer.text
        for answer in got([server.submit(Wanted(asked, NEW, drawn)) for asked in requests])
    ]
    assert all(texts[n] == plain[n].text for n in by_expert)
    assert any(texts[n] != plain[n].text for n in by_base)


def test_what_is_left_to_the_base_is_said_in_its_likeliest_words_too(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise some draw would tell the fact in words that the second look does not know."""
    left = Route((), None, 0.0, "the base answers", suspects=("Animals/Ox",))
    monkeypatch.setattr(stacked, "routes", lambda queries: [left] * len(queries))
    answers = {a.number: a for a in stacked.answers(requests, max_new_tokens=NEW)}
    plain = [answers[number].text for number in range(len(requests))]
    server = serve(stacked, waiting=2 * len(requests))
    drawn = Sampling(temperature=2.0, seed=3)

    def said() -> list[str]:
        tickets = [server.submit(Wanted(asked, NEW, drawn)) for asked in requests]
        return [answer.text for answer in got(tickets)]

    assert said() != plain
    monkeypatch.setattr(stacked, "on_hit", "second-look")
    assert said() == plain


def test_an_expert_that_cannot_be_read_refuses_its_own_requests_alone(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlubench.core.errors import MlubenchError
    from mlubench.lumoe.engine.residents import Residents

    plain = {a.number: a for a in stacked.answers(requests, max_new_tokens=NEW)}
    matrix = Residents.matrix

    def broken(self: Residents, name: str) -> object:
        if name == "A":
            raise MlubenchError("expert A is gone", "Put it back.")
        return matrix(self, name)

    monkeypatch.setattr(Residents, "matrix", broken)
    server = serve(stacked, waiting=len(requests))
    answers = got([server.submit(Wanted(asked, NEW)) for asked in requests])
    for number, answer in enumerate(answers):
        if "A" in answer.route.experts:
            assert (answer.text, answer.ended) == (GATE_REFUSAL, "stop")
            assert "expert A is gone" in str(answer.fault)
        else:
            assert answer.text == plain[number].text


def test_nothing_of_a_request_is_kept(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    server = serve(stacked, rows=3, waiting=len(requests))
    got([server.submit(Wanted(asked, NEW)) for asked in requests])
    wait_for(lambda: not server._open)
    asked = {asked.image for asked in requests}
    assert not asked & set(stacked.mllm._pictures)


class Endpoint(Gate):
    """A gate that thinks elsewhere, for as long as a test wants it to, and then leaves all to the base."""

    name = "endpoint"
    local = False
    elsewhere = True

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        self.asked += 1
        assert self.may_answer.wait(LONG)
        return [Route((), None, 0.0, "said so")] * len(queries)


def test_what_runs_goes_on_while_a_gate_thinks_elsewhere(
    stacked: LUMoE, requests: list[AskRequest], serve: Serve
) -> None:
    gate = Endpoint()
    stacked.gate = gate
    server = serve(stacked)
    gate.may_answer.set()
    first = server.submit(Wanted(requests[0], 200))
    wait_for(lambda: gate.asked == 1 and not server._placing)
    gate.may_answer.clear()
    second = server.submit(Wanted(requests[1], NEW))
    third = server.submit(Wanted(requests[2], NEW))
    # The first is answered to its end, though the second is at the gate.
    assert first.answer.result(LONG).text
    assert gate.asked == 2
    assert not second.answer.done()
    gone = server.submit(Wanted(requests[3], NEW))
    gone.cancel()
    done = server.between(lambda: "done")
    assert not done.done()
    gate.may_answer.set()
    assert all(answer.text for answer in got([second, third]))
    assert done.result(LONG) == "done"
    with pytest.raises(CancelledError):
        gone.answer.result(LONG)


def test_closing_waits_for_a_gate_that_thinks_elsewhere(
    stacked: LUMoE, requests: list[AskRequest]
) -> None:
    gate = Endpoint()
    stacked.gate = gate
    server = ContinuousEngine(stacked)
    ticket = server.submit(Wanted(requests[0], NEW))
    wait_for(lambda: gate.asked == 1)
    closing = threading.Thread(target=server.close)
    closing.start()
    gate.may_answer.set()
    assert ticket.answer.result(LONG).text
    closing.join(LONG)
    assert not closing.is_alive()
