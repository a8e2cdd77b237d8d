"""The gate that asks an endpoint, against a real one on loopback that is right, wrong, late, broken or not there."""

import builtins
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.lumoe.engine.router import route_all
from mlubench.lumoe.gates.base import GateQuery, ModelAccess
from mlubench.lumoe.gates.making import check_gate, make_gate
from mlubench.lumoe.gates.metrics import report_of
from mlubench.lumoe.gates.mllm import MllmGate
from mlubench.lumoe.gates.replies import Replies
from mlubench.lumoe.gates.two_steps import read_template
from mlubench.settings.gates import AskedGateConfig, GateConfig
from mlubench.types import Benchmark, Entity, Route, Sample, Task
from support.gate_endpoint import Endpoint, serving

FORGET = {
    "A": [Entity("Animals", "Cat"), Entity("Movies", "The_Lion_King")],
    "B": [Entity("Personage", n) for n in ("Taylor_Swift", "Elon_Musk", "马云")],
}


@pytest.fixture
def endpoint(point_at: Callable[[str], None]) -> Iterator[Endpoint]:
    with serving() as made:
        point_at(made.address)
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.effect_noise((400, 200), 80).convert("RGB").save(path)
    return path


def tasks(names: str) -> tuple[Task, ...]:
    def sample(task: str, entity: Entity) -> Sample:
        return Sample(entity.key, task, "forget", entity, "x.jpg", "What?", "x", "f", 0, "fit")

    return tuple(Task(t, tuple(sample(t, e) for e in FORGET[t]), ()) for t in names)


def fitted(names: str = "AB", replies: Replies | None = None, **settings: Any) -> MllmGate:
    config = GateConfig(mllm=AskedGateConfig(**{"timeout": 5, "retries": 0, **settings}))
    gate = make_gate("mllm", ModelAccess(config, replies or Replies()))
    assert isinstance(gate, MllmGate)
    made = tasks(names)
    gate.fit(made, Benchmark(made, Path("pictures"), True, ""), lambda _: None, config)
    return gate


def says(kind: str, name: str):
    """Replies by step: only the first lists classes."""
    return lambda text: kind if "- Animals" in text else name


def route(gate: MllmGate, image: Path | None, question: str = "Who is this?") -> Route:
    return route_all(gate, [GateQuery(image, question)], lambda _: None, "refuse")[0]


@pytest.mark.parametrize(
    "name", ["Taylor Swift", "taylor_swift.", "Táylor Swift", "Tayler Swift", "It is Taylor Swift."]
)
def test_right_replies_reach_the_expert(endpoint: Endpoint, picture: Path, name: str) -> None:
    endpoint.say = says("Personage.", name)
    got = route(fitted(), picture)
    assert (got.experts, got.entity, got.failed) == (("B",), "Personage/Taylor_Swift", False)
    assert "class: Personage" in got.why and name.rstrip(".") in got.why


@pytest.mark.parametrize(
    "form",
    [
        "<think>Elon Musk? Animals? No.</think>\n{}",
        "Elon Musk? Animals? No.</think>{}",
        "[THINK]Not Animals, not Elon Musk.[/THINK]{}",
        "◁think▷None?◁/think▷{}",
        "<|channel|>analysis<|message|>None<|channel|>final<|message|>{}",
        "<think>None.</think><answer>{}</answer>",
    ],
)
def test_a_model_that_thinks_is_heard_by_what_it_says(
    endpoint: Endpoint, picture: Path, form: str
) -> None:
    endpoint.say = says(form.format("Personage"), form.format("Taylor Swift"))
    assert route(fitted(), picture).entity == "Personage/Taylor_Swift"


def test_thinking_apart_and_a_reply_in_parts(endpoint: Endpoint, picture: Path) -> None:
    endpoint.extra = {"reasoning_content": "It is not among Animals."}
    kind, name = ([{"type": "text", "text": text}] for text in ("Personage", "Taylor Swift"))
    endpoint.say = lambda text: kind if "- Animals" in text else name
    assert route(fitted(), picture).entity == "Personage/Taylor_Swift"


