"""Many send deletion requests at once, a fifth of them twice: is each one request, is the ledger linear, is nothing lost?

Each submitter is a process of its own with a desk of its own. Pictures are those of one entity of the world; names differ.

    mlubench run smoke -s 'methods=[lumoe]' -s device=cpu --out runs/smoke
    python bench/requests_submitted.py runs/smoke --json
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mlubench.experiment.prepare import open_benchmark
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from mlubench.models.quiet import quiet
from mlubench.requests.desk import Desk
from mlubench.requests.place import Place
from mlubench.requests.queue import Queue
from mlubench.runs.folder import RunDir
from mlubench.types import Entity

# Of so many requests of a submitter the last is one that its neighbour sends too.
FIFTH = 5
SHOWN = "Movies/Nine_Nights_in_Tiararn"


def name_of(submitter: int, number: int, submitters: int) -> str:
    """Whom the request is about. Every fifth is the neighbour's request before it."""
    if number % FIFTH == FIFTH - 1:
        return f"Thing_{(submitter + 1) % submitters}_{number - 1}"
    return f"Thing_{submitter}_{number}"


def submit(
    place: Path, pictures: Path, submitter: int, submitters: int, each: int, told: Path, end: float
) -> None:
    """All requests of one submitter until time is up. What was acknowledged is noted with the seconds that it took."""
    desk = Desk.open(place)
    with told.open("w") as file:
        for number in range(each):
            if time.monotonic() > end:
                return
            name = name_of(submitter, number, submitters)
            entity = Entity("Movies", name)
            began = time.perf_counter()
            row, is_new = desk.submit(entity, pictures)
            seconds = time.perf_counter() - began
            file.write(f"{row.id} {int(is_new)} {seconds:.4f} {name}\n")
            file.flush()


def run(source: Path, submitters: int, each: int, most_seconds: float) -> dict[str, object]:
    config = RunDir(source).config()
    shown = open_benchmark(config).image_root / "downloaded_images" / SHOWN
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".requests", "answers"))
        pictures = Path(scratch) / "pictures"
        pictures.mkdir()
        for picture in sorted(shown.iterdir())[:4]:
            shutil.copy(picture, pictures)
        Desk.open(folder)
        started = time.perf_counter()
        end = time.monotonic() + most_seconds
        children = []
        files = [Path(scratch) / f"{number}.txt" for number in range(submitters)]
        for number, file in enumerate(files):
            child = os.fork()
            if not child:
                submit(folder, pictures, number, submitters, each, file, end)
                os._exit(0)
            children.append(child)
        failed = [child for child in children if os.waitpid(child, 0)[1]]
        seconds = time.perf_counter() - started
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        return {
            "submitters": submitters,
            "to_send": submitters * each,
            "sent": len(lines),
            "requests": len({line[0] for line in lines}),
            "seconds": round(seconds, 1),
            "latency_p50_ms": _milliseconds(lines, 0.5),
            "latency_p99_ms": _milliseconds(lines, 0.99),
            "problems": [f"{len(failed)} submitters failed"] * bool(failed)
            + _problems(folder, lines),
        }


def _milliseconds(lines: list[list[str]], share: float) -> float:
    seconds = sorted(float(line[2]) for line in lines)
    return round(1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))], 1)


def _problems(folder: Path, lines: list[list[str]]) -> list[str]:
    queue = Queue(Place(folder).ledger())
    rows = [row.id for row in queue.all()]
    names = {line[3] for line in lines}
    wrong = list(verify_stored(queue.ledger, Trust()).problems)
    if {line[0] for line in lines} != set(rows) or len(rows) != len(names):
        wrong.append(f"{len(rows)} rows for {len(names)} requests")
    new = Counter(line[0] for line in lines if line[1] == "1")
    if set(new.values()) != {1} or len(new) != len(rows):
        wrong.append("a request was told to be new twice, or never")
    received = Counter(entry.event.request for entry in queue.ledger.entries(kind="received"))
    if received != Counter(rows):
        wrong.append("the ledger tells of other requests than the queue")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Many send deletion requests at once.")
    parser.add_argument("run", type=Path, help="a finished smoke run with lumoe")
    parser.add_argument("--submitters", type=int, default=64)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument(
        "--seconds", type=float, default=600, help="nobody begins another request after these"
    )
    parser.add_argument("--quick", action="store_true", help="4 submitters with 5 requests each")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    submitters, each = arguments.submitters, arguments.each
    if arguments.quick:
        submitters, each = 4, 5
    facts = run(arguments.run, submitters, each, arguments.seconds)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    sys.exit(bool(facts["problems"]))


main()
