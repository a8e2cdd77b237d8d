"""Stand-ins must be the same everywhere, tell entities apart, and never be written outside their folder."""

import json
import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlubench.core.errors import DataError
from mlubench.data.render import (
    EMBLEMS,
    RENDERER_VERSION,
    STAND_IN_MARK,
    emblem_of,
    render,
    render_blank,
    render_release,
)

PATHS = [
    "downloaded_images/Animals/Red_Fox/a 1.jpg",
    "downloaded_images/TV series/Élan_Vital/日本.jpeg",
    "downloaded_images/TV series/Élan_Vital/b.png",
    "downloaded_images/Plants/Fern/c.WEBP",
]


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32)


def small(key: str, number: int) -> np.ndarray:
    return pixels(render(key, f"image_{number}.jpg").resize((48, 48), Image.Resampling.BOX))


def test_same_picture_in_another_process():
    code = (
        "from hashlib import sha256; from mlubench.data.render import render, render_blank;"
        "print(sha256(render('Plants/Øre', 'a.jpg').tobytes() + render_blank('b.jpg').tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = sha256(
        render("Plants/Øre", "a.jpg").tobytes() + render_blank("b.jpg").tobytes()
    ).hexdigest()
    assert digests == {here}


def test_spelling_of_accents_does_not_matter():
    assert (
        render("Plants/\u00d8\u00e9", "a.jpg").tobytes()
        == render("Plants/\u00d8e\u0301", "a.jpg").tobytes()
    )


def test_size_and_mode():
    assert render("A/B", "c.jpg").size == (96, 96)
    assert render("A/B", "c.jpg", size=50).size == (50, 50)
    assert render("A/B", "c.jpg").mode == render_blank("c.jpg").mode == "RGB"


def test_no_two_of_many_entities_share_an_emblem():
    assert EMBLEMS >= 500_000
    emblems = {emblem_of(f"Class{n % 9}/Entity_{n}") for n in range(300)}
    assert len(emblems) == 300
    assert all(e.body_colour not in (e.core_colour, e.moon_colour) for e in emblems)


def test_pictures_of_one_entity_differ():
    files = [pixels(render("Animals/Red_Fox", f"image_{n}.jpg")) for n in range(30)]
    assert all(np.abs(a - b).mean() > 8 for a, b in pairwise(files))


def test_blank_shows_no_strong_colour():
    def saturation(image: Image.Image) -> float:
        blurred = pixels(image.resize((24, 24), Image.Resampling.BOX))
        return float((blurred.max(2) - blurred.min(2)).max())

    assert max(saturation(render_blank(f"{n}.jpg")) for n in range(40)) < 85
    # White bodies with dim cores are rare, so nearly every emblem is far stronger than any background.
    strong = [saturation(render(f"Animals/E{n}", "a.jpg")) for n in range(40)]
    assert min(strong) > 85


def features(image: np.ndarray) -> np.ndarray:
    """How much of each of 64 colours a small picture holds, strong colours only."""
    strong = image[(image.max(2) - image.min(2)) > 70]
    bins = np.bincount((strong // 64).astype(int) @ np.array([16, 4, 1]), minlength=64).astype(
        np.float64
    )
    return np.sqrt(bins / max(1.0, bins.sum()))


def test_unseen_pictures_are_recognised_far_above_chance():
    keys = [f"Movies/Film_{n}" for n in range(20)]
    means = []
    for key in keys:
        seen = [features(small(key, number)) for number in range(20)]
        means.append(np.mean(seen, axis=0))
    hits = []
    for index, key in enumerate(keys):
        for number in range(20, 30):
            distances = ((np.array(means) - features(small(key, number))) ** 2).sum(1)  # (20,)
            hits.append(np.argmin(distances) == index)
    assert np.mean(hits) > 0.75  # Chance is 0.05; colours alone, without any shape, do this.


def test_release_writes_every_picture_once_and_the_mark(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    count = render_release(
        [*PATHS, PATHS[0]], tmp_path, size=32, progress=lambda *now: seen.append(now)
    )
    assert count == 4
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    formats = [Image.open(tmp_path / path).format for path in PATHS]
    assert formats == ["JPEG", "JPEG", "PNG", "WEBP"]
    mark = json.loads((tmp_path / STAND_IN_MARK).read_text())
    assert mark == {
        "stand_ins": True,
        "whole": True,
        "renderer": RENDERER_VERSION,
        "size": 32,
        "count": 4,
    }
    expected = render("TV series/Élan_Vital", "b.png", size=32)
    assert Image.open(tmp_path / PATHS[2]).tobytes() == expected.tobytes()


def test_release_repeats_byte_for_byte(tmp_path: Path):
    for name in ("one", "two"):
        render_release(PATHS, tmp_path / name, size=32)
    assert all(
        (tmp_path / "one" / p).read_bytes() == (tmp_path / "two" / p).read_bytes() for p in PATHS
    )


def test_release_interrupted_still_says_that_the_pictures_are_drawn(tmp_path: Path):

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_release(PATHS, tmp_path, size=32, progress=stop)
    mark = json.loads((tmp_path / STAND_IN_MARK).read_text())
    assert mark == {"stand_ins": True, "whole": False}


@pytest.mark.parametrize(
    "bad",
    [
        "/etc/Class/Name/a.jpg",
        "C:/Class/Name/a.jpg",
        "../Class/Name/a.jpg",
        "downloaded_images/Class/../../../a.jpg",
        "downloaded_images\\Class\\Name\\a.jpg",
        "downloaded_images/Class//a.jpg",
        "downloaded_images/./Name/a.jpg",
        "Class/a.jpg",
        "downloaded_images/Class/Name/a.gif",
        "downloaded_images/Class/Name/a\0.jpg",
        "downloaded_images/Class/Name/.jpg",
        "",
    ],
)
def test_release_refuses_bad_paths_before_writing(tmp_path: Path, bad: str):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="picture path"):
        render_release([*PATHS, bad], out)
    assert not out.exists()
