"""A real OpenAI-compatible endpoint on loopback, that answers as a test tells it to."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from support.loopback import running


@dataclass(eq=False)
class Endpoint:
    """`say` makes the reply of the prompt's text; `status` other than 200 is an error, `wait` is in seconds."""

    say: Callable[[str], Any] = lambda _: "None"
    status: int = 200
    error: str = "out of order"
    wait: float = 0
    finish: str = "stop"  # why a reply ended
    extra: dict[str, Any] = field(default_factory=dict)  # what a message holds besides
    body: bytes | None = None  # instead of a reply in the right form
    failures: int = 0  # so many requests are answered by 503 first
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [text_of(body) for body in self.asked]

    def pictures(self) -> list[Image.Image]:
        """Every picture that came, decoded."""
        urls = [
            p["image_url"]["url"] for b in self.asked for p in parts(b) if p["type"] == "image_url"
        ]
        assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
        return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append(body)
        time.sleep(self.wait)
        if self.failures:
            self.failures -= 1
            return 503, b"{}"
        if self.status != 200:
            return self.status, json.dumps({"error": {"message": self.error}}).encode()
        if self.body is not None:
            return 200, self.body
        message = {"role": "assistant", "content": self.say(text_of(body)), **self.extra}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        facts = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
        }
        facts["usage"] = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
        return 200, json.dumps(facts).encode()


def parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    content = body["messages"][0]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def text_of(body: dict[str, Any]) -> str:
    return next(p["text"] for p in parts(body) if p["type"] == "text")


@contextmanager
def serving() -> Iterator[Endpoint]:
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, data = endpoint.answer(body)
            try:
                self.send_response(status)
                self.send_header(
                    "Content-Type", "application/json" if data[:1] == b"{" else "text/html"
                )
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client did not wait

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server) as endpoint.address:
        yield endpoint
