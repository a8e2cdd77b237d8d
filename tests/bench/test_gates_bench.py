"""The gates benchmark on the smoke world: what its rows hold, and that one request more costs less than all anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.data.background import Background, drawn_background
from mlubench.settings.gates import GateConfig
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


def test_a_request_more_costs_less_than_all_requests_anew(programs, tmp_path: Path) -> None:
    few, many = programs.gates_cost.rows(tmp_path, (3, 30))[-2:]
    assert (few["gate"], few["requests"]) == ("hybrid", 3)
    assert (many["gate"], many["requests"]) == ("hybrid", 30)
    assert many["next_ms"] < many["whole_ms"] / 3
    assert many["route_ms"] > 0


def test_a_hard_split_is_asked_after_its_last_task(programs, cache: Path, tmp_path: Path) -> None:
    world = programs.gates_hard.hard_world(3, tmp_path, 2, GateConfig(), entities=16, tasks=2)
    (hybrid, oracle) = programs.by_tasks(world, with_self=False)
    assert (hybrid["tasks"], hybrid["after"]) == (2, "B")
    assert hybrid["leak_rate_n"] + hybrid["over_refusal_rate_n"] == 2 * 16
    assert hybrid["leak_rate"] == hybrid["over_refusal_rate"] == oracle["leak_rate"] == 0


def test_two_in_one_picture_are_found_by_parts(
    programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few_things(*_: object) -> Background:
        return drawn_background(40)

    monkeypatch.setattr("mlubench.lumoe.gates.metric.open_background", few_things)
    monkeypatch.setattr(programs.gates_scenes, "KEPT", 3)
    monkeypatch.setattr(programs.gates_scenes, "STRANGERS", 4)
    world = programs.gates_scenes.scenes_world(3, tmp_path, GateConfig())
    rows = {(row["looks"], row["kind"]): row for row in programs.gates_scenes.rows(world, {3: 1})}
    assert rows["whole", "asked: two"]["caught"] < rows["parts", "asked: two"]["caught"] == 1
    assert rows["parts", "asked: alone"]["caught_n"] == 3 * 2
    assert rows["parts", "kept: alone"]["caught"] is None
    assert rows["parts", "kept: alone"]["over_n"] == 3 * 2
    assert rows["parts", "nothing"]["over_n"] == 4


def test_harm_is_counted_among_what_the_base_knows(programs, cache: Path) -> None:
    rows = list(
        programs.gates_known.rows(
            1,
            GateConfig(),
            sizes=(1, 3),
            ways=("eye", "suspects", "named"),
            kept=14,
            strangers=6,
        )
    )
    known, *measured = rows
    assert known["names"] > 0.9 < known["facts"]
    assert known["names_n"] + known["facts_n"] == 4 * (3 + 14)
    by_way = {row["by"]: row for row in measured if row["requests"] == 3}
    assert by_way["eye"]["leak_n"] == 3 * 4
    assert by_way["eye"]["harm_off"] == by_way["eye"]["lost_off"] == 0
    # Without a route all is told, unless the second look holds it back.
    assert by_way["suspects"]["leak"] == by_way["suspects"]["harm_off"] == 1
    assert by_way["suspects"]["harm_band"] < 0.2
    # What is known by another fact than its name is not named.
    assert 0 < by_way["named"]["leak"] < 1
