"""Messages as a question: which text belongs to which turn, and where its pictures stand."""

from pathlib import Path

import pytest

from mlubench.lumoe.engine.batching import AskRequest
from mlubench.models.query import TurnPicture
from mlubench.serving.dialogue import as_request
from mlubench.serving.failures import ApiError
from mlubench.serving.limits import Limits
from mlubench.serving.wire import Message


def made(*messages: tuple[str, object]) -> AskRequest:
    """The request of these messages; the file of a picture is named as its address."""
    rows = [Message(role=role, content=content) for role, content in messages]
    return as_request("1", rows, Limits(), lambda address, number: Path(address))


def image(address: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": address}}


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def test_turns_and_their_pictures_stay_where_they_are() -> None:
    request = made(
        ("user", "Good day."),
        ("assistant", "Good day."),
        ("user", [image("a"), text("What"), image("b"), text("is it?")]),
        ("assistant", "A thing."),
        ("user", [image("c"), text("And this?")]),
    )
    assert request == AskRequest(
        "1",
        Path("a"),
        "And this?",
        (("Good day.", "Good day."), ("What\nis it?", "A thing.")),
        image_turn=1,
        further=(TurnPicture(1, Path("b")), TurnPicture(2, Path("c"))),
    )


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_belongs_to_the_turn_behind_it(role: str) -> None:
    request = made(
        (role, "Be brief."),
        ("user", "Who?"),
        ("assistant", "I."),
        (role, "Now long."),
        ("user", "Why?"),
    )
    assert (request.history, request.question) == (
        (("Be brief.\nWho?", "I."),),
        "Now long.\nWhy?",
    )


def test_an_answer_that_was_begun_is_part_of_the_question() -> None:
    request = made(("user", "Who is it?"), ("assistant", "Her name is"))
    assert (request.history, request.question) == ((), "Who is it?\nHer name is")


def test_messages_of_one_side_are_one_turn() -> None:
    request = made(
        ("assistant", "Hello."),
        ("assistant", "How are you?"),
        ("user", "Well."),
        ("user", "Who is it?"),
    )
    assert request.history == (("", "Hello.\nHow are you?"),)
    assert request.question == "Well.\nWho is it?"


def test_a_picture_alone_is_a_question() -> None:
    request = made(("user", [image("a")]))
    assert (request.image, request.question) == (Path("a"), "")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([("system", "Be brief.")], "no message of a user"),
        ([("user", " \n")], "ask nothing"),
        ([("user", None)], "ask nothing"),
        ([("user", "Who?"), ("assistant", [image("a")])], "an answer cannot hold a picture"),
    ],
)
def test_what_asks_nothing_is_an_error(messages: list[tuple[str, object]], told: str) -> None:
    with pytest.raises(ApiError) as raised:
        made(*messages)
    assert told in raised.value.message