@pytest.mark.parametrize("reply", ["<think>It may be Personage, or", "Personage", ""])
def test_a_reply_that_was_cut_off_is_a_failure_of_the_gate(
    endpoint: Endpoint, picture: Path, tmp_path: Path, reply: str
) -> None:
    endpoint.say, endpoint.finish = lambda _: reply, "length"
    kept = Replies(tmp_path / "replies.sqlite")
    asked = [GateQuery(picture, f"Question {n}?") for n in range(20)]  # more than open the breaker
    routes = route_all(fitted(replies=kept, retries=3), asked, lambda _: None, "refuse")
    assert all(r.refused and "cut off at 64 tokens" in r.why for r in routes)
    assert all("raise gates.mllm.max_tokens" in r.why for r in routes)
    assert len(endpoint.asked) == 20
    # Nothing is kept, and the setting is sent.
    endpoint.say, endpoint.finish = says("Personage", "Taylor Swift"), "stop"
    got = route(fitted(replies=kept, max_tokens=4000), picture, "Question 0?")
    assert got.entity == "Personage/Taylor_Swift"
    assert endpoint.asked[-1]["max_tokens"] == 4000


def test_kept_replies_of_earlier_versions_are_read_alike(
    endpoint: Endpoint, picture: Path, tmp_path: Path
) -> None:
    """They hold the thinking, and half of it where it was cut off, which is asked again."""
    endpoint.say = says("Personage", "Taylor Swift")
    path = tmp_path / "replies.sqlite"
    route(fitted(replies=Replies(path)), picture)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE replies SET reply = '<think>Animals?</think>' || reply")
    endpoint.asked.clear()
    assert route(fitted(replies=Replies(path)), picture).entity == "Personage/Taylor_Swift"
    assert endpoint.asked == []
    with sqlite3.connect(path) as db:
        db.execute("UPDATE replies SET reply = '<think>Animals?'")
    assert route(fitted(replies=Replies(path)), picture).entity == "Personage/Taylor_Swift"
    assert len(endpoint.asked) == 2


def test_an_alias_is_matched(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say = says("personage", "Jack Ma")
    assert route(fitted(), picture).entity == "Personage/马云"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Personage", "None"),
        ("Personage", "None."),
        ("Personage", "Michael Johnson"),
        ("Personage", "It is not Elon Musk."),
        ("Personage", "The Lion King"),  # of another class than the one said
        ("None", "Elon Musk"),
        ("Buildings", "Elon Musk"),
        ("Animals or Personage", "Elon Musk"),
    ],
)
def test_none_and_the_unlisted_are_left_to_the_base(
    endpoint: Endpoint, picture: Path, kind: str, name: str
) -> None:
    endpoint.say = says(kind, name)
    got = route(fitted(), picture)
    assert (got.experts, got.entity, got.failed, got.refused) == ((), None, False, False)
    assert "none that is listed" in got.why
    assert len(endpoint.asked) == (2 if kind == "Personage" else 1)


