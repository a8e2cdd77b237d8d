"""The terminal table: the paper's form, partial runs, and text that must not be taken for markup."""

import copy
import io
import subprocess
import sys

import pytest
from rich.console import Console

from mlubench.core.errors import MlubenchError
from mlubench.report.gate_table import HARM_TITLE, PART_TITLE, gate_cells, harm_cells, part_cells
from mlubench.report.reference_metrics import reference_metrics
from mlubench.report.score_table import (
    duration,
    score_table,
    score_tables,
    unscored_warning,
)
from mlubench.report.table import render_table
from mlubench.runs.results import parse_results
from support.synthetic import HOSTILE, make_results


def draw(results: dict, *, colour: bool = False) -> str:
    console = Console(
        width=120, force_terminal=colour, color_system="standard" if colour else None, record=True
    )
    with console.capture() as captured:
        console.print(render_table(parse_results(results)))
    return captured.get()


def row_of(text: str, name: str, nth: int = 0) -> list[str]:
    return [line.split() for line in text.splitlines() if line.startswith(f"{name} ")][nth]


def test_paper_form() -> None:
    text = draw(make_results(("ga", "lumoe")))
    header = row_of(text, "Method")
    assert header[1:11] == [
        "A-UA",
        "A-UB",
        "A-UC",
        "A-UD",
        "B-UB",
        "B-UC",
        "B-UD",
        "C-UC",
        "C-UD",
        "D-UD",
    ]
    assert header[11:] == ["Final↑", "Stability↓"]
    assert row_of(text, "GA")[1:3] == ["0.380†", "0.220†"]
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert lines.index("Base") < lines.index("GA") < lines.index("LUMoE")
    assert text.count("higher is better") >= 2
    assert "lower is better, but a dead model is perfectly" in text
    assert "stand-ins, not photographs" in text
    assert "Leak rate" in text
    assert ".00–.03" in text


@pytest.mark.parametrize("tasks", ["ABCD", "CABD", "A", "ABCDEF"])
@pytest.mark.parametrize(
    "methods",
    [("ga", "gd", "kl", "npo", "po", "dpo", "lumoe"), ("a_method_with_a_very_long_name",)],
)
def test_fits_120_columns(tasks: str, methods: tuple[str, ...]) -> None:
    text = draw(make_results(methods, tasks))
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    steps = len(tasks) * (len(tasks) + 1) // 2
    heads = [
        word
        for line in text.splitlines()
        if line.startswith("Method")
        for word in line.split()
        if "-U" in word
    ]
    assert len(heads) == 2 * steps


def test_follows_the_order_of_the_run() -> None:
    assert row_of(draw(make_results(("ga",), "CABD")), "Method")[1:6] == [
        "C-UC",
        "C-UA",
        "C-UB",
        "C-UD",
        "A-UA",
    ]


def test_best_method_is_marked_but_neither_base_nor_stability() -> None:
    found = score_table(parse_results(make_results(("ga", "lumoe"))), "rules", "utility")
    base, worse, best = found.rows
    assert all(shown.best for shown in best.scores)
    assert best.final.best
    assert not any(shown.best for row in (base, worse) for shown in [*row.scores, row.final])
    assert not any(row.stability.best for row in found.rows)


def test_upper_bound_is_a_reference_too() -> None:
    results = make_results(("ga", "lumoe"))
    cells = [cell for cell in results["cells"] if cell["method"] == "lumoe"]
    results["upper_bound"] = [{**cell, "method": "lumoe+oracle", "score": 1.0} for cell in cells]
    base, bound, _, best = score_table(parse_results(results), "rules", "utility").rows
    assert (base.reference, bound.reference, best.reference) == (True, True, False)
    assert (bound.label, bound.final.text) == ("LUMoE + oracle", "1.000")
    assert all(shown.best for shown in best.scores)
    assert not any(shown.best for shown in bound.scores)
    assert max(map(len, draw(results).splitlines())) <= 120


def test_equal_scores_are_marked_alike_and_a_lone_method_is_not_marked() -> None:
    results = make_results(("ga", "gd"))
    for cell in results["cells"]:
        cell["score"] = 0.5
    assert all(
        shown.best
        for row in score_table(parse_results(results), "rules", "utility").rows[1:]
        for shown in row.scores
    )
    alone = score_table(parse_results(make_results(("ga",))), "rules", "utility")
    assert not any(shown.best for row in alone.rows for shown in row.scores)


def test_missing_and_unjudged_are_told_apart() -> None:
    results = make_results(("lumoe",))
    cells = results["cells"]
    cells[0] |= {"score": None, "ci95": None, "n": 0, "unscored": 80}
    del cells[1]
    text = draw(results)
    assert row_of(text, "LUMoE")[1:3] == ["?", "–"]
    assert "– not tested; ? no answer could be judged" in text
    assert row_of(text, "Method")[-1] == "Unscored"
    assert row_of(text, "LUMoE")[-1] == "80"
    assert row_of(text, "Method", 1)[-1] == "Stability↓"


