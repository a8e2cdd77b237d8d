"""The server's life: where it listens, who may reach it, and how it ends."""

import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.core.errors import UsageError
from mlubench.judging.rules.refusal import refusal
from mlubench.lumoe.engine.continuous import ContinuousEngine
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.reopening import Reopening
from mlubench.serving.app import MISSING, make_app
from mlubench.serving.chat import BackEnd
from mlubench.serving.doors import LOOPBACK
from mlubench.serving.keys import Keys
from mlubench.serving.limits import Limits

if TYPE_CHECKING:
    from mlubench.requests.desk import Desk

# Features of so many pictures are kept: those of a dialogue come again with each turn.
_FEATURES = 1_000
# Seconds that requests are given to end once the server is told to stop.
_GRACE = 30


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and by which names it may be called besides the loopback's."""

    host: str = "127.0.0.1"
    # 0 takes a free one.
    port: int = 8000
    names: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that are checked; none where the server is meant to be reached by any."""
        if self.loopback or self.names:
            return (*LOOPBACK, *self.names)
        return ()


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A vLLM server that generates in the place of this machine."""

    # With the version, as http://127.0.0.1:8001/v1.
    address: str
    # Its name for the base.
    model: str
    key: str | None = None
    # Where sums of experts are written for it to read. None: a temporary folder.
    folder: Path | None = None


def back_end(
    engine: LUMoE,
    limits: Limits,
    reopening: Reopening | None = None,
    vllm: VllmServer | None = None,
) -> BackEnd:
    """The engine as a server asks it: nothing of what callers send stays in memory.

    With `reopening` it takes over what changes in its store. With `vllm` another server generates; raises MlubenchError
    where that has another base.
    """
    engine.mllm.keep_prompts = False
    engine.features.keep = _FEATURES
    for layer in engine.features.layers.values():
        layer.keep = _FEATURES
    if vllm is not None:
        return _vllm_back_end(engine, limits, reopening, vllm)
    return ContinuousEngine(
        engine,
        rows=limits.rows,
        waiting=limits.waiting,
        is_refusal=_is_refusal,
        reopening=reopening,
    )


def _vllm_back_end(
    engine: LUMoE, limits: Limits, reopening: Reopening | None, vllm: VllmServer
) -> BackEnd:
    from mlubench.serving.vllm.adapters import Adapters
    from mlubench.serving.vllm.back_end import VllmBackEnd
    from mlubench.serving.vllm.client import Client

    folder = Path(tempfile.mkdtemp(prefix="mlubench-vllm-", dir=vllm.folder))
    seconds = limits.seconds if limits.seconds is not None else _GRACE
    client = Client(vllm.address, vllm.key, seconds=seconds)
    return VllmBackEnd(
        engine,
        Adapters(engine, client, vllm.model, folder),
        rows=limits.rows,
        waiting=limits.waiting,
        is_refusal=_is_refusal,
        reopening=reopening,
    )


def _is_refusal(text: str) -> bool:
    return bool(refusal(text))


def require_safe(address: Address, keys: Keys | None) -> None:
    """Raises UsageError for a server that anybody could reach and nobody needs a key for."""
    if keys is None and not address.loopback:
        raise UsageError(
            f"without keys nobody but this machine may ask, and {address.host} is open to others",
            "Add a key (mlubench keys add FILE NAME) and give --keys FILE, or leave --host out.",
        )


def serve(
    engine: LUMoE,
    *,
    model: str,
    address: Address,
    keys: Keys | None,
    limits: Limits,
    ready: Callable[[str], None],
    reopening: Reopening | None = None,
    vllm: VllmServer | None = None,
    desk: "Desk | None" = None,
) -> None:
    """Serve until a signal ends it. `ready` is called with the address once requests are taken.

    With `reopening` the server takes over what changes in its store, as when a deletion request comes into force. With
    `vllm` another server generates. With a `desk` admins may send deletion requests to the server itself.

    Raises UsageError where a package is missing, the port is taken, or `require_safe` says no.
    """
    try:
        import uvicorn
    except ImportError:
        raise MISSING from None

    require_safe(address, keys)
    listening = listening_at(address)
    app = make_app(
        back_end(engine, limits, reopening, vllm),
        model=model,
        tokens=engine.max_new_tokens,
        keys=keys,
        hosts=address.hosts,
        limits=limits,
        desk=desk,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    with listening:
        host, port = listening.getsockname()[:2]
        ready(f"http://{_bracketed(host)}:{port}/v1")
        uvicorn.Server(config).run(sockets=[listening])


def listening_at(address: Address) -> socket.socket:
    """The socket that a server takes requests from. Raises UsageError where the port is taken."""
    # Bound here and not by uvicorn, so that the port is known before anything is served.
    try:
        return socket.create_server(
            (address.host, address.port), family=_family(address.host), backlog=256
        )
    except OSError as error:
        raise UsageError(
            f"{address.host} port {address.port} cannot be used: {error.strerror}",
            "Take another with --port.",
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
