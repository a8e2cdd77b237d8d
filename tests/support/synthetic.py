"""Results and answers made up for the report's tests: the shape of a run without running one."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

# How a method's scores go through the sequence: (level at first, change per later step, floor).
SHAPES = {
    "ga": {"forget_quality": (0.38, -0.16), "utility": (0.12, -0.05)},
    "gd": {"forget_quality": (0.35, -0.12), "utility": (0.42, -0.11)},
    "kl": {"forget_quality": (0.28, -0.14), "utility": (0.31, -0.1)},
    "npo": {"forget_quality": (0.42, -0.18), "utility": (0.238, -0.1)},
    "po": {"forget_quality": (0.97, -0.08), "utility": (0.55, -0.1)},
    "dpo": {"forget_quality": (0.9, -0.12), "utility": (0.64, -0.05)},
    "lumoe": {"forget_quality": (0.99, -0.01), "utility": (0.93, 0.0)},
}
CLASSES = ("Celebrity", "Landmark", "Película")
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> & {{ 7 * 7 }} [red]not markup[/red] $\\frac$'


def make_cell(
    method: str, task: str, after: str, metric: str, score: float | None, **more: Any
) -> dict[str, Any]:
    interval = None if score is None else [max(0.0, score - 0.05), min(1.0, score + 0.04)]
    head = {
        "method": method,
        "task": task,
        "after": after,
        "metric": metric,
        "score": score,
        "ci95": interval,
    }
    return {**head, "n": 80, "unscored": 0, "judge": "rules", **more}


def make_results(
    methods: tuple[str, ...] = tuple(SHAPES), tasks: str = "ABCD", *, gates: bool = True
) -> dict[str, Any]:
    """A whole run's results: every X-UY of every method, base, breakdowns, summary and gates."""
    steps = [(task, after) for i, task in enumerate(tasks) for after in tasks[i:]]
    shapes = {m: SHAPES.get(m, SHAPES["gd"]) for m in methods}

    def score(method: str, metric: str, task: str, after: str) -> float:
        level, change = shapes[method][metric]
        steps = 0.3 * tasks.index(task) + tasks.index(after) - tasks.index(task)
        return round(min(1.0, max(0.0, level + change * steps)), 3)

    pairs = [(m, metric) for m in methods for metric in ("forget_quality", "utility")]
    cells = [
        make_cell(m, t, a, metric, score(m, metric, t, a)) for m, metric in pairs for t, a in steps
    ]
    base = [
        make_cell("base", t, "", k, s)
        for t in tasks
        for k, s in (("forget_quality", 0.01), ("utility", 0.93))
    ]
    return {
        "schema_version": 1,
        "run": _run(list(tasks)),
        "base": [{k: v for k, v in cell.items() if k not in ("method", "after")} for cell in base],
        "cells": cells,
        "breakdowns": _breakdowns(cells, tasks[-1]),
        "summary": [_summary(m, cells, tasks) for m in methods],
        "gates": [_gate(name) for name in ("embedding", "vlm")] if gates else [],
    }


def _run(tasks: list[str]) -> dict[str, Any]:
    benchmark = {
        "kind": "world",
        "tasks": tasks,
        "digest": "0123456789abcdef",
        "facts": 96,
        "facts_dropped": 3,
    }
    facts = {
        "preset": "toy",
        "seed": 0,
        "stand_ins": True,
        "benchmark": benchmark,
        "model": "toy",
        "device": "cpu",
    }
    times = {"seconds": 754.2, "finished": "2026-11-23T10:00:00Z", "train_images": "seen"}
    return {**facts, **times, "versions": {"mlubench": "0.1.0", "torch": "2.10.0"}}


def _breakdowns(cells: list[dict[str, Any]], last: str) -> list[dict[str, Any]]:
    final = [cell for cell in cells if cell["after"] == last]
    splits = [("phrasing", "seen"), ("phrasing", "unseen"), *(("class", name) for name in CLASSES)]
    return [{**cell, "by": by, "value": value, "n": 40} for cell in final for by, value in splits]


def _summary(method: str, cells: list[dict[str, Any]], tasks: str) -> dict[str, Any]:
    score = {
        (c["task"], c["after"], c["metric"]): c["score"] for c in cells if c["method"] == method
    }
    last, metrics = tasks[-1], ("forget_quality", "utility")
    final = {m: sum(score[t, last, m] for t in tasks) / len(tasks) for m in metrics}
    stability = {m: sum(abs(score[t, t, m] - score[t, last, m]) for t in tasks) for m in metrics}
    costs = {"train_seconds": 81.5, "peak_memory_bytes": 3 * 2**30}
    return {"method": method, "judge": "rules", "stability": stability, "final": final, **costs}


def _gate(name: str) -> dict[str, Any]:
    rates = {
        "leak_rate": 0.012,
        "leak_rate_ci95": (0.004, 0.03),
        "wrong_expert_rate_ci95": None,
        "over_refusal_rate": 0.02,
        "wrong_expert_rate": 0.0,
    }
    return {"gate": name, "after": "D", **rates, "auroc": 0.998, "n": 400, "latency_ms_p50": 4.2}


def make_answers(
    run_dir: Path, results: dict[str, Any], *, response: str = "I cannot say.", images: bool = True
) -> None:
    """Answer files of the base and of every method at every archive, with pictures drawn beside the run."""
    tasks, methods = results["run"]["benchmark"]["tasks"], {c["method"] for c in results["cells"]}
    for index, task in enumerate(tasks):
        _write(run_dir, "base", task, "0", "It is <b>Ana</b>.", images=images)
        for method in methods:
            for after in tasks[index:]:
                _write(
                    run_dir, method, task, after, f"{response} ({method} U{after})", images=images
                )
    (run_dir / "run.json").write_text(json.dumps({"image_root": "pictures"}))


def _write(
    run_dir: Path, method: str, task: str, after: str, response: str, *, images: bool
) -> None:
    route = {"experts": [task], "entity": "Película/Zoë_Ω", "score": 0.98, "why": "nearest picture"}
    lines = []
    for number in range(8):
        entity = f"{CLASSES[number % 3]}/Zoë_Ω_{task}{number % 4}"
        image = f"downloaded_images/{entity}/{number}.jpg"
        if images:
            _draw(run_dir / "pictures" / image, number)
        sample = {
            "id": f"{task}-{number}",
            "split": "retain" if number > 4 else "forget",
            "task": task,
            "image": image,
        }
        text = {
            "entity": entity,
            "question": f"Who is this, no. {number}?",
            "truth": "Zoë <Ω>",
            "response": response,
        }
        lines.append(
            {
                **sample,
                **text,
                "fact": f"{entity}#0",
                "phrasing": number % 5,
                "route": route if method == "lumoe" else None,
            }
        )
    path = run_dir / "answers" / method / f"{task}-U{after}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )


def _draw(path: Path, number: int) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (320, 240), (30 * number % 255, 120, 200)).save(path)
