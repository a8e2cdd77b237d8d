"""`mlubench request`: deletion requests, from the letter to a served model that refuses."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.opening import BASE_MODEL
from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import on_one_line, print_facts, print_json

if TYPE_CHECKING:
    from mlubench.requests.desk import Desk
    from mlubench.requests.queue import DeletionRequest, Queue

STORE = click.option(
    "--store",
    metavar="RUN|STORE",
    type=PATH,
    required=True,
    help="The run or the folder of experts that is served.",
)
ID = click.argument("request_id", metavar="ID")


def _example(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  mlubench request {line}" for line in lines)


@click.group(
    epilog="""\b
Examples:
  mlubench request submit --store runs/toy --entity "Personage/Jane Doe" --pictures letters/17
  mlubench request preview --store runs/toy req-3fa9c1d2
  mlubench request approve --store runs/toy req-3fa9c1d2
  mlubench request work --store runs/toy --watch
  mlubench request list --store runs/toy
  mlubench request revert --store runs/toy req-3fa9c1d2
"""
)
def request() -> None:
    """Deletion requests: an entity is suppressed by a gate and an expert, never erased from the base."""


@request.command(
    epilog=_example('submit --store runs/toy --entity "Personage/Jane Doe" --pictures letters/17')
)
@STORE
@click.option("--entity", required=True, help="Whom or what: `Jane Doe`, or `Personage/Jane Doe`.")
@click.option(
    "--class", "cls", help="Of what kind it is, as the kept set names it; questions go by it."
)
@click.option("--pictures", type=PATH, required=True, help="Folder of pictures of it.")
@click.option(
    "--qa",
    type=PATH,
    help='What must not be said, as JSON: [{"question": "...", "answer": "..."}]. Else the base is asked.',
)
@click.option("--alias", "aliases", multiple=True, help="Another name of it; several times.")
@click.option(
    "--key", help="Two requests of one key are one. Left out: the hash of all that is sent."
)
@click.option(
    "--kept", type=PATH, help="Of a plain store, once: a benchmark whose retain sets must stay."
)
@click.option(
    "--background",
    type=click.Choice(["drawn", "real"]),
    help="Of a plain store, once: where pictures of other things are from.",
)
@JSON
def submit(
    store: Path,
    entity: str,
    cls: str | None,
    pictures: Path,
    qa: Path | None,
    aliases: tuple[str, ...],
    key: str | None,
    kept: Path | None,
    background: str | None,
    as_json: bool,
) -> None:
    """Send a request in. Its pictures are looked at and copied; nothing is in effect before it is approved."""
    from mlubench.requests.submission import answers_in, entity_of

    desk = _desk(store)
    desk.place.settle(kept=kept, background=background)
    row, is_new = desk.submit(
        entity_of(entity, cls),
        pictures,
        answers=answers_in(qa) if qa is not None else (),
        aliases=aliases,
        key=key,
    )
    text = f"{row.id} {'received' if is_new else f'came before; it is {row.state}'}"
    print_facts({**asdict(row), "new": is_new}, text, as_json=as_json)


@request.command("list", epilog=_example("list --store runs/toy --json"))
@STORE
@JSON
def list_requests(store: Path, as_json: bool) -> None:
    """All requests, the oldest first."""
    rows = _queue(store).all()
    facts = {"requests": [asdict(row) for row in rows]}
    print_facts(facts, "\n".join(map(_line, rows)) or "no requests", as_json=as_json)


@request.command(epilog=_example("show --store runs/toy req-3fa9c1d2"))
@STORE
@ID
@JSON
def show(store: Path, request_id: str, as_json: bool) -> None:
    """One request: its state, what was measured, and how long it took to be in effect."""
    _print(_queue(store).get(request_id), as_json)


@request.command(epilog=_example("preview --store runs/toy req-3fa9c1d2"))
@STORE
@ID
@BASE_MODEL
@JSON
def preview(store: Path, request_id: str, base_model: str | None, as_json: bool) -> None:
    """What the gate would catch if a request were approved. Nothing is trained, and nothing comes into effect."""
    found = _desk(store, base_model).preview(request_id)
    facts = found.model_dump(mode="json")
    lines = [f"{title}: {rate.told()}" for title, rate in found.rates()]
    lines += [f"bound missed: {bound}" for bound in found.missed_bounds]
    if found.problem:
        lines.append(f"the gate says: {found.problem}")
    print_facts(facts, "\n".join(lines), as_json=as_json)


@request.command(epilog=_example("approve --store runs/toy req-3fa9c1d2"))
@STORE
@ID
@click.option("--why", default="", help="Kept with the step in the ledger, encrypted.")
@BASE_MODEL
@JSON
def approve(store: Path, request_id: str, why: str, base_model: str | None, as_json: bool) -> None:
    """Let a request into effect: the gate refuses it when this returns. `work` trains its expert."""
    _print(_desk(store, base_model).approve(request_id, why), as_json)


@request.command(epilog=_example('reject --store runs/toy req-3fa9c1d2 --why "no such person"'))
@STORE
@ID
@click.option("--why", required=True, help="What is told to whoever asks.")
@JSON
def reject(store: Path, request_id: str, why: str, as_json: bool) -> None:
    """Turn a request down that is not in effect."""
    _print(_desk(store).reject(request_id, why), as_json)


@request.command(epilog=_example("revert --store runs/toy req-3fa9c1d2"))
@STORE
@ID
@click.option("--why", default="", help="Kept with the request.")
@BASE_MODEL
@JSON
def revert(store: Path, request_id: str, why: str, base_model: str | None, as_json: bool) -> None:
    """Take a request out again, gate and expert: answers are as if it had never come."""
    _print(_desk(store, base_model).revert(request_id, why), as_json)


@request.command(epilog=_example("forget --store runs/toy req-3fa9c1d2"))
@STORE
@ID
@JSON
def forget(store: Path, request_id: str, as_json: bool) -> None:
    """Delete what was sent, and the names, of a request that was rejected or reverted. The ledger stays."""
    _print(_desk(store).forget(request_id), as_json)


@request.command(epilog=_example("evidence --store runs/toy req-3fa9c1d2 --out evidence.zip"))
@STORE
@ID
@click.option("--out", type=PATH, required=True, help="The zip file to write.")
@JSON
def evidence(store: Path, request_id: str, out: Path, as_json: bool) -> None:
    """Write what was done about a request: signed, proved to be in the ledger, and as a page. It names nobody."""
    from mlubench.requests.evidence import write_evidence

    queue = _queue(store)
    row = queue.get(request_id)
    manifest = write_evidence(queue, row, out)
    facts = {"request": row.id, "state": row.state, "out": str(out), "signer": manifest.signer}
    print_facts(facts, f"{out}: evidence of {row.id}, {row.state}", as_json=as_json)


@request.command(epilog=_example("work --store runs/toy", "work --store runs/toy --watch"))
@STORE
@click.option("--once", is_flag=True, help="Work off what is there and end. This is the default.")
@click.option("--watch", "watching", is_flag=True, help="Go on until stopped.")
@click.option(
    "--batch", is_flag=True, help="Requests that are there together get one expert: trained once."
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@BASE_MODEL
@JSON
def work(
    store: Path,
    once: bool,
    watching: bool,
    batch: bool,
    every: float,
    base_model: str | None,
    as_json: bool,
) -> None:
    """Train, measure and put in force what was approved, one request after another. It goes on where it was cut off."""
    from mlubench.requests.worker import watch, work_off

    if once and watching:
        raise click.UsageError("give --once or --watch")
    desk = _desk(store, base_model, actor="worker")

    def told(row: "DeletionRequest") -> None:
        if not as_json:
            why = f": {on_one_line(row.why)}" if row.why else ""
            click.echo(f"{row.id} {row.state}{why}", err=True)

    if watching:
        watch(desk, told, every, batch=batch)
    went_on = work_off(desk, told, batch=batch)
    rows = [asdict(row) for row in desk.queue.all()]
    print_facts({"went_on": went_on, "requests": rows}, f"{went_on} went on", as_json=as_json)


def _queue(store: Path) -> "Queue":
    """What is looked at alone. No model is loaded, and torch is not either."""
    from mlubench.core.errors import UsageError
    from mlubench.requests.place import Place
    from mlubench.requests.queue import Queue

    place = Place(store)
    # A queue that is there is shown, whatever has become of the experts. None is begun where there are none.
    if not place.root.is_dir() and not place.store.names():
        raise UsageError(f"{store} is no store of experts", "Give a run or a folder: --store.")
    return Queue(place.ledger())


def _desk(store: Path, base_model: str | None = None, *, actor: str | None = None) -> "Desk":
    from mlubench.models.quiet import quiet
    from mlubench.requests.desk import Desk

    quiet()
    return Desk.open(store, base_model, actor=actor or _user())


def _user() -> str:
    """Who is at the keyboard, as the ledger will say."""
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        # A user without a name, as in some containers.
        return "operator"


def _line(row: "DeletionRequest") -> str:
    why = f"  {on_one_line(row.why)}" if row.why else ""
    return f"{row.id}  {row.state:<9} {row.named:<32} due {row.due[:10]}{why}"


def _print(row: "DeletionRequest", as_json: bool) -> None:
    facts = {
        **asdict(row),
        "seconds_to_gate": row.seconds_to_gate,
        "seconds_to_expert": row.seconds_to_expert,
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if value in (None, "") or name in ("key", "content", "measured"):
            continue
        shown = on_one_line(value) if name == "why" else value
        click.echo(f"{name.replace('_', ' ')}: {shown}")
    if row.measured is not None:
        from mlubench.requests.measured import Measured

        for name, rate in Measured.model_validate(row.measured):
            click.echo(f"  {name.replace('_', ' ')}: {rate.told()}")
