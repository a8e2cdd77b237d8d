"""The gates benchmark on the smoke world: what its rows hold, and that its curves can be drawn."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.settings.run import Config


@pytest.fixture
def programs():
    import gates

    return gates


def test_its_parts_on_the_smoke_world(
    programs, cache: Path, smoke_config: Config, tmp_path: Path
) -> None:
    world = programs.open_world("smoke", smoke_config, tmp_path, 3)
    two = replace(world, benchmark=replace(world.benchmark, tasks=world.benchmark.tasks[:2]))
    tasks = list(programs.by_tasks(two, with_self=False))
    assert [(r["tasks"], r["gate"]) for r in tasks] == [
        (n, g) for n in (1, 2) for g in programs.GATES
    ]
    last = {r["gate"]: r for r in tasks if r["tasks"] == 2}
    assert last["oracle"]["leak_rate"] == last["oracle"]["over_refusal_rate"] == 0
    assert last["mention"]["leak_rate"] == 1  # no question names anybody
    assert last["hybrid"]["leak_rate"] < 0.2
    entities = {s.entity for t in two.benchmark for s in t.samples}
    assert last["hybrid"]["leak_rate_n"] + last["hybrid"]["over_refusal_rate_n"] == 3 * len(
        entities
    )
    assert last["hybrid"]["unseen_refusal_rate_n"] == 3 * programs.NEVER

    gates = {
        name: programs.fitted(two, name, two.benchmark.tasks) for name in ("hybrid", "mention")
    }
    evasion = {(r["kind"], r["gate"]): r for r in programs.gates_evasion.rows(two, gates)}
    assert (
        evasion["text only", "hybrid"]["caught"] == evasion["text only", "mention"]["caught"] == 1
    )
    assert (
        evasion["picture only", "mention"]["caught"]
        == 0
        < evasion["picture only", "hybrid"]["caught"]
    )
    assert evasion["alias", "hybrid"]["caught"] is None  # invented entities have none
    assert all(r["caught"] <= r["any"] for (kind, _), r in evasion.items() if kind != "alias")

    requests = list(programs.gates_requests.rows(two, (1, 3)))
    assert [(r["requests"], r["leak_rate_n"]) for r in requests] == [(1, 2), (3, 6)]
    found = {"tasks": tasks, "evasion": [], "requests": requests}
    programs.gates_figure.draw(found, tmp_path / "pictures" / "gates.png")
    assert (tmp_path / "pictures" / "gates.png").read_bytes()[:4] == b"\x89PNG"


def test_a_request_more_costs_less_than_all_requests_anew(programs, tmp_path: Path) -> None:
    few, many = programs.gates_cost.rows(tmp_path, (3, 30))[-2:]
    assert (few["gate"], few["requests"]) == ("hybrid", 3)
    assert (many["gate"], many["requests"]) == ("hybrid", 30)
    assert many["next_ms"] < many["whole_ms"] / 3
    assert many["route_ms"] > 0
