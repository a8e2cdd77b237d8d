"""A real OpenAI-compatible endpoint on loopback that judges as a test tells it to, and fails as real ones do."""

import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.loopback import running

FAULTS = (
    "429 soon",
    "429",
    "500",
    "late",
    "reset",
    "page",
    "cut",
    "no choices",
    "senseless",
)
UNPAID = {"429 soon", "429", "500"}
LATE = 1.6  # seconds


def rated(messages: list[dict[str, Any]]) -> str:
    """The reply that the response asks for by its own words "worth N": what a right judge would say of it."""
    found = re.findall(r"worth (\d)", messages[-1]["content"])
    return json.dumps({"reason": "as it says", "score": int(found[-1])})


@dataclass(eq=False)
class Endpoint:
    """`say` makes the reply to messages. A share `faults` of the requests fails, in a way drawn from `kinds`."""

    say: Callable[[list[dict[str, Any]]], Any] = rated
    finish: str = "stop"  # why a reply ended
    extra: dict[str, Any] = field(default_factory=dict)  # what a message holds besides
    faults: float = 0
    kinds: tuple[str, ...] = FAULTS
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    refuse: Callable[[dict[str, Any]], str] = lambda _: ""  # the message of a 400, or nothing
    status: int = 200
    hold: float = 0
    models: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paid(self) -> int:
        """Requests that a provider would charge for."""
        return sum(n for kind, n in self.happened.items() if kind not in UNPAID)

    def fault(self) -> str:
        with self.lock:
            kind = self.draw.choice(self.kinds) if self.draw.random() < self.faults else "fine"
            self.happened[kind] += 1
        return kind

    def chat(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body; None resets the connection."""
        self.asked.append(body)
        if self.hold:
            time.sleep(self.hold)
        if self.status != 200:
            return error(self.status, "out of order")
        if refused := self.refuse(body):
            return error(400, refused)
        kind = self.fault()
        if kind in ("429", "429 soon", "500"):
            status, _, data = error(int(kind[:3]), "busy")
            return status, {"Retry-After": "0.02"} if kind == "429 soon" else {}, data
        if kind == "reset":
            return None
        if kind == "page":
            return 200, {"Content-Type": "text/html"}, b"<html>sorry</html>"
        if kind == "late":
            time.sleep(LATE)
        whole = completion(
            body,
            self.say(body["messages"]) if kind != "senseless" else "I would say seven, or [[5]].",
            self.finish,
            self.extra,
        )
        if kind == "no choices":
            whole["choices"] = []
        data = json.dumps(whole).encode()
        return 200, {}, data[: len(data) // 2] if kind == "cut" else data

    def get(self, path: str) -> Any:
        if path.endswith("/models"):
            return {"object": "list", "data": self.models}
        if path.endswith("/content"):
            return self.files[path.split("/")[-2]]
        if path.split("?", maxsplit=1)[0].endswith("/batches"):
            return {"object": "list", "data": list(self.batches.values()), "has_more": False}
        return self.batches[path.rsplit("/", maxsplit=1)[-1]]

    def upload(self, raw: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = b"\n".join(x for x in raw.splitlines() if x.startswith(b'{"custom_id"'))
        return {
            "id": name,
            "object": "file",
            "bytes": 1,
            "created_at": 0,
            "filename": "x",
            "purpose": "batch",
        }

    def batch(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"batch-{len(self.batches)}"
        made = {"id": name, "object": "batch", "created_at": 0, "status": "in_progress", **body}
        self.batches[name] = made
        return made

    def finish_batches(self, leave_out: int = 0) -> None:
        """Answer what was sent, all but some."""
        for made in self.batches.values():
            rows = [json.loads(x) for x in self.files[made["input_file_id"]].splitlines()][
                leave_out:
            ]
            lines = [
                {
                    "custom_id": row["custom_id"],
                    "error": None,
                    "response": {
                        "status_code": 200,
                        "body": completion(
                            row["body"], self.say(row["body"]["messages"]), self.finish, self.extra
                        ),
                    },
                }
                for row in rows
            ]
            out = f"file-{len(self.files)}"
            self.files[out] = b"\n".join(json.dumps(x).encode() for x in lines)
            counts = {"total": len(rows), "completed": len(rows), "failed": 0}
            made.update(status="completed", output_file_id=out, request_counts=counts)


def error(status: int, message: str) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"error": {"message": message}}).encode()


def completion(
    body: dict[str, Any], text: Any, finish: str, extra: dict[str, Any]
) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **extra}
    prompt = sum(len(m["content"]) for m in body["messages"]) // 4
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10},
    }


class Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.endpoint.heads.append({k.lower(): v for k, v in self.headers.items()})
        if self.path.endswith("/files"):
            return self.reply(200, {}, json.dumps(self.endpoint.upload(raw)).encode())
        body = json.loads(raw)
        if self.path.endswith("/batches"):
            return self.reply(200, {}, json.dumps(self.endpoint.batch(body)).encode())
        with self.endpoint.lock:
            self.endpoint.at_once += 1
            self.endpoint.most_at_once = max(self.endpoint.most_at_once, self.endpoint.at_once)
        made = self.endpoint.chat(body)
        with self.endpoint.lock:
            self.endpoint.at_once -= 1
        if made is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in (self.rfile, self.wfile, self.connection):
                end.close()
            self.close_connection = True
            return None
        return self.reply(*made)

    def do_GET(self) -> None:
        found = self.endpoint.get(self.path)
        self.reply(200, {}, found if isinstance(found, bytes) else json.dumps(found).encode())

    def reply(self, status: int, headers: dict[str, str], data: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the client did not wait
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # what a reset leaves behind
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serving(**settings: Any) -> Iterator[Endpoint]:
    endpoint = Endpoint(**settings)
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"endpoint": endpoint}))
    with running(server) as endpoint.address:
        yield endpoint
