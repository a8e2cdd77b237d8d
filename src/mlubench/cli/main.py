"""The command line: a group whose commands are imported only when they are called, and errors as one line."""

import sys
from typing import Any

import click

from mlubench.cli.lazy import LazyGroup
from mlubench.core.errors import MlubenchError
from mlubench.core.version import __version__

# name -> (module:attribute, summary): so that `mlubench --help` imports nothing else.
COMMANDS = {
    "run": (
        "run:run",
        "Whole experiment: unlearn task after task, test, report. Resumes by itself.",
    ),
    "sweep": (
        "sweep:sweep",
        "Many runs from one file, on this machine or on SLURM, and one table of them all.",
    ),
    "status": ("status:status", "How far a run has come."),
    "report": ("report:report", "Draw the table and report.html of a run again."),
    "judge": ("judge.group:judge", "Judge a run's answers again, without running any model."),
    "ask": (
        "ask:ask",
        "One routed answer of the LUMoE of a run or a store, with the route and why.",
    ),
    "experts": (
        "experts.group:experts",
        "Experts of a run or a store: list, verify, switch, roll back, carry elsewhere.",
    ),
    "data": ("data.group:data", "Benchmark data: build a new one, check, audit, count, draw."),
    "list": (
        "list:list_names",
        "What can be asked for by name: presets, methods, gates, judges, models.",
    ),
}
EPILOG = """\b
Examples:
  mlubench run smoke                     a few minutes, nothing to download
  mlubench run toy --out runs/toy        all seven methods
  mlubench report runs/toy               the table again, and report.html
"""


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Lifelong unlearning in multimodal LLMs: the MLUBench protocol, its methods, and LUMoE."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit code 0: done, 1: failed, 2: wrong use, 130: interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    sys.exit(_run(words, debug="--debug" in words))


def _run(words: list[str], *, debug: bool) -> int:
    try:
        outcome: Any = cli.main(args=words, prog_name="mlubench", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except MlubenchError as error:
        if debug:
            raise
        return _say(str(error), error.exit_code)
    except click.ClickException as error:
        where = (
            error.ctx.command_path
            if isinstance(error, click.UsageError) and error.ctx
            else "mlubench"
        )
        return _say(f"{error.format_message()} See `{where} --help`.", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted; the same command goes on from here", 130)
    except OSError as error:
        if debug:
            raise
        return _say(
            f"{error.strerror or error}: {error.filename or 'no file named'}. Free space or mend the path; the same "
            "command goes on from here.",
            1,
        )


def _say(message: str, code: int) -> int:
    click.echo(f"mlubench: error: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    main()
