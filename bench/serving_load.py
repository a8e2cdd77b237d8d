"""A served LUMoE under load, beside the engine called directly: throughput, latency and memory.

A base with random weights and 16 random experts; routes are drawn evenly over the base and the experts. 64 clients in
another process send one request after the other, each with a picture. Both ways answer the same questions in turn, and
throughput is tokens of answers in a second of this process's processor time, which other load disturbs less than the
wall's. Latencies are of the wall: with more clients than rows they are waiting, above all.

    python bench/serving_load.py --json
    python bench/serving_load.py --requests 10000 --rounds 1 --json
"""

import argparse
import base64
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import torch
import uvicorn

import serving_ways as ways
from mlubench.data import release, world
from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.continuous import ContinuousEngine
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.models.quiet import quiet
from mlubench.serving.app import make_app
from mlubench.serving.limits import Limits
from mlubench.serving.server import back_end
from mlubench.types import Route

MODEL = "load"
CHAT = "/".join(["", "v1", "chat", "completions"])


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, and of whom."""

    engine: LUMoE
    requests: list[AskRequest]
    new: int
    rows: int
    clients: int


class Drawn(Gate):
    """Routes a question as it was drawn."""

    name = "drawn"

    def __init__(self, expert_of: Mapping[str, str | None]) -> None:
        self.expert_of = expert_of

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        routes = []
        for query in queries:
            expert = self.expert_of[query.question]
            routes.append(Route((expert,) if expert else (), None, 0.0, "drawn"))
        return routes


def built(args: argparse.Namespace, folder: Path) -> Load:
    world.write_world(0, folder / "world", entities=24, pictures=10)
    benchmark = release.read(folder / "world")
    base = ways.make_base(args.size, benchmark, args.device, args.dtype)
    store = ways.write_experts(ways.twin(base), folder, args.experts, args.rank)
    engine = ways.lumoe(base, store, args.experts)
    rng = random.Random(0)
    expert_of: dict[str, str | None] = {}
    requests = []
    for number in range(args.requests):
        sample = rng.choice(benchmark.samples)
        question = f"{sample.question} {number}"
        drawn = rng.randrange(-1, args.experts)
        expert_of[question] = None if drawn < 0 else f"e{drawn}"
        requests.append(AskRequest(str(number), benchmark.picture(sample), question))
    engine.gate = Drawn(expert_of)
    return Load(engine, requests, args.new, args.rows, args.clients)


def direct(load: Load) -> dict[str, Any]:
    """The engine's own batches, of as many rows."""
    start = time.process_time()
    answers = load.engine.answers(load.requests, max_new_tokens=load.new, batch=load.rows)
    count = sum(1 for answer in answers if answer.error is None)
    seconds = time.process_time() - start
    # Random weights never end an answer by themselves.
    return {"answers": count, "tokens": count * load.new, "cpu_seconds": seconds}


def served(load: Load, bodies: Path) -> dict[str, Any]:
    # Answers leave as they come: steps would add to latencies alone.
    limits = Limits(rows=load.rows, waiting=2 * load.clients, by_key=2 * load.clients, step=0)
    server = back_end(load.engine, limits)
    with serving(server, load.new, limits) as address:
        memory = [_memory()]
        start = time.process_time()
        watched = threading.Event()
        watch = threading.Thread(target=_watch, args=(memory, watched))
        watch.start()
        words = [sys.executable, __file__, "--clients", str(load.clients)]
        words += ["--address", address, "--bodies", str(bodies)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seconds = time.process_time() - start
        watched.set()
        watch.join()
    said = json.loads(done.stdout)
    latencies = sorted(said["seconds"])
    return {
        "answers": said["answers"],
        "statuses": said["statuses"],
        "tokens": said["tokens"],
        "cpu_seconds": seconds,
        "p50_seconds": round(statistics.median(latencies), 3),
        "p99_seconds": round(latencies[int(0.99 * (len(latencies) - 1))], 3),
        # After a tenth of the time, when all that is made once is there, and at the end.
        "memory_bytes": [memory[len(memory) // 10], memory[-1]],
    }


@contextmanager
def serving(server: ContinuousEngine, tokens: int, limits: Limits) -> Iterator[str]:
    """Host and port of a server on the loopback, in a thread."""
    app = make_app(server, model=MODEL, tokens=tokens, limits=limits)
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        host, port = running.servers[0].sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        running.should_exit = True
        thread.join()


def write_bodies(load: Load, file: Path) -> None:
    with file.open("w") as lines:
        for request in load.requests:
            assert request.image is not None
            encoded = base64.b64encode(request.image.read_bytes()).decode()
            address = {"url": f"data:image/jpeg;base64,{encoded}"}
            content = [
                {"type": "image_url", "image_url": address},
                {"type": "text", "text": request.question},
            ]
            messages = [{"role": "user", "content": content}]
            body = {"model": MODEL, "messages": messages, "max_tokens": load.new}
            lines.write(json.dumps(body) + "\n")


def be_clients(count: int, address: str, bodies: Path) -> dict[str, Any]:
    """Send all bodies, `count` at a time."""
    waiting: SimpleQueue[bytes] = SimpleQueue()
    for line in bodies.read_bytes().splitlines():
        waiting.put(line)
    replies: list[tuple[int, float, int]] = []

    def send() -> None:
        connection = http.client.HTTPConnection(address, timeout=600)
        while True:
            try:
                body = waiting.get_nowait()
            except Empty:
                return
            start = time.perf_counter()
            connection.request("POST", CHAT, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = json.loads(response.read())
            seconds = time.perf_counter() - start
            tokens = content["usage"]["completion_tokens"] if response.status == 200 else 0
            replies.append((response.status, seconds, tokens))

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [status for status, _, _ in replies]
    return {
        "answers": statuses.count(200),
        "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
        "tokens": sum(tokens for _, _, tokens in replies),
        "seconds": [seconds for _, seconds, _ in replies],
    }


def _watch(memory: list[int], stop: threading.Event) -> None:
    while not stop.wait(0.5):
        memory.append(_memory())


def _memory() -> int:
    """Bytes of the process that are no file's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


def measure(args: argparse.Namespace) -> dict[str, Any]:
    facts: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    for name in ("size", "experts", "requests", "rows", "clients", "new", "rounds", "device"):
        facts[name] = getattr(args, name)
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        load = built(args, Path(temporary))
        bodies = Path(temporary) / "bodies.jsonl"
        write_bodies(load, bodies)
        for _ in range(args.rounds):
            both = {"direct": direct(load), "served": served(load, bodies)}
            for way in both.values():
                way["tokens_per_cpu_second"] = round(way["tokens"] / way["cpu_seconds"], 1)
            speeds = [both[way]["tokens_per_cpu_second"] for way in ("served", "direct")]
            rounds.append({**both, "ratio": round(speeds[0] / speeds[1], 3)})
    facts["rounds_seen"] = rounds
    facts["ratio"] = statistics.median(one["ratio"] for one in rounds)
    return facts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=ways.SIZES, default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--new", type=int, default=32, help="tokens of each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of 64 requests")
    parser.add_argument("--json", action="store_true")
    # How the program starts its own clients.
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--bodies", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
        args.requests = min(args.requests, 64)
    return args


def main() -> None:
    args = arguments()
    if args.address is not None:
        print(json.dumps(be_clients(args.clients, args.address, args.bodies)))
        return
    quiet()
    facts = measure(args)
    if args.json:
        print(json.dumps(facts))
        return
    for one in facts.pop("rounds_seen"):
        print(one)
    print(facts)


if __name__ == "__main__":
    main()
