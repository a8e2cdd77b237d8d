"""A model that refuses everything is no success: its archives are marked dead, and none of their scores is the best."""

from mlubench.report.differences import differences
from mlubench.report.liveness import dead_archives
from mlubench.report.score_table import score_table
from mlubench.runs.results import Results, parse_results
from support.synthetic import make_cell, make_results


def results_of(utilities: dict[str, dict[str, float]]) -> Results:
    """Two tasks, a base of utility 0.8 on both; by method and X-UY its utility. Forget quality is 1 less utility."""
    raw = make_results(tuple(utilities), "AB", gates=False)
    cells = []
    for method, by_step in utilities.items():
        for step, utility in by_step.items():
            task, after = step.split("-U")
            cells.append(make_cell(method, task, after, "utility", utility))
            cells.append(make_cell(method, task, after, "forget_quality", round(1 - utility, 3)))
    raw["cells"] = cells
    for cell in raw["base"]:
        if cell["metric"] == "utility":
            cell["score"] = 0.8
    for summary in raw["summary"]:
        last = utilities[summary["method"]]
        final = (last["A-UB"] + last["B-UB"]) / 2
        summary["final"] = {"utility": final, "forget_quality": 1 - final}
    return parse_results(raw)


RESULTS = {
    # 0.3 + 0.5 is half of 0.8 + 0.8: still alive after B. After A, 0.39 is less than half of 0.8.
    "ga": {"A-UA": 0.39, "A-UB": 0.3, "B-UB": 0.5},
    "npo": {"A-UA": 0.7, "A-UB": 0.0, "B-UB": 0.1},
    "lumoe": {"A-UA": 0.8, "A-UB": 0.8, "B-UB": 0.7},
}


def test_an_archive_is_dead_below_half_of_the_base() -> None:
    assert dead_archives(results_of(RESULTS), "rules") == {("ga", "A"), ("npo", "B")}


def test_without_a_score_of_the_base_none_is_called_dead() -> None:
    results = results_of(RESULTS)
    results.base.clear()
    assert dead_archives(results, "rules") == set()


def test_another_judges_scores_say_nothing() -> None:
    assert dead_archives(results_of(RESULTS), "openai:other") == set()


def test_the_best_of_a_column_is_alive() -> None:
    ga, npo, lumoe = score_table(results_of(RESULTS), "rules", "forget_quality").rows[1:]
    # Columns A-UA, A-UB, B-UB: the highest, 0.61, 1.0 and 0.9, are those of dead archives.
    assert [shown.marked for shown in ga.scores] == ["0.610†", "0.700", "0.500"]
    assert [shown.marked for shown in npo.scores] == ["0.300", "1.000†", "0.900†"]
    assert [shown.best for shown in ga.scores] == [False, True, True]
    assert [shown.best for shown in npo.scores] == [True, False, False]
    assert not any(shown.best for shown in lumoe.scores)
    assert (npo.final.marked, npo.final.best, ga.final.best) == ("0.950†", False, True)


def test_the_only_one_alive_is_the_best() -> None:
    dead = {"A-UA": 0.0, "A-UB": 0.0, "B-UB": 0.0}
    table = score_table(
        results_of({"ga": dead, "lumoe": RESULTS["lumoe"]}), "rules", "forget_quality"
    )
    assert all(shown.best for shown in table.rows[-1].scores)
    assert "† dead" in table.legend


def test_a_table_of_living_archives_needs_no_legend() -> None:
    table = score_table(results_of({"lumoe": RESULTS["lumoe"]}), "rules", "utility")
    assert "†" not in table.legend


def test_methods_are_compared_with_the_best_that_is_alive() -> None:
    results = results_of(RESULTS)
    raw = results.as_json()
    pairs = [("ga", "npo", -0.35), ("ga", "lumoe", 0.35), ("npo", "lumoe", 0.7)]
    raw["comparisons"] = []
    for a, b, difference in pairs:
        row = {"metric": "forget_quality", "task": "all", "after": "B", "a": a, "b": b}
        raw["comparisons"].append({**row, "difference": difference, "n": 80, "judge": "rules"})
    lines = differences(parse_results(raw), "rules")
    assert [line[1:3] for line in lines] == [["GA − NPO", "-0.350"], ["GA − LUMoE", "+0.350"]]
