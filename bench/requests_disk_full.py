"""Deletion requests on a full disk: whatever is cut off is one line, leaves nothing half-written, and goes on later.

A copy of a finished smoke run is put on a small file system of its own, and a file beside it takes all space but some
kilobytes. Each step of a request's life (submission, approval, what the worker does, revert) is called; where it fails, the
store is looked at, a little more space is given back, and the same call is made again.

    mount -t tmpfs -o size=64m tmpfs small
    python bench/requests_disk_full.py runs/smoke --on small --json
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import MANIFEST, is_whole
from mlubench.experiment.prepare import open_benchmark
from mlubench.ledger.stored import verify_stored
from mlubench.ledger.verification import Trust
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.models.mllm import MLLM
from mlubench.models.quiet import quiet
from mlubench.requests.desk import Desk
from mlubench.requests.worker import work_off
from mlubench.runs.folder import RunDir
from mlubench.types import Entity

SHOWN = Entity("Movies", "Nine_Nights_in_Tiararn")
# Kilobytes that are free at the first call, and that are given back after each failure.
FIRST_FREE = 0
STEP = 24


class SmallDisk:
    """A file system that is full but for what is stated."""

    def __init__(self, folder: Path) -> None:
        self.filler = folder / "filler"
        self.folder = folder

    def leave(self, kilobytes: int) -> None:
        self.filler.unlink(missing_ok=True)
        status = os.statvfs(self.folder)
        blocks = status.f_bavail - kilobytes * 1024 // status.f_bsize
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, blocks) * status.f_bsize)

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)


def problems(desk: Desk, base: MLLM, picture: Path, promised: bool) -> list[str]:
    """What is wrong with the store after a failure."""
    wrong = list(verify_stored(desk.queue.ledger, Trust()).problems)
    for folder in desk.place.store.root.iterdir():
        if folder.is_dir() and not folder.name.startswith(".") and not is_whole(folder):
            wrong.append(f"{folder.name} has no {MANIFEST}")
    engine = LUMoE.open(desk.place.path, base)
    route = engine.route("What is this?", picture)
    if promised and not (route.refused or route.experts):
        wrong.append("what was said to be refused reaches the base")
    return wrong


def run(source: Path, small: Path) -> dict[str, object]:
    config = RunDir(source).config()
    pictures = open_benchmark(config).image_root / "downloaded_images" / SHOWN.key
    folder = small / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".requests", "answers"))
    (folder / "models" / "lumoe" / ".requests").mkdir()
    (folder / "models" / "lumoe" / ".requests" / "settings.yaml").write_text("look_alikes: 1\n")
    disk = SmallDisk(small)
    desk = Desk.open(folder)
    base = desk.mllm
    row = desk.submit(SHOWN, pictures, key="rehearsal")[0]
    desk.reject(row.id, "a rehearsal")
    wrong: list[str] = []
    failures: dict[str, list[str]] = {}
    name = ""

    def submit() -> None:
        nonlocal name
        name = desk.submit(SHOWN, pictures)[0].id

    def work() -> None:
        work_off(desk, lambda row: None)

    steps: dict[str, tuple[Callable[[], object], str]] = {
        "submit": (submit, "received"),
        "approve": (lambda: desk.approve(name), "verified"),
        "work": (work, "active"),
        "revert": (lambda: desk.revert(name), "reverted"),
        "forget": (lambda: desk.forget(name), "reverted"),
    }
    for step, (call, state) in steps.items():
        failures[step] = []
        free = FIRST_FREE
        while True:
            disk.leave(free)
            try:
                call()
            except (MlubenchError, OSError) as error:
                failures[step].append(str(error).replace(str(small), "SMALL"))
                promised = step in ("work", "revert")
                wrong += problems(desk, base, sorted(pictures.iterdir())[1], promised)
                free += STEP
                continue
            finally:
                disk.free()
            break
        found = desk.queue.get(name)
        if found.state != state:
            wrong.append(f"after {step} the request is {found.state}: {found.why}")
    return {
        "failures": {step: len(errors) for step, errors in failures.items()},
        "errors": sorted({error for errors in failures.values() for error in errors}),
        "problems": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Deletion requests on a full disk.")
    parser.add_argument("run", type=Path, help="a finished smoke run with lumoe")
    parser.add_argument("--on", type=Path, required=True, help="folder of a small file system")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    quiet()
    facts = run(arguments.run, arguments.on)
    if arguments.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    sys.exit(bool(facts["problems"]))


main()
