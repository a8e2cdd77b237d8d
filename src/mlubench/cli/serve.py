"""`mlubench serve`: a LUMoE behind an OpenAI-compatible address."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.opening import BASE_MODEL, PLACE, open_lumoe
from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json

if TYPE_CHECKING:
    from mlubench.models.mllm import MLLM
    from mlubench.requests.desk import Desk


@click.command(
    epilog="""\b
Examples:
  mlubench serve runs/toy                                   for this machine alone, without keys
  mlubench keys add keys.json alice && mlubench serve runs/toy --keys keys.json --host 0.0.0.0
  mlubench serve experts --base-model models/llava --port 9000 --name llava
"""
)
@PLACE
@BASE_MODEL
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--name", help="Under which callers ask for it; the folder's name if not given.")
@click.option(
    "--keys",
    type=PATH,
    help="File of keys (`mlubench keys add`). Keys in MLUBENCH_KEYS count besides: user:KEY,admin:KEY.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name by which the server may be called, as its proxy's; several times. Then it answers to no other.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Requests that are answered at once.",
)
@click.option(
    "--waiting",
    type=click.IntRange(min=0),
    default=64,
    show_default=True,
    help="Requests that wait besides. More are turned away.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    help="Tokens of an answer at most; the run's own limit if not given.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="For an answer, waiting included.",
)
@click.option(
    "--step",
    type=click.FloatRange(min=0),
    default=0.25,
    show_default=True,
    help="Answers leave a whole number of so many seconds after their request; 0: as they come, which tells more.",
)
@click.option(
    "--max-pictures",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    help="In a request.",
)
@click.option(
    "--vllm",
    "vllm_address",
    metavar="ADDRESS",
    help="A vLLM server that generates, as http://127.0.0.1:8001/v1. Its key, if it has one, is in MLUBENCH_VLLM_KEY.",
)
@click.option("--vllm-model", help="The vLLM server's name for the base; needed with --vllm.")
@click.option(
    "--vllm-folder",
    type=PATH,
    help="Where sums of experts are written for the vLLM server to read; a temporary folder if not given.",
)
@click.option(
    "--requests",
    "with_requests",
    is_flag=True,
    help="Admins may send in, approve and revert deletion requests, below `admin/requests`.",
)
@JSON
def serve(
    place: Path,
    base_model: str | None,
    host: str,
    port: int,
    name: str | None,
    keys: Path | None,
    names: tuple[str, ...],
    rows: int,
    waiting: int,
    max_tokens: int | None,
    max_seconds: float,
    step: float,
    max_pictures: int,
    vllm_address: str | None,
    vllm_model: str | None,
    vllm_folder: Path | None,
    with_requests: bool,
    as_json: bool,
) -> None:
    """Answer OpenAI's clients with a LUMoE: every request goes through the gate, every turn and picture of it.

    RUN is the folder of a run, STORE a plain folder of experts. Without keys it is for this machine alone.
    """
    import os

    from mlubench.lumoe.engine.reopening import Reopening, StoreFile
    from mlubench.serving.keys import Keys
    from mlubench.serving.limits import Limits
    from mlubench.serving.server import Address, VllmServer, require_safe
    from mlubench.serving.server import serve as start

    address = Address(host, port, names)
    taken = Keys.open(keys, os.environ.get("MLUBENCH_KEYS"))
    vllm = None
    if vllm_address is not None:
        if vllm_model is None:
            raise click.UsageError("--vllm needs --vllm-model, the server's name for the base")
        key = os.environ.get("MLUBENCH_VLLM_KEY")
        vllm = VllmServer(vllm_address, vllm_model, key, vllm_folder)
    # Before the model is loaded, which takes a while.
    require_safe(address, taken)
    if with_requests and (taken is None or not taken.has_admin()):
        raise click.UsageError(
            "--requests needs an admin's key: mlubench keys add FILE NAME --scope admin, and --keys FILE"
        )
    limits = Limits(
        rows=rows,
        waiting=waiting,
        tokens=max_tokens,
        seconds=max_seconds,
        step=step,
        pictures=max_pictures,
    )
    model = name or place.resolve().name
    # Loading takes seconds, in which a request may come into force.
    before = StoreFile.of(place)
    engine = open_lumoe(place, base_model)
    reopening = Reopening(engine, place, before)
    desk = _desk(place, engine.mllm) if with_requests else None

    def say(url: str) -> None:
        if as_json:
            print_json({"url": url, "model": model, "keys": taken is not None})
            return
        guard = "keys are asked for" if taken is not None else "no keys, for this machine alone"
        click.echo(f"serving {model} at {url} ({guard})", err=True)

    start(
        engine,
        model=model,
        address=address,
        keys=taken,
        limits=limits,
        ready=say,
        reopening=reopening,
        vllm=vllm,
        desk=desk,
    )


def _desk(place: Path, mllm: "MLLM") -> "Desk":
    """Where deletion requests are dealt with, by the model that is served."""
    from mlubench.core.errors import MlubenchError

    try:
        from mlubench.requests.desk import Desk
    except ImportError:
        raise MlubenchError(
            "a package that deletion requests need is missing",
            "Run: pip install 'mlubench[requests]'.",
        ) from None
    return Desk.open(place, mllm)