def test_red_warning_only_above_one_percent() -> None:
    results = make_results(("ga",), "A", gates=False)
    total = sum(cell["n"] for cell in [*results["cells"], *results["base"]])
    results["cells"][0] |= {"n": 77, "unscored": 3}
    warned = draw(results, colour=True)
    assert f"Warning: 3 of {total} answers (0.9%)" not in warned
    results["cells"][0] |= {"n": 76, "unscored": 4}
    assert unscored_warning(parse_results(results)).startswith(f"4 of {total} answers (1.2%)")
    assert "\x1b[1;31mWarning" in draw(results, colour=True)


def test_all_unscored_is_a_warning_too() -> None:
    results = make_results(("ga",), "A")
    for cell in [*results["cells"], *results["base"]]:
        cell |= {"score": None, "n": 0, "unscored": 5, "ci95": None}
    assert "(100.0%)" in unscored_warning(parse_results(results))


def test_nan_is_no_score() -> None:
    results = make_results(("ga",), "A")
    results["cells"][0]["score"] = float("nan")
    assert row_of(draw(results), "GA")[1] == "?"


def test_partial_runs() -> None:
    results = make_results(("ga",), gates=False)
    results |= {
        "summary": [],
        "base": [],
        "breakdowns": [],
        "run": {"benchmark": {"tasks": list("ABCD")}},
    }
    results["cells"] = [cell for cell in results["cells"] if cell["after"] == "A"]
    text = draw(results)
    assert row_of(text, "GA")[1:4] == ["0.380", "–", "–"]
    assert "Gates" not in text
    assert "stand-ins" not in text
    assert "No scores yet" in draw({"schema_version": 1})


def test_each_judge_has_its_own_table() -> None:
    results = make_results(("ga",))
    results["cells"] += [{**cell, "judge": "llm", "score": 0.111} for cell in results["cells"]]
    text = draw(results)
    assert len(score_tables(parse_results(results))) == 4
    assert "judge rules" in text
    assert "judge llm" in text
    assert "0.111" in text


def test_what_needs_no_judge_has_a_table_of_its_own() -> None:
    results = make_results(("ga", "lumoe"), "AB")
    assert "Beside the judge" not in draw(results)
    for cell in [*results["base"], *results["cells"]]:
        cell["rouge_l"] = 0.2 if cell.get("after") in ("B", None) else 0.9
    text = draw(results)
    assert "ROUGE-L, forget↓  ROUGE-L, retain↑\n" in text.replace("  \n", "\n")
    assert "P(truth)" not in text
    lines = text[text.index("Beside the judge") :].splitlines()
    assert [line.split() for line in lines[2:5]] == [
        [name, "0.200", "0.200"] for name in ("Base", "GA", "LUMoE")
    ]


def test_answers_without_a_probability_are_counted_and_a_gap_is_no_mean() -> None:
    results = make_results(("ga", "lumoe"), "AB")
    for cell in [*results["base"], *results["cells"]]:
        cell |= {
            "truth_probability": 0.25 if cell["task"] == "A" else 0.75,
            "truth_probability_missing": 0,
        }
        if cell.get("method") == "lumoe" and cell["metric"] == "utility":
            cell["truth_probability_missing"] = 3
        if cell.get("method") == "ga" and (cell["task"], cell["after"]) == ("B", "B"):
            cell["truth_probability"] = None
    found = reference_metrics(parse_results(results))
    assert found.head == ["Method", "P(truth), forget↓", "P(truth), retain↑"]
    assert found.rows == [
        ["Base", "0.500", "0.500"],
        ["GA", "–", "–"],
        ["LUMoE", "0.500", "0.500 (6)"],
    ]
    assert "answers without P(truth)" in found.note
    assert "ROUGE-L" not in found.note


def test_text_is_never_markup() -> None:
    results = make_results(("[red]x[/red]",))
    results["run"]["model"] = HOSTILE
    text = draw(results)
    assert "[red]x[/red]" in text
    assert "[red]not" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version 2, this version reads 1"),
        ({"cells": [{"method": "ga"}]}, r"cells\.0\.task: Field required"),
        ({"cells": 3}, "cells: Input should be a valid list, got 3"),
    ],
)
def test_unusable_results_are_one_clear_line(change: dict, message: str) -> None:
    with pytest.raises(MlubenchError, match=message) as error:
        parse_results(copy.deepcopy(make_results()) | change)
    assert "\n" not in str(error.value)


def test_durations() -> None:
    assert [duration(s) for s in (None, 4.25, 59.6, 185, 7800)] == [
        "",
        "4.2 s",
        "1 min 0 s",
        "3 min 5 s",
        "2 h 10 min",
    ]


def test_table_does_not_load_matplotlib_or_torch() -> None:
    code = "import sys, mlubench.report.table; print([m for m in ('matplotlib', 'torch', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_number_of_a_gate_breaks_in_a_narrow_terminal(width: int) -> None:
    results = parse_results(make_results())
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_table(results, width))
    _, _, gates = console.export_text().partition("Gates\n")
    for row in results.gates:
        for cell in gate_cells(row):
            rate, _, interval = cell.partition(" (")
            assert rate in gates
            # Bounds stand below the rate, without the zeros before the point.
            low, _, high = interval.rstrip(")").partition("–")
            if high:
                assert f"{low.removeprefix('0')}–{high.removeprefix('0')}" in gates
    assert max(map(len, gates.splitlines())) <= width


