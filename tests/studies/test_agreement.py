"""Agreement on a run of written verdicts, whose figures can be worked out by hand."""

from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.lines import write_lines
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import write_answers
from mlubench.studies.agreement import agree, agree_with_shipped
from mlubench.studies.labelling import Item, sample_items
from support.rows import answer_row

FACTS = 8


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Judge `a` gives ga 0 and lumoe 2 throughout; `b` gives one point more or less on every fourth answer."""
    folder = RunDir(tmp_path)
    for method, score in (("base", 1), ("ga", 0), ("lumoe", 2)):
        rows = [
            answer_row(id=f"s{n}", fact=f"f{n}", response=f"{method} {n}") for n in range(FACTS)
        ]
        verdicts = [{"id": r.id, "metric": "utility", "score": score, "why": "so"} for r in rows]
        other = [{**v, "score": 1 if n % 4 == 0 else score} for n, v in enumerate(verdicts)]
        other[1]["score"] = None if method == "ga" else score
        for folder_of, lines in (("a", verdicts), ("b", other)):
            folder.verdicts(folder_of, method, "A", "A").parent.mkdir(parents=True)
            write_lines(folder.verdicts(folder_of, method, "A", "A"), lines)
        folder.answers(method, "A", "A").parent.mkdir(parents=True)
        write_answers(folder.answers(method, "A", "A"), rows)
    return folder


def test_two_judges(run: RunDir) -> None:
    assert run.judges() == ["a", "b"]
    (pair,) = agree(run, [], None, resamples=50)["pairs"]
    assert (pair["a"], pair["b"], pair["n"], pair["unscored"]) == ("a", "b", 23, 1)
    assert pair["confusion"] == [[5, 2, 0], [0, 8, 0], [0, 2, 6]]
    assert pair["by_metric"]["forget_quality"]["n"] == 0
    low, high = pair["kappa_quadratic"]["ci95"]
    assert low < pair["kappa_quadratic"]["value"] < high
    ranking = pair["ranking"]["utility"]
    assert [row["method"] for row in ranking["methods"]] == ["ga", "lumoe"]
    assert ranking["methods"][0] == {"method": "ga", "a": 0.0, "b": pytest.approx(1 / 7)}
    assert ranking["kendall"] == ranking["spearman"] == 1
    assert ranking["kendall_ci95"] == (1, 1)
    assert pair["ranking"]["forget_quality"]["kendall"] is None


def test_against_people(run: RunDir) -> None:
    items = [
        Item(**{**vars_of(i), "label": "2" if "lumoe" in i.response else "0"})
        for i in sample_items(run, 99, seed=0)
    ]
    found = agree(run, ["a"], items[:20], resamples=20)
    (pair,) = found["pairs"]
    assert found["judges"] == ["a", "human"]
    assert (pair["n"], pair["unscored"]) == (20, 0)
    assert pair["confusion"][0][2] == pair["confusion"][2][0] == 0


def vars_of(item: Item) -> dict[str, str]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_what_cannot_be_compared_is_said(run: RunDir) -> None:
    with pytest.raises(UsageError, match=r"has 1 judge\(s\) to compare: a"):
        agree(run, ["a"], None, resamples=20)
    with pytest.raises(UsageError, match="'c' has not judged base/A-UA"):
        agree(run, ["a", "c"], None, resamples=20)
    with pytest.raises(MlubenchError, match="no label of the sheet"):
        agree(run, ["a"], [Item("x", "utility", "", "", "", "", "1")], resamples=20)


def test_shipped_labels() -> None:
    found = agree_with_shipped("rules", resamples=20)
    wrong = sum(
        half["n"] - sum(half["confusion"][i][i] for i in range(3))
        for half in found["halves"].values()
    )
    assert wrong == len(found["mistakes"]) > 0
    assert all(row["label"] != row["score"] for row in found["mistakes"])
