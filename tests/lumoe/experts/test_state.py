"""The one file of a store that changes: whole or absent, strict, and never taken for empty when it is broken."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.lumoe.experts.state import STATE, Setting, change, locked, read_state
from mlubench.lumoe.experts.store import ExpertStore


def test_a_store_without_the_file_has_everything_on(tmp_path: Path) -> None:
    assert read_state(tmp_path).of("A") == Setting(enabled=True, version=None)
    assert list(tmp_path.iterdir()) == []


def test_changes_add_up_and_are_kept(tmp_path: Path) -> None:
    assert change(tmp_path, "A", "disable", enabled=False)
    assert change(tmp_path, "A", "add", version=2)
    assert not change(tmp_path, "A", "disable", enabled=False)
    state = read_state(tmp_path)
    assert state.of("A") == Setting(enabled=False, version=2)
    assert state.of("B") == Setting()
    assert [(c.action, c.before.enabled, c.after.enabled) for c in state.history] == [
        ("disable", True, False),
        ("add", False, False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema_version": 2}',
        '{"experts": {"A": {"enabled": "perhaps"}}}',
        '{"more": 1}',
    ],
)
def test_a_broken_file_is_an_error_and_not_all_on(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).write_text(text)
    with pytest.raises(MlubenchError, match="what is disabled is not known"):
        read_state(tmp_path)


def test_a_dangling_link_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / STATE).symlink_to(tmp_path / "gone")
    with pytest.raises(MlubenchError, match="what is disabled is not known"):
        read_state(tmp_path)


def test_a_broken_state_stops_every_use(store: ExpertStore, mllm) -> None:
    (store.root / STATE).write_text("{")
    for use in (
        store.names,
        store.disabled,
        lambda: store.mount(mllm, "A"),
        lambda: store.disable("A"),
    ):
        with pytest.raises(MlubenchError, match="what is disabled is not known"):
            use()


def test_no_change_gets_lost_between_many(tmp_path: Path) -> None:
    def one(number: int) -> None:
        with locked(tmp_path):
            change(tmp_path, f"E{number}", "disable", enabled=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    told = json.loads((tmp_path / STATE).read_text())
    assert len(told["experts"]) == len(told["history"]) == 24
