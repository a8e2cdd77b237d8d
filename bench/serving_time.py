"""What the time of an answer tells of who gave it, an expert or the base: as answers come, and in steps.

Questions of a finished run's test pictures, one at a time over HTTP. `auroc` is how well the time alone tells one from the
other: 0.5 is not at all, and 0 as well as 1 is always. Other load disturbs the processor's time less than the wall's.

    python bench/serving_time.py runs/smoke --json
"""

import argparse
import base64
import http.client
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.models.quiet import quiet
from mlubench.runs.opening import open_run
from mlubench.runs.rows import read_answers
from mlubench.serving.limits import Limits
from mlubench.serving.server import back_end
from mlubench.statistics.separation import separation
from mlubench.types import AnswerRow
from serving_load import CHAT, MODEL, serving

STEPS = (0.0, 0.25)


@dataclass(frozen=True, slots=True)
class Timed:
    """One answer."""

    entity: str
    by_expert: bool
    wall_seconds: float
    processor_seconds: float
    tokens: int


def ask_all(
    engine: LUMoE, rows: Sequence[AnswerRow], root: Path, new: int, step: float
) -> list[Timed]:
    """Each row's question, once the answer before has come."""
    limits = Limits(rows=1, step=step)
    found = []
    with serving(back_end(engine, limits), new, limits) as address:
        connection = http.client.HTTPConnection(address, timeout=600)
        for row in rows:
            body = json.dumps(_asked(root / row.image, row.question, new))
            wall, processor = time.perf_counter(), time.process_time()
            connection.request("POST", CHAT, body, {"Content-Type": "application/json"})
            content = json.loads(connection.getresponse().read())
            found.append(
                Timed(
                    row.entity,
                    bool(row.route and row.route.experts),
                    time.perf_counter() - wall,
                    time.process_time() - processor,
                    content["usage"]["completion_tokens"],
                )
            )
    return found


def _asked(picture: Path, question: str, new: int) -> dict[str, Any]:
    address = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": address}},
        {"type": "text", "text": question},
    ]
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "messages": messages, "max_tokens": new}


def facts(timed: Sequence[Timed], step: float) -> dict[str, Any]:
    experts = [one for one in timed if one.by_expert]
    base = [one for one in timed if not one.by_expert]
    found = separation(
        [one.wall_seconds for one in experts],
        [one.wall_seconds for one in base],
        ([one.entity for one in experts], [one.entity for one in base]),
    )
    told: dict[str, Any] = {"step": step, "auroc": found["auroc"], "ci95": found["auroc_ci95"]}
    for name, kind in (("expert", experts), ("base", base)):
        told[name] = {
            "n": len(kind),
            "wall_ms_p50": round(1000 * statistics.median(one.wall_seconds for one in kind), 1),
            "processor_ms_p50": round(
                1000 * statistics.median(one.processor_seconds for one in kind), 1
            ),
            "tokens_p50": statistics.median(one.tokens for one in kind),
        }
    return told


def measure(folder: Path, new: int, count: int) -> list[dict[str, Any]]:
    run = open_run(folder)
    root = Path(run.facts.image_root)
    tasks = run.archived("lumoe")
    rows = [r for t in tasks for r in read_answers(run.folder.answers("lumoe", t, tasks[-1]))]
    random.Random(0).shuffle(rows)
    found = []
    for step in STEPS:
        engine = LUMoE.open(folder)
        found.append(facts(ask_all(engine, rows[:count], root, new, step), step))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--asked", type=int, default=200, help="questions")
    parser.add_argument("--new", type=int, default=32, help="tokens of each answer at most")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    rows = measure(args.run, args.new, args.asked)
    if args.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
