"""What callers send: whatever is wrong with it is an error of theirs that says what, and nothing is fetched."""

import json
import socket

import pytest

from mlubench.data.render import render
from mlubench.serving.failures import ApiError
from mlubench.serving.wire import chat_request
from support.serving import CHAT, MODEL, ask, data_uri, said

PLAIN = {"model": MODEL, "messages": [said("user", "Who?")]}

MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b'{"model": "toy", "messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"model": "toy", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_is_the_callers_error(server: str, body: bytes) -> None:
    answered = ask(server, CHAT, body)
    assert answered.status == 400
    assert answered.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Who?"}, "messages"),
        ({"messages": [said("tool", "Who?")]}, "messages.0.role"),
        ({"messages": [said("assistant", "I")]}, "there is no message of a user"),
        ({"messages": [said("user", "")]}, "the messages ask nothing"),
        ({"messages": [said("user", 7)]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages.0.content"),
        ({"messages": [said("user", "x")] * 65}, "more than 64 messages"),
        ({"messages": [said("user", "x" * 70_000)]}, "more than 65,536 characters"),
        ({"messages": [said("user", "why " * 9_000)]}, "are all there is for it"),
        ({"messages": [said("user", "a <image> b")]}, "picture marker"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 1e400}, "no JSON"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 10**400}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"n": 2}, "n is not offered"),
        ({"logprobs": True}, "logprobs is not offered"),
        ({"top_logprobs": 5}, "top_logprobs is not offered"),
        ({"logit_bias": {"3": 100}}, "logit_bias is not offered"),
        ({"tools": [{"type": "function"}]}, "tools is not offered"),
        ({"response_format": {"type": "json_object"}}, "response_format is not offered"),
        ({"presence_penalty": 1}, "presence_penalty is not offered"),
        ({"chat_template": "{{ x }}"}, "chat_template: Extra inputs"),
        ({"lora_request": {"name": "A"}}, "lora_request: Extra inputs"),
        ({"prompt_logprobs": 1}, "prompt_logprobs: Extra inputs"),
        ({"continue_final_message": True}, "continue_final_message: Extra inputs"),
    ],
)
def test_a_field_that_is_wrong_is_named(server: str, fields: dict[str, object], told: str) -> None:
    answered = ask(server, CHAT, json.dumps(PLAIN | fields).encode())
    assert answered.status == 400
    assert told in answered.error["message"]


def test_fields_that_change_nothing_are_taken() -> None:
    harmless = {
        "n": 1,
        "logprobs": False,
        "tools": [],
        "presence_penalty": 0.0,
        "response_format": {"type": "text"},
        "user": "me",
        "metadata": {"a": "b"},
        "stop": None,
        "stream_options": None,
    }
    taken = chat_request(json.dumps(PLAIN | harmless).encode())
    assert taken == chat_request(json.dumps(PLAIN).encode())
    with pytest.raises(ApiError):
        chat_request(json.dumps(PLAIN | {"n": True + 1}).encode())


ADDRESSES = [
    "http://{trap}/a.png",
    "https://{trap}/a.png",
    "HTTP://{trap}/a.png",
    "//{trap}/a.png",
    "http://[::1]:{port}/a.png",
    "http://localhost:{port}/",
    "http://2130706433:{port}/",
    "http://169.254.169.254/latest/meta-data",
    "ftp://{trap}/a.png",
    "file:///proc/self/environ",
    "file://{trap}/a.png",
    "/proc/self/environ",
    "gopher://{trap}/",
    "data:text/html;base64,http://{trap}/",
    "data:image/svg+xml,<svg><image href='http://{trap}/'/></svg>",
    "data:image/png;base64,http://{trap}/",
    "data:;base64,AAAA",
    " http://{trap}/a.png",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_no_address_of_a_picture_makes_a_connection(server: str, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        host, port = trap.getsockname()
        url = address.format(trap=f"{host}:{port}", port=port)
        part = {"type": "image_url", "image_url": {"url": url}}
        answered = ask(server, CHAT, {"model": MODEL, "messages": [said("user", [part])]})
        assert answered.status == 400
        assert "picture 1" in answered.error["message"]
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_a_vector_picture_is_none(server: str) -> None:
    """A drawing could name addresses of its own."""
    import base64

    drawing = (
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///proc/self/environ'/></svg>"
    )
    url = f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
    part = {"type": "image_url", "image_url": {"url": url}}
    answered = ask(server, CHAT, {"model": MODEL, "messages": [said("user", [part])]})
    assert answered.status == 400
    assert "picture 1 is an SVG" in answered.error["message"]


def test_pictures_have_limits(server: str, tmp_path) -> None:
    from PIL import Image

    render("Animals/Cat", "a.jpg").save(tmp_path / "a.jpg")
    part = {"type": "image_url", "image_url": {"url": data_uri(tmp_path / "a.jpg")}}
    answered = ask(server, CHAT, {"model": MODEL, "messages": [said("user", [part] * 9)]})
    assert (answered.status, "more than 8 pictures" in answered.error["message"]) == (400, True)
    # A bomb: small as a file, large once it is decoded.
    Image.new("L", (9_000, 9_000)).save(tmp_path / "bomb.png")
    part = {"type": "image_url", "image_url": {"url": data_uri(tmp_path / "bomb.png")}}
    answered = ask(server, CHAT, {"model": MODEL, "messages": [said("user", [part])]})
    assert answered.status == 400
    assert "picture 1 has" in answered.error["message"]
    assert str(tmp_path) not in answered.error["message"]


def test_a_body_has_a_limit_and_a_type(server: str) -> None:
    large = ask(server, CHAT, b" " * (33 * 2**20))
    assert (large.status, large.error["code"]) == (413, "request_too_large")
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        form = ask(server, CHAT, json.dumps(PLAIN).encode(), content_type=kind)
        assert (form.status, form.error["code"]) == (415, "unsupported_media_type")
    wrong_way = ask(server, CHAT)
    assert wrong_way.status == 405
