"""The table and the figure of the study of consolidation."""

from pathlib import Path
from typing import Any

from mlubench.core.files import write_atomic

HEAD = (
    "N",
    "K",
    "way",
    "rank",
    "bytes",
    "of N experts",
    "cut off",
    "forget quality",
    "utility",
    "locality",
)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a line for every store that was measured."""
    whole = {r["n"]: r["bytes"] for r in rows if r["way"] == "none"}
    lines = ["| " + " | ".join(HEAD) + " |", "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|"]
    for r in rows:
        cut = f"{r['error']:.0%}" if "error" in r else ""
        scores = [f"{r[key]:.3f}" for key in ("forget_quality", "utility", "locality")]
        share = f"{r['bytes'] / whole[r['n']]:.0%}"
        cells = [r["n"], r["k"], r["way"], r["rank"], f"{r['bytes']:,}", share, cut, *scores]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def figure(rows: list[dict[str, Any]], out: Path) -> None:
    """Forget quality against bytes, a panel for every N, a line for every way at every rank."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "mlubench"
    sizes = sorted({r["n"] for r in rows})
    drawn = Figure(figsize=(3.2 * len(sizes), 3.4), layout="constrained")
    panels = drawn.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    ways = list(dict.fromkeys((r["way"], r["rank"]) for r in rows if r["way"] != "none"))
    for panel, n in zip(panels, sizes, strict=True):
        for number, (way, rank) in enumerate(ways):
            line = sorted(
                (r["bytes"], r["forget_quality"])
                for r in rows
                if (r["n"], r["way"], r["rank"]) == (n, way, rank)
            )
            if line:
                panel.plot(
                    *zip(*line, strict=True),
                    "o-" if rank == 4 else "s--",
                    color=f"C{number}",
                    ms=4,
                    label=f"{way}, rank {rank}",
                )
        (start,) = [r for r in rows if r["n"] == n and r["way"] == "none"]
        panel.plot([start["bytes"]], [start["forget_quality"]], "k*", ms=10, label="as trained")
        panel.set(xscale="log", title=f"{n} experts", xlabel="bytes", ylim=(0, 1.05))
    panels[0].set_ylabel("forget quality")
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(out, metadata={"Date": None})


def write_report(found: dict[str, Any], out: Path) -> None:
    """The table as `out` and the figure beside it, under the same name."""
    head = (
        "# Storage against quality\n\n"
        f"`python bench/experts.py --out {out.name}`, seed {found['seed']}. The base knows {found['base_knows']:.3f}"
        f" of what is asked; {found['tested']['forget']} forget and {found['tested']['retain']} retain questions"
        " at the largest N.\n"
        f"\n![Forget quality against bytes]({out.stem}.svg)\n\n"
    )
    write_atomic(out, head + table(found["rows"]) + "\n")
    figure(found["rows"], out.with_suffix(".svg"))
