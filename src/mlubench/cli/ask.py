"""`mlubench ask`: one routed answer, with the route and why."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.opening import BASE_MODEL, PLACE, open_lumoe
from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json

if TYPE_CHECKING:
    from mlubench.models.chat_template import History


@click.command(
    epilog="""\b
Examples:
  mlubench ask runs/toy --image picture.jpg "What is this animal called?"
  mlubench ask runs/toy --image picture.jpg --history turns.json "And where does it live?"
  mlubench ask runs/toy "Who painted the Mona Lisa?"
  mlubench ask experts --base-model models/llava --image picture.jpg "Who is this?"
"""
)
@PLACE
@click.argument("question")
@click.option(
    "--image",
    type=PATH,
    help="The picture that the question, or the whole dialogue, is about. Left out, it is asked in words alone.",
)
@click.option(
    "--history",
    metavar="FILE",
    type=PATH,
    help="The turns before the question, oldest first, as a JSON list: "
    '[{"question": "Who is this?", "answer": "A painter."}]. The gate is asked about every turn.',
)
@BASE_MODEL
@click.option(
    "--base",
    is_flag=True,
    help="Answer without an expert that is disabled, which is otherwise an error.",
)
@JSON
def ask(
    place: Path,
    question: str,
    image: Path | None,
    history: Path | None,
    base_model: str | None,
    base: bool,
    as_json: bool,
) -> None:
    """Answer QUESTION with a LUMoE: its gate, its experts, its base, and a second look at what is about to be said.

    RUN is the folder of a run, STORE a plain folder of experts, as `mlubench experts import` fills it.
    """
    if image is not None:
        _require_picture(image)
    turns = _turns(history) if history is not None else ()
    # What follows loads torch, which takes seconds: only once there is a picture to ask about.
    from mlubench.lumoe.gates.base import statement_of

    lumoe = open_lumoe(place, base_model)
    answer = lumoe.answer(question, image, history=turns, leave_out_disabled=base)
    route = answer.route
    assert route is not None, "an answer without an error has a route"
    look = answer.second_look
    stated = statement_of(lumoe.gate)
    if as_json:
        told = {"answer": answer.text, "route": asdict(route)}
        if stated is not None:
            told["stated"] = {**stated.model_dump(exclude={"requests"}), "flagged": stated.flagged}
        if look is not None:
            shown = asdict(look)
            # The draft is what must not leave.
            del shown["draft"]
            told["second_look"] = shown
        print_json(told)
        return
    click.echo(answer.text)
    where = "refused" if route.refused else "the untouched base"
    if route.experts:
        where = " + ".join(f"expert {expert}" for expert in route.experts)
    entity = f" ({route.entity})" if route.entity else ""
    # To stderr, so that stdout holds the answer alone.
    click.echo(f"route: {where}{entity}; {route.why}", err=True)
    if stated is not None:
        click.echo(f"gate: {stated.in_words()}", err=True)
        if route.entity in stated.flagged:
            click.echo(f"gate: {route.entity}: {stated.flagged[route.entity]}", err=True)
    if look is not None:
        instead = " + ".join(f"expert {expert}" for expert in look.experts) or "a fixed refusal"
        click.echo(f"second look: {instead} in its place; {look.why}", err=True)


def _require_picture(image: Path) -> None:
    """Raises UsageError where there is no file, UnusablePictureError where it cannot be used."""
    from mlubench.core.errors import UsageError
    from mlubench.data.pictures import MISSING, UnusablePictureError, open_picture

    try:
        open_picture(image)
    except UnusablePictureError as error:
        if error.problem != MISSING:
            raise
        raise UsageError(
            f"picture {image} does not exist", "Give a JPEG, PNG or WebP file with --image."
        ) from None


def _turns(file: Path) -> "History":
    """The turns in a file of --history. Raises UsageError that names the file."""
    from mlubench.core.errors import MlubenchError, UsageError
    from mlubench.core.reading import read_json
    from mlubench.models.chat_template import as_history

    try:
        return as_history(read_json(file, object))
    except UsageError as error:
        raise UsageError(f"{file}: {error.what}", error.hint) from None
    except MlubenchError as error:
        raise UsageError(error.what, "Give a JSON file with --history.") from None
