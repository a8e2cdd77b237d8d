"""`mlubench ask`: one routed answer, with the route and why."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command(
    epilog="""\b
Example:
  mlubench ask runs/toy --image picture.jpg "What is this animal called?"
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("question")
@click.option(
    "--image",
    required=True,
    type=click.Path(path_type=Path),
    help="The picture that the question is about.",
)
@click.option(
    "--base",
    is_flag=True,
    help="Answer without an expert that is disabled, which is otherwise an error.",
)
@click.option("--json", "as_json", is_flag=True)
def ask(run: Path, question: str, image: Path, base: bool, as_json: bool) -> None:
    """Answer QUESTION about a picture with the run's LUMoE: its gate, its experts, its base."""
    from mlubench.core.errors import UsageError

    if not image.is_file():
        raise UsageError(
            f"picture {image} does not exist", "Give a JPEG, PNG or WebP file with --image."
        )
    from mlubench.experiment.asking import ask_run
    from mlubench.models.quiet import quiet

    quiet()

    route, answer = ask_run(run, image, question, base=base)
    if as_json:
        click.echo(json.dumps({"answer": answer, "route": asdict(route)}, ensure_ascii=False))
        return
    where = " + ".join(f"expert {e}" for e in route.experts) or "the untouched base"
    click.echo(answer)
    click.echo(
        f"route: {where}{f' ({route.entity})' if route.entity else ''}; {route.why}", err=True
    )
