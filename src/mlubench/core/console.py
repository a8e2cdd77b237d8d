"""The one way to a console of rich: what data says is shown as it is, never read as markup, and lines stay whole."""

from rich.console import Console


def plain_console(*, stderr: bool = False, quiet: bool = False, fold: bool = False) -> Console:
    """A console on which `[red]` and `:smile:` are text, as in a folder's name. Style goes with `rich.text.Text`.

    `fold` fits what is printed to the terminal's width, for tables. Without it a line stays one line, also in a file.
    """
    return Console(
        stderr=stderr,
        quiet=quiet,
        soft_wrap=not fold,
        markup=False,
        emoji=False,
        highlight=False,
    )
