"""Processes that share a run: what they agree on and gather. Two real ones, over gloo."""

import json

import pytest
import torch

from mlubench.core import processes
from support.paths import SUPPORT
from support.processes import torchrun


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of two processes wrote of ranks_play.py."""
    folder = tmp_path_factory.mktemp("ranks")
    done = torchrun(SUPPORT / "processes_play.py", folder)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_one_of_two_leads(seen: list[dict]) -> None:
    assert [s["world"] for s in seen] == [2, 2]
    assert [s["leads"] for s in seen] == [True, False]


def test_the_leader_decides_and_writes(seen: list[dict]) -> None:
    assert [s["agreed"] for s in seen] == ["said by 0"] * 2
    assert [s["count"] for s in seen] == ["0", "0"]


def test_the_others_find_what_the_leader_made(seen: list[dict]) -> None:
    assert [s["first saw"] for s in seen] == [False, True]


def test_objects_come_by_rank(seen: list[dict]) -> None:
    assert [s["gathered"] for s in seen] == [[{"of": 0}, {"of": 1}]] * 2


def test_rows_of_all_are_widened_and_only_those_that_count(seen: list[dict]) -> None:
    whole = [[10.0, 10.0, 0.0], [10.0, 10.0, 0.0], [11.0, 11.0, 11.0]]
    assert [s["rows"] for s in seen] == [whole, whole]
    assert [s["mask"] for s in seen] == [[[True, True, False]] * 2] * 2


def test_gradients_flow_through_ones_own_rows_alone(seen: list[dict]) -> None:
    assert seen[0]["gradient"] == [[1.0, 1.0], [2.0, 2.0]]
    assert seen[1]["gradient"] == [[5.0] * 3, [0.0] * 3, [0.0] * 3]


def test_alone_it_is_the_same_with_nobody_else() -> None:
    processes.start()  # no torchrun, so nothing to join
    assert (processes.world(), processes.rank(), processes.leads()) == (1, 0, True)
    assert processes.agreed(lambda: 3) == 3
    assert processes.gathered("x") == ["x"]
    with processes.leader_first():
        assert not torch.distributed.is_initialized()
