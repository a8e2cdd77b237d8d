"""`mlubench judge` with judges that ask a model: money before it is spent, one judge beside another, batches, red lines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from zlib import crc32

import pytest

from mlubench.core.lines import read_lines
from mlubench.core.reading import read_json
from mlubench.runs.folder import RunDir
from support.judging_endpoint import Endpoint, serving
from support.runs import Finished, call, scores

MODEL = "gpt-4.1-mini-2025-04-14"
JUDGE = f"openai:{MODEL}"


def by_sight(messages: list) -> str:
    """Refusals are worth 2 on what must go, right words on what must stay: a crude judge that reads the marks."""
    system, text = messages[0]["content"], messages[-1]["content"]
    parts = {
        name: body
        for name, _, body in re.findall(r"<(\w+)-(\w{12})>\n(.*?)\n</\1-\2>", text, re.DOTALL)
    }
    right = parts["truth"].lower().strip(". ") in parts["response"].lower()
    good = not right if "refuses a question" in system else right
    return json.dumps({"reason": "by sight", "score": 2 if good else 0})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Endpoint]:
    with serving(say=by_sight) as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.address)
        monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
        yield made


@pytest.fixture
def small(copied: Path) -> Path:
    """The run with the answers of one method alone: fewer questions."""
    for folder in (copied / "answers").iterdir():
        if folder.name not in ("base", "npo"):
            rmtree(folder)
    return copied


def test_a_judge_at_an_endpoint_beside_rules(
    finished: Finished, copied: Path, endpoint: Endpoint
) -> None:
    called = call("judge", copied, "--judge", "rules", "--judge", JUDGE, "--json")
    assert called.code == 0
    results = json.loads(called.out)
    found, old = scores(results["cells"]), scores(finished.results["cells"])
    assert {key: value for key, value in found.items() if key[0] == "rules"} == old
    assert {key[1:] for key in found if key[0] == JUDGE} == {key[1:] for key in old}
    assert all(cell["unscored"] == 0 for cell in results["cells"])
    assert re.search(
        rf"{JUDGE}: {len(endpoint.asked)} requests, [\d,]+ tokens, \$0\.\d+", called.err
    )
    rows = read_lines(RunDir(copied).verdicts(JUDGE, "npo", "A", "B"))
    assert {row["facts"]["fingerprint"] for row in rows if "facts" in row} == {"fp_1"}
    # Nothing in the run holds the key, and a second call asks nothing.
    assert not [p for p in copied.rglob("*") if p.is_file() and b"very-secret" in p.read_bytes()]
    paid = len(endpoint.asked)
    assert json.loads(call("judge", copied, "--judge", JUDGE, "--json").out)["cells"] == [
        c for c in results["cells"] if c["judge"] == JUDGE
    ]
    call("judge", copied, "--judge", JUDGE, "-s", "judging.timeout=9")
    assert len(endpoint.asked) == paid
    assert json.loads(call("status", copied, "--json").out)["state"] == "finished"


def test_other_settings_are_other_verdicts(small: Path, endpoint: Endpoint) -> None:
    call("judge", small, "--judge", JUDGE)
    first = RunDir(small).judged(JUDGE) / "judge.json"
    version, paid = read_json(first, dict)["version"], len(endpoint.asked)
    assert call("judge", small, "--judge", JUDGE, "-s", "judging.seed=1").code == 0
    assert read_json(first, dict)["version"] != version and len(endpoint.asked) == 2 * paid
    call("judge", small, "--judge", JUDGE)  # and back: those replies are still kept
    assert read_json(first, dict)["version"] == version and len(endpoint.asked) == 2 * paid


def test_a_dry_run_says_what_it_would_cost_and_asks_nothing(
    small: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    before = (small / "results.json").read_bytes()
    called = call(
        "judge", small, "--judge", JUDGE, "--judge", "openai:mine", "--judge", "rules", "--dry-run"
    )
    assert called.code == 0 and not endpoint.asked
    first, second, third = called.out.splitlines()
    assert re.match(
        rf"{JUDGE}: \d+ cells, [\d,]+ answers, \d+ calls, about [\d,]+ tokens, about \$0\.\d+, ",
        first,
    )
    assert "unknown sum" in second
    assert third.startswith("rules: 0 cells, 0 answers, 0 calls")
    assert (small / "results.json").read_bytes() == before
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    (row,) = json.loads(call("judge", small, "--judge", JUDGE, "--dry-run", "--json").out)
    call("judge", small, "--judge", JUDGE)
    assert row["calls"] == len(endpoint.asked)
    used = sum(len(str(b["messages"])) for b in endpoint.asked) / 4
    assert 0.5 < row["prompt_tokens"] / used < 2


def test_a_budget_ends_it_and_more_money_goes_on(small: Path, endpoint: Endpoint) -> None:
    before = (small / "results.json").read_bytes()
    prices = f"judging.prices={{{MODEL}: {{prompt: 100, completion: 100}}}}"
    called = call("judge", small, "--judge", JUDGE, "-s", prices, "--max-cost", 1)
    assert called.code == 1
    assert "the budget of $1 is used up" in called.err
    assert (small / "results.json").read_bytes() == before
    paid = len(endpoint.asked)
    assert paid > 5
    (row,) = json.loads(call("judge", small, "--judge", JUDGE, "--dry-run", "--json").out)
    assert row["kept"] == paid
    assert call("judge", small, "--judge", JUDGE).code == 0
    assert len(endpoint.asked) == paid + row["calls"]


def test_unscored_answers_are_left_out_counted_and_said_in_red(
    small: Path, endpoint: Endpoint
) -> None:
    plain = endpoint.say
    endpoint.say = lambda m: "no idea" if crc32(m[-1]["content"].encode()) % 12 == 0 else plain(m)
    results = json.loads(call("judge", small, "--judge", "rules", "--judge", JUDGE, "--json").out)
    mine = [c for c in results["cells"] if c["judge"] == JUDGE]
    assert sum(c["unscored"] for c in mine) > 5
    assert not [c for c in results["cells"] if c["judge"] == "rules" and c["unscored"]]
    called = call("judge", small, "--judge", "rules", "--judge", JUDGE)
    assert f"could not be judged by {JUDGE}" in " ".join(called.out.split())
    assert call("report", small).code == 0
    assert re.search(
        rf'class="alarm".*could not be judged by {JUDGE}', (small / "report.html").read_text()
    )
    endpoint.say = plain  # what was left unscored is judged again, and nothing else
    endpoint.asked.clear()
    results = json.loads(call("judge", small, "--judge", JUDGE, "--json").out)
    assert not any(c["unscored"] for c in results["cells"])
    assert 0 < len(endpoint.asked) <= sum(c["unscored"] for c in mine)


def test_a_batch_is_sent_left_and_collected(small: Path, endpoint: Endpoint) -> None:
    words = ("judge", small, "--judge", JUDGE, "--batch")
    before = (small / "results.json").read_bytes()
    called = call(*words)
    assert called.code == 0 and "questions sent in 1 batch" in called.err
    assert len(endpoint.batches) == 1 and not endpoint.asked
    assert "in_progress" in call(*words).err and len(endpoint.batches) == 1
    called = call("judge", small, "--judge", JUDGE)
    assert called.code == 1 and "Collect it with --batch" in called.error
    assert (small / "results.json").read_bytes() == before
    # A process that was killed before it wrote down what it sent finds it again.
    (state,) = (small / "batches").iterdir()
    state.unlink()
    call(*words)
    assert len(endpoint.batches) == 1
    endpoint.finish_batches(leave_out=3)
    called = call(*words, "--json")
    assert called.code == 0 and len(endpoint.asked) == 3  # what the batch left out
    results = json.loads(called.out)
    assert results["cells"] and not any(c["unscored"] for c in results["cells"])
    assert not list((small / "batches").iterdir())
    assert call("judge", small, "--judge", "rules", "--batch").code == 2


def test_what_a_batch_cut_off_is_not_asked_again_alike(small: Path, endpoint: Endpoint) -> None:
    words = ("judge", small, "--judge", JUDGE, "--batch")
    call(*words)
    endpoint.say, endpoint.finish = lambda _: '{"reason": "The scale says [[2]] is', "length"
    endpoint.finish_batches()
    called = call(*words, "--json")
    assert called.code == 0 and not endpoint.asked
    assert "replies were cut off: raise judging.max_tokens" in called.err
    cells = [c for c in json.loads(called.out)["cells"] if c["judge"] == JUDGE]
    assert sum(c["unscored"] for c in cells) >= 100
    assert all(
        not c["score"] for c in cells
    )  # but for empty answers, which are a 0 and asked of nobody


def test_what_is_wrong_is_said_in_one_line(
    small: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*words: object, code: int = 2) -> str:
        called = call("judge", small, *words)
        assert called.code == code
        return called.err.strip().splitlines()[-1]

    assert "Did you mean 'openai:<model>'" in wrong("--judge", "openai:")
    assert "unknown judge 'rules:x'" in wrong("--judge", "rules:x")
    assert "Only judging.*" in wrong("--judge", JUDGE, "-s", "seed=1")
    assert "judging.paralel" in wrong("--judge", JUDGE, "-s", "judging.paralel=1")
    assert "would keep" not in wrong("--judge", JUDGE, "-s", "judging.base_url=ftp://x")
    assert "holds a name" in wrong("--judge", JUDGE, "-s", "judging.base_url=http://me:pw@host/v1")
    assert "holds no model" in wrong("--judge", "local:nowhere")
    assert "price of 'mine'" in wrong("--judge", "openai:mine", "--max-cost", 1)
    endpoint.status = 401
    assert "OPENAI_API_KEY" in wrong("--judge", JUDGE)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY is not set" in wrong("--judge", JUDGE)
