"""Any number of requests: each is answered once, a bad one alone fails, and who stops early leaves nothing behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
import torch

from mlubench.lumoe.engine.batching import AskRequest, RoutedAnswer
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.types import Benchmark

NEW = 16


@pytest.fixture(scope="module")
def requests(benchmark: Benchmark) -> list[AskRequest]:
    """Of pictures that are to be forgotten and that are not, and two without a picture."""
    samples = [
        s for t in benchmark for part in (t.forget, t.retain) for s in part if s.role == "test"
    ][::9][:14]
    seen = [AskRequest(s.id, benchmark.picture(s), s.question) for s in samples]
    return [
        *seen[:5],
        AskRequest("words", None, "Who is this?"),
        *seen[5:],
        AskRequest("words too", None, "What is it?"),
    ]


def alone(lumoe: LUMoE, request: AskRequest) -> str | None:
    return next(lumoe.answers([request], max_new_tokens=NEW)).text


def untouched(lumoe: LUMoE) -> bool:
    linear = [m for m in lumoe.mllm.base.modules() if isinstance(m, torch.nn.Linear)]
    return not any(m._forward_hooks for m in linear)


def test_every_request_is_answered_once_as_it_would_be_alone(
    lumoe: LUMoE, requests: list[AskRequest]
) -> None:
    answers = list(lumoe.answers(requests, max_new_tokens=NEW, batch=4, ahead=2))
    assert sorted(a.number for a in answers) == list(range(len(requests)))
    in_order = sorted(answers, key=lambda a: a.number)
    assert [a.id for a in in_order] == [r.id for r in requests]
    assert [a.text for a in in_order] == [alone(lumoe, r) for r in requests]
    assert {bool(a.route and a.route.experts) for a in answers} == {True, False}
    assert not any(a.error for a in answers)
    assert list(lumoe.answers([], max_new_tokens=NEW)) == []


def test_what_is_wrong_with_one_is_its_own_error(
    lumoe: LUMoE, requests: list[AskRequest], tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    bad = {
        "broken": (
            AskRequest("broken", tmp_path / "broken.jpg", "Who?"),
            "is no JPEG, PNG or WebP",
        ),
        "gone": (AskRequest("gone", tmp_path / "gone.jpg", "Who?"), "is missing"),
        "long": (AskRequest("long", None, "why " * 2000), "are all there is"),
        "marker": (AskRequest("marker", requests[0].image, "What is <image>?"), "picture marker"),
    }
    mixed = [*requests[:3], *(request for request, _ in bad.values()), *requests[3:6]]
    found = {a.id: a for a in lumoe.answers(mixed, max_new_tokens=NEW)}
    assert len(found) == len(mixed)
    for name, (_, told) in bad.items():
        assert found[name].text is None and told in str(found[name].error)
    for request in requests[:6]:
        assert (found[request.id].text, found[request.id].error) == (alone(lumoe, request), None)


def test_a_prompt_that_only_its_picture_makes_too_long_fails_alone(
    lumoe: LUMoE, requests: list[AskRequest]
) -> None:
    """Its text alone would fit, so the batch tells, and its halves are asked."""
    most = lumoe.mllm.positions - NEW
    words = 1
    tokens = lumoe.mllm.tokenizer
    while len(tokens(lumoe.mllm.prompt("why " * (words + 1)))["input_ids"]) <= most:
        words += 1
    long = AskRequest("long", requests[0].image, "why " * words)
    found = {a.id: a for a in lumoe.answers([*requests[:4], long], max_new_tokens=NEW)}
    assert found["long"].text is None and "Ask a shorter one, or for a shorter answer" in str(
        found["long"].error
    )
    assert [found[r.id].text for r in requests[:4]] == [alone(lumoe, r) for r in requests[:4]]


def test_a_disabled_expert_fails_the_requests_that_need_it(
    lumoe: LUMoE, requests: list[AskRequest]
) -> None:
    whole = {a.id: a for a in lumoe.answers(requests, max_new_tokens=NEW)}
    lumoe.disabled = frozenset({"A"})
    found = {a.id: a for a in lumoe.answers(requests, max_new_tokens=NEW)}
    needs = {name for name, a in whole.items() if a.route and "A" in a.route.experts}
    assert needs and needs == {name for name, a in found.items() if a.error}
    assert all("disabled" in str(found[name].error) and found[name].text is None for name in needs)
    assert all(found[name].text == whole[name].text for name in found.keys() - needs)


def test_closing_stops_and_leaves_nothing_mounted(lumoe: LUMoE, requests: list[AskRequest]) -> None:
    taken: list[str] = []

    def endless() -> Iterator[AskRequest]:
        while True:
            for request in requests:
                taken.append(request.id)
                yield request

    answers = lumoe.answers(endless(), max_new_tokens=NEW, batch=2, ahead=2)
    first = [next(answers) for _ in range(3)]
    answers.close()
    assert all(isinstance(a, RoutedAnswer) and a.text for a in first)
    assert len(taken) == 4
    assert untouched(lumoe)


def test_cancelling_stops_at_the_next_token(lumoe: LUMoE, requests: list[AskRequest]) -> None:
    """What was taken is told that it was cancelled, and the rest is never taken."""
    cancel, passes = Event(), []
    source = iter(requests)

    def count(*_: object) -> None:
        passes.append(1)
        if len(passes) == 3:
            cancel.set()

    hook = lumoe.mllm.layers[-1].register_forward_hook(count)
    answers = list(lumoe.answers(source, max_new_tokens=NEW, batch=4, ahead=2, cancel=cancel))
    hook.remove()
    assert len(passes) == 3
    assert sorted(a.number for a in answers) == list(range(8))
    assert all("was cancelled" in str(a.error) and a.text is None for a in answers)
    assert [r.id for r in source] == [r.id for r in requests[8:]]
    assert untouched(lumoe)
    assert list(lumoe.answers(requests, max_new_tokens=NEW, cancel=cancel)) == []


def test_an_error_of_the_machine_is_raised_not_told_as_an_answer(
    lumoe: LUMoE, load_base: Callable, requests: list[AskRequest]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory, say")

    hook = lumoe.mllm.layers[-1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(lumoe.answers(requests, max_new_tokens=NEW))
    hook.remove()
    assert untouched(lumoe)
    queries = [r.query for r in requests[:3]]
    assert lumoe.mllm.generate(queries, max_new_tokens=NEW) == load_base().generate(
        queries, max_new_tokens=NEW
    )
