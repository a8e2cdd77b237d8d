"""The counts that `data stats` shows, of a small benchmark by hand and of the official one as published."""

import json
import os
from pathlib import Path

import pytest

from mlubench.data import release
from mlubench.data.counts import count


def rows(name: str, pictures: int) -> list[dict[str, str]]:
    found = []
    for picture in range(pictures):
        image = f"downloaded_images/Animals/{name}/{picture}.jpg"
        found.append({"image": image, "question": "What is it?", "answer": f"A {name}."})
    return found


def test_a_small_benchmark(tmp_path: Path) -> None:
    tasks = {
        "A": {"forget": rows("Dog", 3), "retain": rows("Cat", 3)},
        "B": {"forget": rows("Cow", 1), "retain": rows("Pig", 1)},
    }
    release.write(tasks, tmp_path)
    counts = count(release.read(tmp_path))
    assert counts["tasks"]["A"]["forget"] == {
        "records": 3,
        "entities": 1,
        "classes": 1,
        "image_paths": 3,
        "facts": 1,
        "phrasings_per_fact": {"1": 1},
    }
    total = counts["total"]
    assert (total["tasks"], total["splits"], total["records"], total["entities"]) == (2, 4, 8, 4)
    assert sum(total["roles"].values()) == 8
    assert json.loads(json.dumps(counts)) == counts


def test_the_official_release() -> None:
    folder = os.environ.get("MLUBENCH_ANNOTATIONS")
    if not folder:
        pytest.skip("MLUBENCH_ANNOTATIONS does not name the folder that holds Tasks")
    total = dict(count(release.read(Path(folder)))["total"])
    del total["roles"]
    assert total == {
        "records": 15_414,
        "entities": 127,
        "classes": 9,
        "image_paths": 2_453,
        "facts": 549,
        "phrasings_per_fact": {"5": 505, "1": 44},
        "tasks": 4,
        "splits": 8,
    }
