"""What counts is changed in one write; a gate's folder never changes, and old ones go."""

from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.experts.in_force import (
    checked_gate_folder,
    gate_folder,
    in_force,
    put_in_force,
    set_in_force,
)
from mlubench.lumoe.experts.state import STATE


class Written:
    """Anything that lies beside a gate."""

    def save(self, folder: Path) -> None:
        (folder / "part.json").write_text("{}")


class Broken:
    """What fails half-way, as on a full disk."""

    def save(self, folder: Path) -> None:
        raise OSError("no space left")


def test_a_store_without_requests_has_nothing_in_force(tmp_path: Path) -> None:
    assert in_force(tmp_path) is None


def test_a_gate_and_its_experts_are_in_force_at_once(tmp_path: Path) -> None:
    put_in_force(tmp_path, [Written()], ["A", "req-1"], {"req-1": None})
    found = in_force(tmp_path)
    assert found is not None
    assert (found.tasks, found.requests) == (("A", "req-1"), {"req-1": None})
    assert checked_gate_folder(tmp_path, found.gate) == tmp_path / ".gates" / "1"


def test_what_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    put_in_force(tmp_path, [Written()], ["A"], {})
    before = (tmp_path / STATE).read_bytes()
    with pytest.raises(OSError, match="no space"):
        put_in_force(tmp_path, [Written(), Broken()], ["A", "req-1"], {"req-1": None})
    assert (tmp_path / STATE).read_bytes() == before
    assert not gate_folder(tmp_path, 2).exists()


def test_old_gates_go_and_the_last_ones_stay(tmp_path: Path) -> None:
    for _ in range(5):
        put_in_force(tmp_path, [Written()], ["A"], {})
    assert sorted(path.name for path in (tmp_path / ".gates").iterdir()) == ["3", "4", "5"]


def test_a_gate_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    found = put_in_force(tmp_path, [Written()], ["A"], {})
    (gate_folder(tmp_path, found.gate) / "part.json").write_text("[]")
    with pytest.raises(MlubenchError, match=r"part\.json is missing or changed"):
        checked_gate_folder(tmp_path, found.gate)


def test_a_store_without_requests_is_written_as_before_there_were_any(tmp_path: Path) -> None:
    put_in_force(tmp_path, [Written()], ["A"], {})
    set_in_force(tmp_path, None)
    assert "in_force" not in (tmp_path / STATE).read_text()
