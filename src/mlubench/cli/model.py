"""`mlubench model`: whether a user's model works with all of this, and a vision model tuned for the gate."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlubench.cli.options import JSON, PATH
from mlubench.cli.output import print_json
from mlubench.core.errors import sentences

if TYPE_CHECKING:
    from mlubench.data.background import Background
    from mlubench.experiment.model_check.findings import Finding, ModelCheck
    from mlubench.models.encoders import VisionModel
    from mlubench.settings.model import Quantization

# Columns of outcomes and of steps.
OUTCOME_WIDTH = 9
STEP_WIDTH = 25


@click.group(
    epilog="""\b
Examples:
  mlubench model check models/my-llava
  mlubench model tune models/clip models/clip-tuned --background photos
"""
)
def model() -> None:
    """A multimodal model of your own."""


@model.command(
    epilog="""\b
Examples:
  mlubench model check models/my-llava
  mlubench model check Qwen/Qwen3-VL-4B-Instruct --dtype bfloat16
  mlubench model check models/my-llava --quantization 4bit
  mlubench model check models/my-llava --json
"""
)
@click.argument("folder", metavar="FOLDER")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="Precision of the weights; auto: as they are saved.",
)
@click.option(
    "--quantization",
    type=click.Choice(["none", "4bit", "8bit"]),
    default="none",
    show_default=True,
    help="Hold the language model's matrices in fewer bits.",
)
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="Module that registers the model's classes.",
)
@JSON
def check(
    folder: str,
    device: str,
    dtype: str,
    quantization: "Quantization",
    plugins: tuple[str, ...],
    as_json: bool,
) -> int:
    """Walk the whole path of a run with the model in FOLDER: ask, see, train a little, mix experts, generate.

    Exit code 0: everything works that a run needs. What is missing, some runs can do without.
    """
    from mlubench.experiment.model_check.check import check_model
    from mlubench.models.plugins import register_model_classes
    from mlubench.models.quiet import quiet

    quiet()
    register_model_classes(plugins)
    tell = _ignore if as_json else _print_finding
    found = check_model(folder, device=device, dtype=dtype, quantization=quantization, tell=tell)
    if as_json:
        print_json({"passed": found.passed, **asdict(found)})
    else:
        click.echo(_verdict(found))
    return 0 if found.passed else 1


@model.command(
    epilog="""\b
Examples:
  mlubench model tune models/clip models/clip-tuned --background photos
  mlubench run real -s gates.encoder=models/clip-tuned -s gates.background=photos
  mlubench model tune efficientnet-lite0 my-eye --background real     the tower of the real base
"""
)
@click.argument("source", metavar="MODEL")
@click.argument("out", metavar="OUT", type=PATH)
@click.option(
    "--background",
    required=True,
    metavar="FOLDER|real|drawn",
    help="Pictures of other things to learn from, as gates.background; or those of a benchmark.",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="New pictures of them that are learned from: about 20 a second on one core.",
)
@click.option("--seed", default=0, show_default=True)
@JSON
def tune(source: str, out: Path, background: str, pictures: int, seed: int, as_json: bool) -> None:
    """Tune a vision model for the picture gate: its last third learns to tell apart things that nobody asked to forget.

    MODEL is a folder of a vision model, as CLIP, or the name of a fetched part. OUT can then be named as gates.encoder,
    with the same pictures as gates.background. An interrupted call goes on where it was.
    """
    from mlubench.core.files import require_empty
    from mlubench.lumoe.gates.tuning import Tuning, tuned_folder
    from mlubench.models.quiet import quiet

    quiet()
    require_empty(out)
    tuning = Tuning(pictures=pictures, seed=seed)
    facts = tuned_folder(_vision_named(source), _background_named(background), tuning, out)
    if as_json:
        print_json({"folder": str(out), **facts})
    else:
        click.echo(f"{out}: use it with -s gates.encoder={out}")


def _vision_named(source: str) -> "VisionModel":
    from mlubench.models.encoders import load_vision
    from mlubench.models.real.assembly import VISION, own_vision

    return own_vision() if source == VISION else load_vision(Path(source))


def _background_named(name: str) -> "Background":
    from mlubench.data.background import drawn_background, folder_background, real_background

    if name == "real":
        return real_background()
    return drawn_background() if name == "drawn" else folder_background(Path(name))


def _ignore(finding: "Finding") -> None:
    """All is printed at once in the end."""


def _print_finding(finding: "Finding") -> None:
    text = sentences(finding.detail, finding.do)
    click.echo(f"{finding.outcome:<{OUTCOME_WIDTH}}{finding.step:<{STEP_WIDTH}}{text}")


def _verdict(found: "ModelCheck") -> str:
    counts = {"fails": 0, "missing": 0, "not tried": 0}
    for finding in found.findings:
        if finding.outcome in counts:
            counts[finding.outcome] += 1
    if not found.passed:
        return (
            f"{found.model} cannot take a run: {counts['fails']} step(s) that every run needs fail"
        )
    if counts["missing"]:
        return f"{found.model} can take a run; {counts['missing']} thing(s) are missing that some runs use"
    return f"{found.model} can take a run"
