"""A server as it is served: uvicorn on the loopback, in a thread, for as long as a test needs it."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

MODEL = "toy"
CHAT = "/v1/chat/completions"
WAIT = 60  # seconds that no test takes


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The address of the server, without a path."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=20)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        end = time.monotonic() + WAIT
        while not server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT)
        listening.close()


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server sent back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Of an error, in the shape that OpenAI's clients read."""
        (found,) = self.json.values()
        assert set(found) == {"message", "type", "param", "code"}
        return found


def ask(
    address: str, path: str, body: object = None, *, method: str | None = None, **headers: str
) -> Answered:
    """One call, as JSON unless the body is bytes. Headers are spelled with `_` for `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        sent.setdefault("content-type", "application/json")
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=WAIT)
    try:
        how = method or ("GET" if body is None else "POST")
        connection.request(how, path, body=body, headers=sent)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answered(response.status, names, response.read())
    finally:
        connection.close()


def data_uri(picture: Path) -> str:
    encoded = base64.b64encode(picture.read_bytes()).decode()
    return f"data:image/jpeg;base64,{encoded}"


def shown(picture: Path, question: str) -> dict[str, object]:
    """A user's message with a picture."""
    address = {"url": data_uri(picture)}
    return {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": address},
            {"type": "text", "text": question},
        ],
    }


def said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "content": text}
