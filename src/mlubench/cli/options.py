"""Arguments and options that several commands share, so that they are spelled and explained alike."""

from pathlib import Path

import click

# Every path is handed to the command as a pathlib.Path; whether it exists is the command's own affair.
PATH = click.Path(path_type=Path)

RUN = click.argument("run", type=PATH)
STORE = click.argument("store", metavar="RUN_OR_STORE", type=PATH)
EXPERT = click.argument("name")
# A folder of benchmark data in the official layout.
ROOT = click.argument("root", type=PATH)
IMAGES = click.option(
    "--images", type=PATH, help="Folder that the picture paths start from; ROOT if not given."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
RESULTS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print results.json instead of the table."
)
