"""The sweep's table in the terminal and in Markdown: what is claimed, and text that must not be taken for markup."""

from typing import Any

from rich.console import Console

from mlubench.report.sweep_table import render_sweep, rows_of, sweep_markdown


def measure(
    mean: float | None, ci95: tuple[float, float] | None = None, n: int = 1
) -> dict[str, Any]:
    return {"mean": mean, "ci95": ci95, "n": n, "values": []}


def row(**more: Any) -> dict[str, Any]:
    head = {
        "settings": {"benchmark.order": ["A", "B"], "train.lr": 0.001},
        "method": "lumoe",
        "judge": "rules",
    }
    measures = {"final": measure(0.5), "cells_mean": measure(0.25), "stability": measure(0.125)}
    return {**head, "metric": "utility", "seeds": [0], **measures, **more}


def sweep(*rows: dict[str, Any], stand_ins: bool = False, failed: int = 0) -> dict[str, Any]:
    runs = [{"name": "a", "state": "finished"}]
    runs += [{"name": f"b{n}", "state": "failed", "error": "no|room"} for n in range(failed)]
    return {"file": "x.yaml", "stand_ins": stand_ins, "runs": runs, "summary": list(rows)}


def draw(facts: dict[str, Any]) -> str:
    console = Console(width=120, record=True)
    with console.capture() as captured:
        console.print(render_sweep(facts))
    return captured.get()


def test_one_seed_claims_no_interval() -> None:
    (cells,) = rows_of(sweep(row()))
    assert cells == [
        "benchmark.order=[A, B] train.lr=0.001",
        "LUMoE",
        "Utility",
        "0.500",
        "0.250",
        "0.125",
        "1",
    ]
    text = draw(sweep(row()))
    assert "One seed says nothing of the spread" in text
    assert "95%" not in text
    assert "a dead model is perfectly stable" in " ".join(text.split())


def test_seeds_and_intervals_are_shown() -> None:
    both = row(seeds=[0, 1], final=measure(0.5, (0.41, 0.59), 2), stability=measure(None, n=0))
    (cells,) = rows_of(sweep(both))
    assert cells[3:] == ["0.500 (0.41–0.59)", "0.250 n=1", "-", "2"]
    text = draw(sweep(both))
    assert "95% interval of the mean over seeds" in text
    assert "One seed" not in text


def test_what_is_missing_or_drawn_is_said() -> None:
    text = draw(sweep(row(), stand_ins=True, failed=2))
    assert "2 of 3 runs are not finished" in text
    assert "stand-ins, not photographs" in text
    assert "stand-ins" not in draw(sweep(row()))


def test_judges_are_named_where_there_are_several() -> None:
    cells = rows_of(sweep(row(), row(judge="shuffled")))
    assert [c[1] for c in cells] == ["LUMoE (rules)", "LUMoE (shuffled)"]


def test_settings_are_never_markup() -> None:
    hostile = row(settings={"model.path": "[red]a|b[/red]"})
    assert "[red]a|b[/red]" in draw(sweep(hostile))
    page = sweep_markdown(sweep(hostile, failed=1))
    assert "[red]a\\|b[/red]" in page
    assert "| b0 | failed | no\\|room |" in page
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in table} == {8, 4}
