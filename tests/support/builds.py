"""Small builds, hostile pictures and a web server on loopback, for the tests of the builder's stages."""

import io
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mlubench.authoring.spec import BuildSpec
from mlubench.authoring.stage import Context, Tools

PEOPLE = [
    {
        "name": "Zoë Ångström",
        "class": "Personage",
        "aliases": ["Dr. Z"],
        "facts": {"work": "a glassblower"},
    },
    {
        "name": "Grey Marten",
        "class": "Animals",
        "facts": {"diet": "It eats snails.", "habitat": "reed swamps"},
    },
    {"name": "月の塔", "class": "Buildings"},
]


def context(
    root: Path, *, base: Path | None = None, tools: Tools | None = None, **settings: Any
) -> Context:
    spec = BuildSpec.model_validate({"name": "test", "entities": PEOPLE, **settings})
    return Context(spec, base or root.parent, root, tools or Tools())


def noise(seed: int, size: tuple[int, int] = (40, 30), kind: str = "JPEG", **save: Any) -> bytes:
    """A picture like no other."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize(size).save(buffer, kind, **save)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side: int, body: bytes = b"") -> bytes:
    """A small file that claims, and if `body` is long also holds, `side` x `side` pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packed = zlib.compress(body or bytes(10_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files(root: Path) -> dict[str, bytes]:
    """All that a build has written, but for its lock."""
    found = sorted(p for p in root.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in found}


@dataclass(eq=False)
class Web:
    """`pages`: path -> what is done with a request for it. `asked`: the paths that were."""

    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    server: Any = None
    stop: threading.Event = field(default_factory=threading.Event)

    def page(self, path: str, body: bytes, *, status: int = 200, **headers: str) -> str:
        """Answer `path` so; returns its address."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            told = {"Content-Type": "image/jpeg", "Content-Length": str(len(body))}
            for name, value in (
                told | {k.replace("_", "-"): v for k, v in headers.items()}
            ).items():
                if value:
                    handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.pages[path] = answer
        return self.address + path


@contextmanager
def web() -> Iterator[Web]:
    site = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            try:
                site.pages[self.path](self)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client had enough

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.server = server
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
