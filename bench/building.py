"""Builds a new benchmark end to end and runs it: a model answers over HTTP, two tiny models filter, kill -9 on the way.

    python bench/building.py --out built-study

Invented entities with drawn pictures. A tiny LLaVA is taught all their facts and answers, behind an OpenAI-compatible
server on this machine, what the specification leaves open. Two tiny LLaVAs of different sizes are taught the answers, and
only what both get right stays. The split is by similarity. The same build is then made again while it is killed at random
points, and must come to the same bytes. At last `mlubench run` unlearns the new benchmark.
"""

import argparse
import base64
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from mlubench.authoring.builder import open_build
from mlubench.authoring.knowledge import as_benchmark
from mlubench.authoring.rows import ItemRow, read_rows
from mlubench.core.files import file_sha256
from mlubench.core.reading import read_json
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.models.toy.base import toy_base
from mlubench.settings.model import ToyConfig

LONGEST = 20.0
OPEN = 2  # questions a class whose facts the specification keeps to itself
QUICK = {"entities": 16, "tasks": 2, "kills": 4, "steps": 160, "pictures": 6}
WHOLE = {"entities": 64, "tasks": 6, "kills": 20, "steps": 700, "pictures": 9}
TEACHER = {"width": 128, "vision_width": 96, "vision_layers": 2, "pictures": 60, "sight_epochs": 8}
STUDENTS = [
    {
        "width": 96,
        "vision_width": 64,
        "vision_layers": 2,
        "pictures": 60,
        "sight_epochs": 12,
        "seed": 1,
    },
    {
        "width": 128,
        "vision_width": 96,
        "vision_layers": 3,
        "pictures": 60,
        "sight_epochs": 8,
        "seed": 2,
    },
]


def specification(size: dict[str, int]) -> dict[str, Any]:
    """All that is known of the entities; the facts of some questions are then taken out for the model to answer."""
    return {
        "name": "Built by the study",
        "seed": 5,
        "entities": {"world": size["entities"]},
        "pictures": {"kind": "render", "per_entity": size["pictures"]},
        "split": {"kind": "similarity", "tasks": size["tasks"]},
    }


def with_open_questions(
    spec: dict[str, Any], built: Path, students: list[dict[str, Any]]
) -> dict[str, Any]:
    """The same entities by name, without the facts of the last questions of each class."""
    rows = [json.loads(line) for line in (built / "entities.jsonl").read_text().splitlines()]
    given = []
    for row in rows:
        kept = sorted(row["facts"])[: len(row["facts"]) - OPEN]
        given.append(
            {"name": row["name"], "class": row["cls"], "facts": {q: row["facts"][q] for q in kept}}
        )
    return {
        **spec,
        "entities": given,
        "answers": {"kind": "model", "model": "tiny-llava", "parallel": 8},
        "know": {"models": students},
    }


class Answering(BaseHTTPRequestHandler):
    """As much of an endpoint as is needed, over a tiny model that is handed the question alone: it knows no prompts."""

    ask: Callable[[str, bytes], str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][0]["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        text = next(part["text"] for part in parts if part["type"] == "text")
        picture = next(
            (part["image_url"]["url"] for part in parts if part["type"] == "image_url"), ""
        )
        question = re.search(r"^Question: (.+)$", text, re.M)
        reply = type(self).ask(
            question[1] if question else text, base64.b64decode(picture.partition(",")[2])
        )
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply},
            "finish_reason": "stop",
        }
        whole = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
        }
        data = json.dumps(whole).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked was killed meanwhile
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return None


