"""Markdown tables of bench/alignment.py, kept apart from the work that fills them."""

from pathlib import Path
from typing import Any

from mlubench.core.files import write_atomic

ANSWERS = {
    "forget quality": "forget_quality",
    "utility": "utility",
    "right picture": "right",
    "wrong picture": "wrong",
    "no picture": "none",
    "alignment gap": "gap_wrong",
    "follows": "follows",
    "log p": "logp_right",
    "drop, wrong": "drop_wrong",
    "drop, none": "drop_none",
}
PROBES = {
    "refitted, retain": "refitted_retain",
    "carried, retain": "carried_retain",
    "refitted, forget": "refitted_forget",
    "carried, forget": "carried_forget",
    "cosine, retain": "cosine_retain",
    "cosine, forget": "cosine_forget",
    "CKA": "cka",
}
SERIES = {"Alignment gap": "gap_wrong", "Follows the picture": "follows", "Right picture": "right"}
WORDS = """\
The questions are of retain entities. **Right**, **wrong** and **no picture**: correctness (judge `rules`, 0-1, by the truth
of the entity asked about) with its own picture, with that of another retain entity of its class of which the same question
has another answer, and without. **Alignment gap**: right - wrong. **Follows**: correctness of the answer to the wrong
picture by the truth about the picture shown. **log p**: of the truth, nats a token, with the right picture; **drop**: how
much it falls with the wrong picture or with none. Probes tell the entity from features of test pictures: **refitted** is
fitted on the state's own features of fit pictures, **carried** on the base's. Cosine and CKA are between features of the
base and of the state. LUMoE is measured as it answers, each picture by the route that its gate gives it; so its refitted
probe may read the route.
"""

Row = dict[str, Any]


def replace_section(path: Path, name: str, text: str) -> None:
    """Put the text between its own two marks in the file, or at its end; what else is there stays."""
    first, last = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    old = path.read_text() if path.is_file() else "# Alignment\n"
    if first in old and last in old:
        before, _, rest = old.partition(first)
        _, _, after = rest.partition(last)
    else:
        before, after = old.rstrip("\n") + "\n\n", ""
    write_atomic(path, before + first + text.rstrip("\n") + "\n" + last + after)


def rates_section(found: dict[str, Any], command: str) -> str:
    head = [
        "images",
        "scope",
        "method",
        "lr",
        "correctness on forget",
        "forget quality",
        "utility",
        "chosen",
    ]
    scores = ("forget_correctness", "forget_quality", "utility")
    rows = []
    for r in found["rows"]:
        mark = "**yes**" if r["chosen"] else ""
        rows.append(
            [
                r["images"],
                r["scope"],
                r["method"],
                f"{r['lr']:g}",
                *(f"{r[k]:.3f}" for k in scores),
                mark,
            ]
        )
    intro = (
        f"Learning rates, task A alone, seed 1, by the rule of `bench/choose_lr.py`: `{command}`."
    )
    return "\n".join([f"### {found['preset']}: learning rates", "", intro, "", *_table(head, rows)])


def study_section(found: dict[str, Any], command: str) -> str:
    """All tables of one preset."""
    rows = found["rows"]
    seeds = sorted({v["seed"] for r in rows if r["method"] != "base" for v in r["seeds"]})
    last = [r["after"] for r in rows if r["method"] != "base"][-1]
    intro = (
        f"Made by `{command}`. Seeds {', '.join(map(str, seeds))}: the mean, and its 95% t-interval over seeds (it may "
        "pass 0 and 1); of the base or a single seed, a bootstrap over entities. All seeds share base and questions."
    )
    lines = [f"### {found['preset']}", "", intro, "", WORDS]
    for refused in found["refused"]:
        where = f"`{refused['images']}` x `{refused['scope']}`"
        lines += [
            f"{where} cannot be trained: with the pictures left out, nothing of the vision part is in the graph "
            f"(*{refused['error']}*)",
            "",
        ]
    lines += _section(f"Answers after {last}", rows, last, ANSWERS)
    for site in ("projector", "language"):
        columns = {name: f"{site}_{measure}" for name, measure in PROBES.items()}
        where = (
            "out of the projector"
            if site == "projector"
            else "of the last layer, where the answer begins"
        )
        lines += _section(f"Features {where}, after {last}", rows, last, columns)
    for title, measure in SERIES.items():
        lines += _series(title, rows, measure)
    lines += _by_seed(rows, last, "gap_wrong", seeds)
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _states(rows: list[Row]) -> list[tuple[str, str, str]]:
    return list(
        dict.fromkeys((r["images"], r["scope"], r["method"]) for r in rows if r["method"] != "base")
    )


def _find(rows: list[Row], state: tuple[str, str, str], after: str, measure: str) -> Row | None:
    wanted = (*state, after, measure)
    keys = ("images", "scope", "method", "after", "measure")
    return next((r for r in rows if tuple(r[k] for k in keys) == wanted), None)


def _show(value: float | None, ci95: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + (f" [{ci95[0]:.2f}, {ci95[1]:.2f}]" if ci95 else "")


def _cell(rows: list[Row], state: tuple[str, str, str], after: str, measure: str) -> str:
    row = _find(rows, state, after, measure)
    return _show(row["mean"], row["ci95"]) if row else "-"


def _section(title: str, rows: list[Row], last: str, columns: dict[str, str]) -> list[str]:
    base = ("", "", "base")
    lines = [["-", "-", "base", *(_cell(rows, base, "0", m) for m in columns.values())]]
    lines += [
        [*state, *(_cell(rows, state, last, m) for m in columns.values())]
        for state in _states(rows)
    ]
    return [f"#### {title}", "", *_table(["images", "scope", "method", *columns], lines), ""]


def _series(title: str, rows: list[Row], measure: str) -> list[str]:
    steps = list(dict.fromkeys(r["after"] for r in rows if r["method"] != "base"))
    first = _cell(rows, ("", "", "base"), "0", measure)
    lines = [
        [*s, first, *(_cell(rows, s, after, measure) for after in steps)] for s in _states(rows)
    ]
    head = ["images", "scope", "method", "base", *(f"after {s}" for s in steps)]
    return [f"#### {title}, task by task", "", *_table(head, lines), ""]


def _by_seed(rows: list[Row], last: str, measure: str, seeds: list[int]) -> list[str]:
    lines = []
    for state in _states(rows):
        row = _find(rows, state, last, measure)
        values = {v["seed"]: _show(v["value"], v["ci95"]) for v in row["seeds"]} if row else {}
        lines.append([*state, *(values.get(seed, "-") for seed in seeds)])
    head = ["images", "scope", "method", *(f"seed {s}" for s in seeds)]
    title = f"#### Alignment gap after {last}, seed by seed, with a bootstrap over entities"
    return [title, "", *_table(head, lines)]
