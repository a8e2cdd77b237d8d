"""A served model while a deletion request comes into effect and goes again: how long it takes, and what others notice.

A server answers four clients without a pause. Meanwhile an admin sends a request in and approves it, a worker beside the
server trains its expert, and the admin takes it out again. Asked is all the while about the entity's picture.

    mlubench run smoke -s 'methods=[lumoe]' -s device=cpu --out runs/smoke
    python bench/requests_effect.py runs/smoke --json
"""

import argparse
import base64
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import uvicorn

from mlubench.experiment.prepare import open_benchmark
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.engine.reopening import Reopening
from mlubench.models.quiet import quiet
from mlubench.requests.desk import Desk
from mlubench.runs.folder import RunDir
from mlubench.serving.app import make_app
from mlubench.serving.keys import Keys
from mlubench.serving.limits import Limits
from mlubench.serving.server import back_end

KEY = "0123456789abcdef0123456789abcdef"
CHAT = "/".join(["", "v1", "chat", "completions"])
REQUESTS = "/".join(["", "admin", "requests"])
ENTITY = "Movies/Nine_Nights_in_Tiararn"
QUESTION = "Who directed this film, in what year did it come out, and where was it shot?"
CLIENTS = 4


@dataclass
class Server:
    """A server, and what its clients have seen."""

    port: int
    statuses: Counter[int] = field(default_factory=Counter)
    # (when, seconds) of each answer to the clients.
    seen: list[tuple[float, float]] = field(default_factory=list)

    def call(self, path: str, body: object) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def said(self, picture: Path, question: str) -> str:
        encoded = base64.b64encode(picture.read_bytes()).decode()
        content = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}},
            {"type": "text", "text": question},
        ]
        status, told = self.call(
            CHAT, {"model": "toy", "messages": [{"role": "user", "content": content}]}
        )
        self.statuses[status] += 1
        return told["choices"][0]["message"]["content"] if status == 200 else ""

    def longest_wait(self, since: float) -> float:
        return round(max((s for when, s in list(self.seen) if when >= since), default=0.0), 3)


@contextmanager
def serving(place: Path) -> Iterator[Server]:
    engine = LUMoE.open(place)
    app = make_app(
        back_end(engine, Limits(), Reopening(engine, place)),
        model="toy",
        tokens=48,
        keys=Keys.open(None, f"admin:{KEY}"),
        desk=Desk.open(place, engine.mllm),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Server(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def asked_all_the_while(server: Server, pictures: list[Path]) -> Iterator[None]:
    over = threading.Event()

    def ask(number: int) -> None:
        while not over.is_set():
            began = time.perf_counter()
            server.said(pictures[number % len(pictures)], "What does this picture show?")
            server.seen.append((began, time.perf_counter() - began))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until(holds: Callable[[], bool], since: float) -> float:
    """Seconds from `since` until it holds."""
    while not holds():
        time.sleep(0.05)
    return round(time.perf_counter() - since, 3)


def run(source: Path) -> dict[str, object]:
    root = open_benchmark(RunDir(source).config()).image_root / "downloaded_images"
    sent = sorted((root / ENTITY).iterdir())
    others = [min(folder.iterdir()) for folder in sorted((root / "Plants").iterdir())]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "run"
        shutil.copytree(source, place, ignore=shutil.ignore_patterns(".requests", "answers"))
        with serving(place) as server, asked_all_the_while(server, others):
            return _measured(server, place, sent)


def _measured(server: Server, place: Path, sent: list[Path]) -> dict[str, object]:
    before = server.said(sent[1], QUESTION)
    time.sleep(3)
    facts: dict[str, object] = {"longest_wait_before": server.longest_wait(0)}
    pictures = [
        f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in sent
    ]
    kind, _, name = ENTITY.partition("/")
    _, row = server.call(REQUESTS, {"entity": name, "kind": kind, "pictures": pictures})
    began = time.perf_counter()
    _, row = server.call(f"{REQUESTS}/{row['id']}/approve", {})
    facts["approval_to_gate"] = until(lambda: server.said(sent[1], QUESTION) == GATE_REFUSAL, began)
    facts["longest_wait_at_approval"] = server.longest_wait(began - 1)
    training = time.perf_counter()
    command = [sys.executable, "-m", "mlubench", "request", "work", "--store", str(place)]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    # The server gives all refusals one text, so the queue is asked whether the expert answers.
    desk = Desk.open(place)
    facts["approval_to_expert"] = until(
        lambda: (
            desk.queue.get(row["id"]).state in ("active", "audited") and worker.poll() is not None
        ),
        began,
    )
    facts["state"] = desk.queue.get(row["id"]).state
    facts["refused_by_expert"] = server.said(sent[1], QUESTION) != before
    facts["longest_wait_in_training"] = server.longest_wait(training)
    reverting = time.perf_counter()
    server.call(f"{REQUESTS}/{row['id']}/revert", {})
    facts["revert_to_answer"] = until(lambda: server.said(sent[1], QUESTION) == before, reverting)
    facts["longest_wait_at_revert"] = server.longest_wait(reverting - 1)
    facts["statuses"] = {str(status): n for status, n in server.statuses.items()}
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description="A served model while a request takes effect.")
    parser.add_argument("run", type=Path, help="a finished smoke run with lumoe")
    parser.add_argument("--quick", action="store_true", help="the same: it takes a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    facts = run(arguments.run)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))


main()
