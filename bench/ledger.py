"""The ledger under kill -9, and how fast it is.

Kills: `--writers` processes append as fast as they can and note each entry once it is acknowledged. After a random time, of
up to 12 appends, all are killed at once. Then the ledger must be whole, hold every acknowledged entry, and at most one more
for each process. Every tenth time the ledger is new, so that some kills fall while it is being made. Every other time the
clock starts with the first acknowledged entry, so that something is acknowledged however slow a machine is.

Speed: appends a second by one writer and by 64 at once, where the disk's flush is most of it, and entries a second that
are verified.

    python bench/ledger.py --json
    python bench/ledger.py --quick --json
"""

import argparse
import json
import os
import random
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mlubench.ledger.events import Event
from mlubench.ledger.export import write_export
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust, verify_export

SUBJECT = "People/Jane_Doe"
DETAILS = {"asked_by": "jane@example.org", "pictures": 12}
# Until the kill, in the time of one append.
LONGEST = 12
NEW_EVERY = 10
LONGEST_WAIT = 120  # seconds, until something is acknowledged


@dataclass(frozen=True)
class Killed:
    """What the kills have shown."""

    kills: int
    # How many of them fell before the first entry of a new ledger was acknowledged.
    while_new: int
    acknowledged: int
    # Acknowledged, and not there afterwards.
    lost: int
    # There, though their writer was killed before it could say so.
    unacknowledged: int
    # Ledgers that were not whole afterwards.
    broken: int


def event(name: str) -> Event:
    return Event(kind="received", request=name, actor="bench", id=name)


def append_for_ever(place: Path, acknowledged: Path, writer: str) -> None:
    """Append, and note each entry when `append` has returned."""
    ledger = Ledger.open(place)
    with acknowledged.open("ab", buffering=0) as notes:
        while True:
            name = f"{writer}-{secrets.token_hex(4)}"
            ledger.append(event(name), subject=SUBJECT, details=DETAILS)
            notes.write(f"{name}\n".encode())


def killed_writers(
    place: Path, acknowledged: Path, writers: int, seconds: float, *, once_acknowledged: bool
) -> None:
    """Start that many writers, and kill them all after that time, if wanted counted from what they acknowledge first."""
    before = _size(acknowledged)
    children = []
    for number in range(writers):
        child = os.fork()
        if child == 0:
            try:
                append_for_ever(place, acknowledged, f"w{number}")
            finally:
                os._exit(1)
        children.append(child)
    began = time.monotonic()
    while once_acknowledged and _size(acknowledged) == before:
        assert time.monotonic() - began < LONGEST_WAIT, "the writers acknowledge nothing"
        time.sleep(0.001)
    time.sleep(seconds)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "a writer ended by itself"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def survive_kills(
    folder: Path, kills: int, writers: int, longest: float, rng: random.Random
) -> Killed:
    """Kill writers over and over, within `longest` seconds, and look at the ledger after each time."""
    while_new = acknowledged = lost = unacknowledged = broken = 0
    for number in range(kills):
        if number % NEW_EVERY == 0:
            place = folder / f"ledger-{number}.sqlite"
            notes = folder / f"acknowledged-{number}"
            known: set[str] = set()
        seconds = rng.uniform(0, longest)
        killed_writers(place, notes, writers, seconds, once_acknowledged=number % 2 == 1)
        said = set(notes.read_text().split()) if notes.is_file() else set()
        while_new += not said
        ledger = Ledger.open(place)
        broken += not verify_stored(ledger, Trust()).is_whole
        there = {entry.event.request for entry in ledger.entries()}
        lost += len(said - there)
        more = there - said - known
        assert len(more) <= writers, "more entries than were being written"
        unacknowledged += len(more)
        acknowledged += len(said - known)
        known = there
    return Killed(kills, while_new, acknowledged, lost, unacknowledged, broken)


def appends_a_second(place: Path, writers: int, each: int) -> float:
    ledger = Ledger.open(place)

    def write(number: int) -> None:
        for turn in range(each):
            ledger.append(event(f"{number}-{turn}"), subject=SUBJECT, details=DETAILS)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    seconds = timed(lambda: run_all(threads))
    assert ledger.head().size == writers * each
    return writers * each / seconds


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def verified_a_second(place: Path, export: Path) -> float:
    size = write_export(Ledger.open(place), export).size
    return size / timed(lambda: verify_export(export, Trust()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, help="how many times (100; 10 with --quick)")
    parser.add_argument("--writers", type=int, default=3, help="at once, while they are killed")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of the times")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    kills = args.kills or (10 if args.quick else 100)
    each = 1 if args.quick else 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = appends_a_second(folder / "alone.sqlite", 1, 20 * each)
        rng = random.Random(args.seed)
        killed = survive_kills(folder, kills, args.writers, LONGEST / alone, rng)
        together = appends_a_second(folder / "together.sqlite", 64, each)
        verified = verified_a_second(folder / "together.sqlite", folder / "export.jsonl")
    facts = {
        "seed": args.seed,
        **asdict(killed),
        "appends_a_second": round(alone, 1),
        "appends_a_second_64_writers": round(together, 1),
        "verified_a_second": round(verified),
    }
    if args.json:
        print(json.dumps(facts))
    else:
        for what, value in facts.items():
            print(f"{what:<30} {value}")


if __name__ == "__main__":
    main()