@contextmanager
def answering(mllm: MLLM, folder: Path) -> Iterator[str]:
    """The address of an endpoint over the model, on this machine."""
    one_at_a_time = threading.Lock()

    def ask(question: str, picture: bytes) -> str:
        path = folder / "asked.jpg" if picture else None
        with one_at_a_time:
            if path:
                path.write_bytes(picture)
            return mllm.generate([Query(path, question)], max_new_tokens=48)[0] or "UNKNOWN"

    handler = type("Handler", (Answering,), {"ask": staticmethod(ask)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mlubench", *words]


def hashes(root: Path) -> dict[str, str]:
    """Of every file but the lock."""
    return {
        f.relative_to(root).as_posix(): file_sha256(f)
        for f in sorted(root.rglob("*"))
        if f.is_file() and f.name != ".lock"
    }


def killed(words: list[str], kills: int, seed: int) -> int:
    """Run the command to its end, killing it up to `kills` times after up to LONGEST seconds; how often it was hit."""
    rng, hit = random.Random(seed), 0
    for _ in range(kills):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if process.wait(timeout=rng.uniform(0.5, LONGEST)):
                raise RuntimeError(f"{' '.join(words)} failed between two kills")
            break  # it came to its end before the next kill
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            hit += 1
        process.wait()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return hit


def study(size: dict[str, int], folder: Path, log: io.TextIOBase) -> dict[str, Any]:
    def say(what: str) -> None:
        print(what, file=log, flush=True)

    first = folder / "given.yaml"
    first.write_text(yaml.safe_dump(spec := specification(size)))
    say("building from given facts, for the teacher to learn")
    build = open_build(first, folder / "given")
    build.run(until="items")
    ctx = build.context
    items = read_rows(ctx.root / "items.jsonl", ItemRow)
    say("teaching the model that will answer")
    teacher = MLLM.load(
        toy_base(ToyConfig(**TEACHER, steps=size["steps"]), as_benchmark(ctx, items))
    )
    students = [{**s, "steps": size["steps"]} for s in STUDENTS]
    second = folder / "spec.yaml"
    second.write_text(
        yaml.safe_dump(with_open_questions(spec, ctx.root, students), allow_unicode=True)
    )
    with answering(teacher, folder) as address:
        os.environ |= {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
        say("building with the model's answers, filtered by two tiny models")
        subprocess.run(
            command("data", "build", str(second), "--out", str(folder / "built")),
            check=True,
            stdout=log,
        )
        say(f"building again, killed at up to {size['kills']} random points")
        again = command("data", "build", str(second), "--out", str(folder / "again"))
        hit = killed(again, size["kills"], seed=7)
    facts = {
        "kills": hit,
        "same_bytes": hashes(folder / "built") == hashes(folder / "again"),
        **told(folder / "built"),
    }
    say("running the new benchmark")
    return facts | {"run": run(size, folder)}


def told(built: Path) -> dict[str, Any]:
    """What the build came to, from its files."""
    known = [json.loads(line) for line in (built / "known.jsonl").read_text().splitlines()]
    answers = [
        json.loads(line)["source"] for line in (built / "answers.jsonl").read_text().splitlines()
    ]
    tasks = yaml.safe_load((built / "tasks.yaml").read_text())
    sheet = re.search(r"(\d\.\d+) on average; (\d\.\d+) if", (built / "datasheet.md").read_text())
    assert sheet is not None
    right = {name: [row["scores"][name] == 2 for row in known] for name in known[0]["scores"]}
    return {
        "tasks": len(tasks),
        "entities": sum(len(keys) for splits in tasks.values() for keys in splits.values()),
        "items": len(known),
        "kept": sum(row["kept"] for row in known),
        "right": {name: round(sum(flags) / len(flags), 4) for name, flags in right.items()},
        "answers": {source: answers.count(source) for source in sorted(set(answers))},
        "likeness": float(sheet[1]),
        "likeness_by_chance": float(sheet[2]),
    }


def run(size: dict[str, int], folder: Path) -> list[dict[str, Any]]:
    """The final column of `mlubench run` on the new benchmark, with its larger student's settings as the base."""
    toy = ",".join(f"{k}: {v}" for k, v in {**STUDENTS[1], "steps": size["steps"]}.items())
    settings = [
        "benchmark.kind=release",
        f"benchmark.root={folder / 'built' / 'release'}",
        f"model.toy={{{toy}}}",
    ]
    settings += [
        "methods=[ga, po, lumoe]",
        "train.per_method={lumoe: {lr: 0.005}}",
        "evaluate.limit=60",
    ]
    words = [word for setting in settings for word in ("-s", setting)]
    out = folder / "run"
    subprocess.run(
        command("run", "smoke", "-s", "benchmark.order=null", *words, "--out", str(out)),
        check=True,
        stdout=sys.stderr,
    )
    results = read_json(out / "results.json", dict)
    return [
        {"method": s["method"], "final": s["final"], "stability": s["stability"]}
        for s in results["summary"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="16 entities in two tasks: a few minutes"
    )
    parser.add_argument("--out", type=Path, help="folder to keep; a temporary one if not given")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    size = QUICK if given.quick else WHOLE
    with TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        facts = study(size, folder, sys.stderr)  # type: ignore[arg-type]
    print(json.dumps(facts) if given.json else json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
