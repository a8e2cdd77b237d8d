"""Deletion requests under kill -9: submitted, approved, trained, put in force and taken out by a process that is killed.

Each round takes a copy of a finished smoke run and brings two requests through their whole life, one of them to its end. A
child that is forked does the work. It is killed at a random moment, or at a random point where something becomes lasting (a
rename, a connection to the database, a folder that is made or removed). After each kill the store must be sound:

- what was acknowledged is there, and what was said to be in effect is: the gate does not leave its picture to the base
- no expert is in force but one that is whole and was measured
- the ledger's chain is whole

The next child goes on from there. At the end each step of each request is in the ledger exactly once.

    mlubench run smoke -s 'methods=[lumoe]' -s device=cpu --out runs/smoke
    python bench/requests_killed.py runs/smoke --kills 100 --json
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mlubench.experiment.prepare import open_benchmark
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.opening import engine_source, load_base
from mlubench.lumoe.experts.in_force import checked_gate_folder
from mlubench.models.mllm import MLLM
from mlubench.models.quiet import quiet
from mlubench.requests.desk import Desk
from mlubench.requests.place import Place
from mlubench.requests.queue import Queue
from mlubench.requests.worker import work_off
from mlubench.runs.folder import RunDir
from mlubench.types import Entity

# Of tasks that the smoke run leaves alone. The second is taken out again at the end.
ENTITIES = (Entity("Movies", "Nine_Nights_in_Tiararn"), Entity("Personage", "Vodisk_Zavorn"))
QUESTION = "What does this picture show?"
# What makes something lasting, as Python names it to those who audit.
LASTING = frozenset({"os.rename", "os.mkdir", "os.remove", "shutil.rmtree", "sqlite3.connect"})
# Of these a child comes by so many in a whole life of the two requests, about.
POINTS = 120
# Seconds that it takes, about.
SECONDS = 12.0
# Each is in the ledger once for each request.
STEPS = ("received", "verified", "gated", "scoped", "training", "audited", "active")


@dataclass(frozen=True)
class Round:
    """A copy of a run, and what is known of its requests."""

    place: Path
    pictures: Path
    mllm: MLLM
    # The child notes here what was acknowledged, a line each.
    acknowledged: Path
    # Whether experts are trained. Else a request's life ends with the gate.
    trains: bool

    def desk(self) -> Desk:
        return Desk.open(self.place, self.mllm)

    def told(self) -> list[str]:
        if not self.acknowledged.is_file():
            return []
        return self.acknowledged.read_text().split()

    def tell(self, *words: str) -> None:
        """One write, so that a kill leaves the whole line or nothing."""
        handle = os.open(self.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, (":".join(words) + "\n").encode())
        os.close(handle)

    def live(self) -> None:
        """Bring both requests on from wherever they are."""
        desk = self.desk()
        for entity in ENTITIES:
            row, _ = desk.submit(entity, self.pictures / entity.key)
            self.tell("received", row.id)
            if row.state == "received":
                row = desk.approve(row.id)
            elif row.state == "verified":
                row = desk.put_in_gate(row)
            if row.gate_since is not None:
                self.tell("gated", row.id)
        if self.trains:
            work_off(desk, lambda row: None)
        last = desk.queue.find(row.key)
        assert last is not None
        # A kill may also have cut off the end of taking it out, which the worker would go on with: here is none.
        if last.state in (self.whole, "reverted"):
            self.tell("reverting", last.id)
            desk.revert(last.id)

    @property
    def whole(self) -> str:
        """The state of a request that has come as far as this round brings it."""
        return "active" if self.trains else "verified"

    def is_over(self) -> bool:
        rows = Queue(Place(self.place).ledger()).all()
        ended = [row for row in rows if row.state == "reverted" and row.ended is not None]
        return len(rows) == len(ENTITIES) and len(ended) == 1 and rows[0].state == self.whole

    def problems(self) -> list[str]:
        """What a kill has left wrong."""
        place = Place(self.place)
        queue = Queue(place.ledger())
        rows = {row.id: row for row in queue.all()}
        wrong = list(verify_stored(queue.ledger, Trust()).problems)
        source = place.now()
        if source.in_force is not None:
            checked_gate_folder(place.store.root, source.in_force.gate)
        for task, expert in source.requests.items():
            if expert is None:
                continue
            wrong += [row["wrong"] for row in place.store.verify([expert]) if row["wrong"]]
            # The row follows what counts: a kill may fall between the two.
            if rows[task].state not in ("audited", "active", "reverted"):
                wrong.append(f"{task} is in force and {rows[task].state}")
        told = self.told()
        for row in rows.values():
            if row.state == "active" and source.requests.get(row.id) is None:
                wrong.append(f"{row.id} is active and not in force")
        for word, request in (line.split(":") for line in told):
            if request not in rows:
                wrong.append(f"{request} was acknowledged and is lost")
            elif word == "gated" and f"reverting:{request}" not in told:
                wrong += self._answered_by_base(Entity.from_key(rows[request].entity))
        return wrong

    def _answered_by_base(self, entity: Entity) -> list[str]:
        picture = min((self.pictures / entity.key).iterdir())
        route = LUMoE.open(self.place, self.mllm).route(QUESTION, picture)
        return [] if route.refused or route.experts else [f"{entity.key} reaches the base"]


def killed(work: Callable[[], None], rng: random.Random) -> str:
    """Where a child that does the work was killed: `point` or `moment`; `no` where it came to its end before."""
    by_point = rng.random() < 0.5
    point = rng.randint(1, POINTS // 4)
    seconds = rng.uniform(0, SECONDS / 2)
    child = os.fork()
    if not child:
        # A pool of threads does not outlive a fork.
        torch.set_num_threads(1)
        if by_point:
            _die_at(point)
        else:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        os.dup2(2, 1)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "point" if by_point else "moment"
    if os.WEXITSTATUS(status):
        raise SystemExit("a child failed by itself")
    return "no"


def _die_at(point: int) -> None:
    passed = 0

    def watch(event: str, _: object) -> None:
        nonlocal passed
        if event not in LASTING:
            return
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def run(source: Path, kills: int, seed: int, *, trains: bool) -> dict[str, object]:
    """Rounds until so many kills were made."""
    rng = random.Random(seed)
    config = RunDir(source).config()
    pictures = open_benchmark(config).image_root / "downloaded_images"
    mllm = load_base(engine_source(source), None)
    found: list[str] = []
    deaths: Counter[str] = Counter()
    rounds = 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        while deaths["point"] + deaths["moment"] < kills:
            rounds += 1
            folder = Path(scratch) / str(rounds)
            shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".requests", "answers"))
            one = Round(folder, pictures, mllm, Path(scratch) / f"{rounds}.txt", trains)
            while not one.is_over():
                enough = deaths["point"] + deaths["moment"] >= kills
                death = "no" if enough else killed(one.live, rng)
                if enough:
                    one.live()
                deaths[death] += 1
                found += one.problems()
            found += _not_once(one)
            shutil.rmtree(folder)
    return {
        "kills": deaths["point"] + deaths["moment"],
        "at_points": deaths["point"],
        "at_moments": deaths["moment"],
        "rounds": rounds,
        "requests": rounds * len(ENTITIES),
        "problems": found,
        "seconds": round(time.perf_counter() - started, 1),
    }


def _not_once(one: Round) -> list[str]:
    """Steps that are not in the ledger exactly once for each request."""
    queue = Queue(Place(one.place).ledger())
    wrong = []
    for row in queue.all():
        kinds = Counter(entry.event.kind for entry in queue.ledger.entries(request=row.id))
        steps = STEPS if one.trains else STEPS[:3]
        expected = dict.fromkeys(steps, 1)
        if row.state == "reverted":
            expected["reverted"] = 1
        if dict(kinds) != expected:
            wrong.append(f"{row.id} is told of as {dict(kinds)}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Deletion requests under kill -9.")
    parser.add_argument("run", type=Path, help="a finished smoke run with lumoe")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quick", action="store_true", help="three kills, and no expert is trained"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    kills = 3 if arguments.quick else arguments.kills
    facts = run(arguments.run, kills, arguments.seed, trains=not arguments.quick)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    sys.exit(bool(facts["problems"]))


main()
