"""The command line: a group whose commands are imported only when they are called, and errors as one line."""

import sys

import click

from mlubench.cli.lazy import LazyCommand, LazyGroup
from mlubench.cli.streams import guard_streams, restart_in_utf8, stray_bytes
from mlubench.core.errors import MlubenchError, UsageError, sentences, written_to
from mlubench.core.version import __version__

# In the order of help. `mlubench --help` imports nothing else.
COMMANDS = {
    "run": LazyCommand(
        "run:run",
        "Whole experiment: unlearn task after task, test, report. Resumes by itself.",
    ),
    "sweep": LazyCommand(
        "sweep:sweep",
        "Many runs from one file, on this machine or on SLURM, and one table of them all.",
    ),
    "status": LazyCommand("status:status", "How far a run has come."),
    "report": LazyCommand("report:report", "Draw the table and report.html of a run again."),
    "claims": LazyCommand("claims:claims", "Which of the paper's claims hold in finished runs."),
    "audit": LazyCommand(
        "audit:audit", "Attack what a run built, and exit with 1 where a bound is broken."
    ),
    "judge": LazyCommand(
        "judge.group:judge", "Judge a run's answers again, without running any model."
    ),
    "ask": LazyCommand(
        "ask:ask",
        "One routed answer of the LUMoE of a run or a store, with the route and why.",
    ),
    "serve": LazyCommand(
        "serve:serve",
        "The LUMoE of a run or a store behind an OpenAI-compatible address.",
    ),
    "keys": LazyCommand("keys:keys", "Who may ask a server: keys with scopes, kept as hashes."),
    "request": LazyCommand(
        "request:request",
        "Deletion requests: submit, approve, have an expert trained and measured, revert.",
    ),
    "ledger": LazyCommand(
        "ledger:ledger",
        "What was done about deletion requests: list, export, verify, anchor, destroy details.",
    ),
    "experts": LazyCommand(
        "experts.group:experts",
        "Experts of a run or a store: list, verify, switch, roll back, carry elsewhere.",
    ),
    "data": LazyCommand(
        "data.group:data", "Benchmark data: build a new one, check, audit, count, draw."
    ),
    "parts": LazyCommand(
        "parts:parts",
        "Pretrained parts of a small real model: fetch once, list with licences, verify, assemble.",
    ),
    "model": LazyCommand(
        "model:model", "Does a model of your own work with all of this? Tried in a minute."
    ),
    "list": LazyCommand(
        "list:list_names",
        "What can be asked for by name: presets, methods, gates, judges, models, attacks, settings.",
    ),
}
EPILOG = """\b
Examples:
  mlubench run smoke                     about a minute, nothing to download
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
    # Imported here, since help is to stay fast.
    from mlubench.core.allocator import keep_freed_memory

    keep_freed_memory()


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit code 0: done, 1: failed, 2: wrong use, 130: interrupted."""
    if arguments is None:
        restart_in_utf8()
        guard_streams()
        arguments = sys.argv[1:]
    sys.exit(_run(arguments))


def _run(words: list[str]) -> int:
    """Run one command; what went wrong is said in one line. Returns the exit code."""
    # Looked up here, since an error in the command line itself comes before click has read it.
    debug = "--debug" in words
    try:
        # Without click's own handling of errors, which would print its usage and exit by itself.
        stray = stray_bytes(words)
        if stray is not None:
            raise UsageError(f"'{stray}' holds bytes that are no UTF-8 text", "Write it in UTF-8.")
        outcome: object = cli.main(args=words, prog_name="mlubench", standalone_mode=False)
        # Here, so that a disk that is full is an error of this command.
        sys.stdout.flush()
        # A command returns its exit code, or nothing; so does `ctx.exit`.
        return outcome if isinstance(outcome, int) else 0
    except MlubenchError as error:
        if debug:
            raise
        return _report_error(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # Who gives no command wants to see which there are.
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        where = "mlubench"
        if isinstance(error, click.UsageError) and error.ctx:
            where = error.ctx.command_path
        message = sentences(error.format_message(), f"See `{where} --help`.")
        return _report_error(message, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _report_error("interrupted; the same command goes on from here", 130)
    except OSError as error:
        if debug:
            raise
        # A full disk, a folder without permission: nothing in the program is wrong.
        return _report_error(
            f"{error.strerror or error}: {written_to(error)}. Free space or mend the path; the same "
            "command goes on from here.",
            1,
        )


def _report_error(message: str, code: int) -> int:
    # One line whatever the message holds, so that logs can be searched by line.
    click.echo(f"mlubench: error: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    main()