def test_a_wrong_reply_gives_the_wrong_expert(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say = says("Animals", "Cat")
    assert route(fitted(), picture).experts == ("A",)


def test_what_is_asked(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say = says("Personage", "None")
    gate = fitted(max_side=64, model="some-model")
    route(gate, picture, "Who is {options}?")
    first, second = endpoint.texts
    assert all(f"- {kind}" in first for kind in ("Animals", "Movies", "Personage"))
    assert (
        all(f"- {name}" in second for name in ("Elon Musk", "Taylor Swift", "马云"))
        and "- Cat" not in second
    )
    assert all("Who is {options}?" in text and "None" in text for text in (first, second))
    assert [p.size for p in endpoint.pictures()] == [(64, 32)] * 2
    assert {(b["model"], b["temperature"]) for b in endpoint.asked} == {("some-model", 0)}
    endpoint.asked.clear()
    route(gate, None)
    assert not endpoint.pictures() and len(endpoint.asked) == 2


def test_a_template_of_ones_own(endpoint: Endpoint, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "class: 'Kind? {options} {question}'\nentity: 'Name of {class}? {options} {question}'\n"
    )
    endpoint.say = lambda text: "Movies" if text.startswith("Kind?") else "Lion King"
    assert route(fitted(template=path), picture, "Q").experts == ("A",)
    assert endpoint.texts[1] == "Name of Movies? - The Lion King Q"
    path.write_text("class: 'Kind? {options}'\nentity: x\n")
    with pytest.raises(UsageError, match=r"'class' lacks \{question\}"):
        fitted(template=path)


def test_too_late_is_refused(endpoint: Endpoint, picture: Path) -> None:
    endpoint.wait = 1
    got = route(fitted(timeout=0.2), picture)
    assert (got.failed, got.refused) == (True, True)
    assert "Timeout" in got.why or "timed out" in got.why


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"con']
)
def test_what_is_no_reply_is_refused(endpoint: Endpoint, picture: Path, body: bytes) -> None:
    endpoint.body = body
    got = route(fitted(), picture)
    assert (got.failed, got.refused) == (True, True)
    assert "\n" not in got.why


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_errors_in_the_middle_of_a_run_end_nothing(
    endpoint: Endpoint, picture: Path, status: int
) -> None:
    gate = fitted()
    endpoint.status = status
    assert route(gate, picture).refused


def test_nobody_there(endpoint: Endpoint, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    got = route(fitted(), picture)
    assert got.refused and "gave no answer" in got.why
    check_gate(
        "mllm", GateConfig(mllm=AskedGateConfig(retries=0))
    )  # it may be back when it is needed


@pytest.mark.timeout(60)
def test_a_dead_endpoint_is_not_waited_for_again_and_again(
    endpoint: Endpoint, picture: Path
) -> None:
    """Its breaker opens after a few failures: the queries after them do not wait out their retries."""
    endpoint.status = 500
    asked = [GateQuery(picture, f"Question {n}?") for n in range(40)]
    routes = route_all(fitted(retries=5), asked, lambda _: None, "refuse")
    assert all(r.failed and r.refused for r in routes)
    # 40 queries with 5 retries each, 4 at once, would take two minutes.
    assert len(endpoint.asked) < 20
    assert "requests in a row" in routes[-1].why


def test_a_broken_picture_fails_alone(endpoint: Endpoint, picture: Path, tmp_path: Path) -> None:
    endpoint.say = says("Animals", "Cat")
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    asked = [GateQuery(p, "What?") for p in (tmp_path / "x.jpg", picture, tmp_path / "absent.jpg")]
    routes = route_all(fitted(), asked, lambda _: None, "base")
    assert [r.experts for r in routes] == [(), ("A",), ()]
    assert [r.refused for r in routes] == [True, False, True]
    assert "x.jpg" in routes[0].why and "absent.jpg" in routes[2].why


def test_a_busy_endpoint_is_asked_again(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say, endpoint.failures = says("Animals", "Cat"), 1
    assert route(fitted(retries=2), picture).experts == ("A",)
    assert len(endpoint.asked) == 3


def test_nothing_is_asked_twice(endpoint: Endpoint, picture: Path, tmp_path: Path) -> None:
    endpoint.say = says("Animals", "Cat")
    path = tmp_path / "gates" / "replies.sqlite"
    gate = fitted(replies=Replies(path))
    same = [GateQuery(picture, "What?")] * 3
    assert len(set(route_all(gate, same, lambda _: None, "refuse"))) == 1
    assert len(endpoint.asked) == 2
    with sqlite3.connect(path) as db:  # as a kill before the second one leaves it
        db.execute("DELETE FROM replies WHERE reply = 'Cat'")
    assert route(fitted(replies=Replies(path)), picture, "What?").experts == ("A",)
    assert len(endpoint.asked) == 3
    assert route(fitted(replies=Replies(path)), picture, "What?").experts == ("A",)
    assert len(endpoint.asked) == 3
    route(
        fitted("A", replies=Replies(path)), picture, "What?"
    )  # another list of classes is another question
    assert len(endpoint.asked) == 4
    Image.new("RGB", (9, 9)).save(picture)
    route(fitted(replies=Replies(path)), picture, "What?")
    assert len(endpoint.asked) == 6


def test_replies_that_an_older_version_kept_are_found(
    endpoint: Endpoint, picture: Path, tmp_path: Path
) -> None:
    """A line for each, the last one cut by a kill."""
    endpoint.say = says("Animals", "Cat")
    path = tmp_path / "replies.sqlite"
    assert route(fitted(replies=Replies(path)), picture, "What?").experts == ("A",)
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT key, reply FROM replies").fetchall()
    path.unlink()
    lines = [json.dumps({"key": key, "reply": reply}) for key, reply in rows]
    path.with_suffix(".jsonl").write_text("\n".join(lines) + '\n{"key": "cu')
    assert route(fitted(replies=Replies(path)), picture, "What?").experts == ("A",)
    assert len(endpoint.asked) == 2


def test_failures_are_not_kept(endpoint: Endpoint, picture: Path) -> None:
    gate, endpoint.status = fitted(), 500
    assert route(gate, picture).refused
    endpoint.status, endpoint.say = 200, says("Animals", "Cat")
    assert route(gate, picture).experts == ("A",)


def test_saved_and_loaded(endpoint: Endpoint, picture: Path, tmp_path: Path) -> None:
    endpoint.say = says("Personage", "Jack Ma")
    gate, other = (
        fitted(),
        make_gate("mllm", ModelAccess(GateConfig(mllm=AskedGateConfig(retries=0)))),
    )
    gate.save(tmp_path)
    other.load(tmp_path)
    assert route(other, picture) == route(gate, picture)  # type: ignore[arg-type]


def test_a_folder_alone_says_how_to_ask(endpoint: Endpoint, picture: Path, tmp_path: Path) -> None:
    """Without a run's settings the saved wording, model and bounds count, though the template's file is gone."""
    template = tmp_path / "template.yaml"
    template.write_text("class: 'MINE {question} {options}'\nentity: 'MINE {question} {options}'")
    endpoint.say = says("Personage", "Jack Ma")
    gate = fitted(template=template, model="mine", match=91, max_side=64)
    gate.save(tmp_path)
    template.unlink()
    other = make_gate("mllm")
    assert isinstance(other, MllmGate)
    other.load(tmp_path)
    assert (other.settings.model, other.settings.match, other.settings.max_side) == ("mine", 91, 64)
    assert route(other, picture) == route(gate, picture)
    assert other.template == gate.template and other.template["class"].startswith("MINE")


def test_a_folder_of_an_earlier_version_gets_the_defaults(
    endpoint: Endpoint, picture: Path, tmp_path: Path
) -> None:
    endpoint.say = says("Personage", "Jack Ma")
    gate = fitted()
    gate.save(tmp_path)
    saved = json.loads((tmp_path / "mllm.json").read_text())
    old = {key: saved[key] for key in ("experts", "names")}
    (tmp_path / "mllm.json").write_text(json.dumps(old))
    other = make_gate("mllm")
    assert isinstance(other, MllmGate)
    other.load(tmp_path)
    assert (other.settings, other.template) == (AskedGateConfig(), read_template(None))
    assert route(other, picture) == route(gate, picture)


def test_an_unlearned_task_more_is_listed(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say = says("Personage", "Elon Musk")
    assert route(fitted("A"), picture).experts == ()
    assert route(fitted("AB"), picture).experts == ("B",)


def wrong(match: str) -> None:
    with pytest.raises(UsageError, match=match) as error:
        check_gate("mllm", GateConfig(mllm=AskedGateConfig(retries=0, model="some-model")))
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


def test_no_key(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    wrong("OPENAI_API_KEY is not set")


@pytest.mark.parametrize(
    ("status", "error"), [(401, "bad key"), (404, "no such"), (400, "model does not exist")]
)
def test_a_wrong_key_or_model(endpoint: Endpoint, status: int, error: str) -> None:
    endpoint.status, endpoint.error = status, error
    wrong("'some-model'")


def test_a_good_endpoint_passes(endpoint: Endpoint) -> None:
    check_gate("mllm", GateConfig())
    assert endpoint.asked[0]["model"] == "glm-4v-plus"


def test_without_the_package(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "openai":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    wrong(r"mlubench\[judge\]")


def test_a_report_says_what_a_query_cost(endpoint: Endpoint, picture: Path) -> None:
    endpoint.say = says("Animals", "Cat")
    shown, truth = (
        [GateQuery(picture, "What?"), GateQuery(picture, "Who?")],
        [Entity("Animals", "Cat")] * 2,
    )
    for gate, dollars in ((fitted(price_in=2, price_out=10), 0.0042), (fitted(), None)):
        report = report_of(gate, tasks("AB"), truth, shown, lambda _: torch.zeros(0, 0))
        assert report.usd_per_query == dollars  # two questions a query, of 1000 and 10 tokens each
        assert report.leak_rate == 0
    again = report_of(
        gate := fitted(price_in=2), tasks("AB"), truth, shown, lambda _: torch.zeros(0, 0)
    )
    assert again.usd_per_query == 0.004
    assert (
        report_of(gate, tasks("AB"), truth, shown, lambda _: torch.zeros(0, 0)).usd_per_query == 0
    )  # kept replies
