"""An answer in pieces is the answer."""

import json

import pytest

from mlubench.lumoe.engine.requests import Finished
from mlubench.serving.replies import Reply
from mlubench.types import Route, SecondLook

LOOK = SecondLook("fact", "Animals/Cat", ("A",), "why", draft="It is Mitzi.")
ROUTE = Route(("A",), "Animals/Cat", 1.0, "near")


def reply(text: str, *, route: bool = False) -> Reply:
    return Reply("1", 2, "toy", Finished(text, "stop", 3, 4, ROUTE, LOOK), route)


@pytest.mark.parametrize("text", ["", " ", "One", "  Two words, \n\nand  more.\n", "é 紅河 🙂"])
def test_pieces_make_the_text(text: str) -> None:
    events = b"".join(reply(text).stream(usage=True)).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    said = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
    assert "".join(said) == text == reply(text).whole()["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == reply(text).whole()["usage"]


def test_what_must_not_leave_is_in_no_reply() -> None:
    for told in (False, True):
        whole = json.dumps(reply("I do not know.", route=told).whole())
        streamed = b"".join(reply("I do not know.", route=told).stream(usage=True)).decode()
        for sent in (whole, streamed):
            assert "Mitzi" not in sent
            assert ("Animals/Cat" in sent) is told
