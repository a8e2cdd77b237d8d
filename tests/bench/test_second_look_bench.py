"""The program of the second look on the smoke run: what its rows hold, and that a look of its own prevents harm."""

import pytest

from mlubench.settings.gates import GateConfig
from support.runs import Finished


@pytest.fixture
def program():
    import second_look

    return second_look


def test_a_run_is_measured_with_and_without_a_first_gate(
    program, finished: Finished, tmp_path
) -> None:
    run = program.opened(finished.folder, GateConfig())
    kinds = [program.PLAIN, "mirror"]
    rows = {
        (row["pictures"], row["first"], row["mode"]): row
        for row in program.by_run(run, 6, kinds, tmp_path)
    }
    assert len(rows) == 2 * 2 * 3
    for kind in kinds:
        alone = [rows[kind, "nothing", mode] for mode in program.MODES]
        assert [row["leak"] for row in alone] == [1, 1, 1]
        assert [row["mode"] for row in alone] == ["off", "band", "always"]
        off, band, always = alone
        assert off["harm_rate"] > 0.5
        assert off["held_back"] == 0 < band["held_back"] <= always["held_back"]
        assert always["harm_rate"] <= band["harm_rate"] < off["harm_rate"] / 2
        assert band["draft_harm_rate"] == off["harm_rate"]
        assert rows[kind, "gate", "off"]["harm_rate"] <= off["harm_rate"]
    assert (tmp_path / run.name / "mirror").is_dir()

    told = program.conversation(run)
    assert (told["routed"], told["over"]) == (1, 0)

    off, band, always = program.ordinary(run)
    assert off["held_back"] == band["held_back"] == 0 <= always["held_back"] < 0.1
    assert always["held_back_n"] > 100


def test_speed_tells_what_is_caught(program) -> None:
    few, more = program.second_look_speed.rows((20, 200))
    assert few["ratio"] == 1
    assert more["facts"] == 800
    for row in (few, more):
        assert (row["caught"], row["false"]) == (1, 0)
        assert row["us"] > 0
        assert row["exhaustive_us"] > 0
    # A request more is not all requests anew.
    assert more["next_ms"] < 1000 * more["build_s"] / 10
