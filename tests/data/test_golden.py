"""Worlds and drawn pictures are kept by the hash of what made them, so the same seed must give the same bytes for ever.

Whoever changes a draw on purpose raises `WORLD_VERSION` or `RENDERER_VERSION`, and then the digests here.
"""

import hashlib
import json

from mlubench.data.inhabitants import invented
from mlubench.data.render import render, render_blank
from mlubench.data.world import build_world

KEYS = ("Animals/Cat", "Personage/马云", "Movies/The_Lion_King", "Cartoon/É")


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def test_a_small_world() -> None:
    world = build_world(3, entities=16, pictures=4)
    assert sha256(json.dumps(world, ensure_ascii=False).encode()) == "17c2d0d6c39027fb"


def test_who_is_invented() -> None:
    facts = [(who.cls, who.title, facts) for who, facts in invented(7, 29)]
    assert sha256(json.dumps(facts, ensure_ascii=False).encode()) == "fbf67e810350341f"


def test_twenty_drawn_pictures() -> None:
    pictures = []
    for key in KEYS:
        pictures += [render(key, f"image_{number:04d}.jpg", size=64) for number in range(4)]
    pictures += [render_blank(f"blank_{number}", size=64) for number in range(4)]
    assert sha256(*(picture.tobytes() for picture in pictures)) == "fe18c5a4a810fc71"