def gates_with_kinds() -> dict:
    """Results whose gates were asked about strangers and about two kinds of pictures."""
    results = make_results()
    results["gates"][0]["configured"] = True
    for gate in results["gates"]:
        gate |= {
            "stranger_rate": 0.611111,
            "stranger_rate_ci95": (0.449429, 0.751995),
            "stranger_rate_n": 36,
        }
        for kind, leak in (("other-photo", 0.25), ("same-photo", 0.0)):
            part = {
                "by": "picture",
                "value": kind,
                "leak_rate": leak,
                "leak_rate_ci95": (0.071, 0.591),
                "leak_rate_n": 8,
                "over_refusal_rate": None,
                "over_refusal_rate_ci95": None,
                "over_refusal_rate_n": 0,
                "wrong_expert_rate": 0.0,
                "wrong_expert_rate_ci95": (0.0, 0.324),
                "wrong_expert_rate_n": 8,
            }
            gate.setdefault("breakdowns", []).append(part)
    return results


def test_strangers_stand_beside_the_other_rates() -> None:
    row = parse_results(gates_with_kinds()).gates[0]
    assert gate_cells(row)[6] == "0.611 (0.45–0.75)"
    # Of a run by an earlier version nobody knows.
    assert gate_cells(parse_results(make_results()).gates[0])[6] == "–"
    assert "Strangers↓" in draw(gates_with_kinds())


def test_why_there_are_no_strangers_is_said() -> None:
    results = make_results()
    for gate in results["gates"]:
        gate["no_strangers"] = "no folder is named"
    said = " ".join(draw(results).split())
    assert "No strangers were asked about: no folder is named." in said
    assert "No strangers" not in draw(make_results())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_told_and_lost_stands_below_the_gates(width: int) -> None:
    told = {
        **{"second_look": "band", "held_back": 3},
        **{"harm_rate": 0.0125, "harm_rate_ci95": (0.002, 0.067), "harm_rate_n": 80},
        **{"draft_harm_rate": 0.05, "draft_lost_rate": 0.0},
        **{"lost_rate": 0.025, "lost_rate_ci95": (0.007, 0.087), "lost_rate_n": 79},
    }
    results = make_results()
    results["gates"][0] |= told
    gates = parse_results(results).gates
    assert harm_cells(gates) == [
        [
            harm_cells(gates)[0][0],
            "UD",
            "band",
            "0.013 (0.00–0.07)",
            "0.050",
            "0.025 (0.01–0.09)",
            "0.000",
            "3",
            "80/79",
        ]
    ]
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_table(parse_results(results), width))
    _, _, below = console.export_text().partition(f"{HARM_TITLE}\n")
    assert "80/79" in below and "band" in below
    assert max(len(line.rstrip()) for line in below.splitlines()) <= width
    # Older runs say nothing of it.
    assert HARM_TITLE not in draw(make_results())


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_gates_stand_apart_by_kind_of_picture(width: int) -> None:
    results = parse_results(gates_with_kinds())
    assert part_cells(results.gates)[0] == [
        "embedding (in use)",
        "UD",
        "other-photo",
        "0.250 (0.07–0.59)",
        "–",
        "0.000 (0.00–0.32)",
        "8/0",
    ]
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_table(results, width))
    _, _, parts = console.export_text().partition(f"{PART_TITLE}\n")
    lines = [line.rstrip() for line in parts.splitlines()]
    assert sum("other-photo" in line for line in lines) >= 1
    # The page has the others too.
    assert not any("vlm" in line for line in lines)
    assert any(".07–.59" in line for line in lines)
    assert max(map(len, lines)) <= width
    # Where kinds are not told apart, nothing is said of them.
    assert PART_TITLE not in draw(make_results())


def test_the_papers_scores_stand_below_each_method_that_it_published() -> None:
    found = score_table(
        parse_results(make_results(("ga", "gd", "lumoe"))), "rules", "utility", with_paper=True
    )
    assert [row.label for row in found.rows][1:] == [
        "GA",
        "GA, paper",
        "GD",
        "LUMoE",
        "LUMoE, paper",
    ]
    paper = dict(zip(found.columns, found.rows[-1].scores, strict=True))
    assert paper["A-UA"].text == "0.930"
    assert paper["D-UD"].text == "0.910"
    # Not published.
    assert paper["B-UB"].text == "–"
    assert not any(shown.best for shown in paper.values())


def test_runs_from_before_there_was_a_protocol_are_held_out() -> None:
    results = make_results(("ga",))
    assert "protocol" not in results["run"].get("benchmark", {})
    text = draw(results)
    assert "held-out protocol" in text
    assert "Do not compare with held-out scores" not in text
