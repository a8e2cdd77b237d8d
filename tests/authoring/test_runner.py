"""The runner: unchanged is skipped, mended is kept, both at once is an error, and a kill leaves nothing half done."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.authoring.build_record import output_hash
from mlubench.authoring.runner import plan_stages, run_stages
from mlubench.authoring.stage import Context, Stage
from mlubench.core.errors import MlubenchError, UsageError
from support.builds import context


class Chain:
    """Three stages a -> b -> c, each of which writes what it read and its own name; `a` also depends on the seed."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def stages(self) -> list[Stage]:
        return [self._stage("a", ()), self._stage("b", ("a",)), self._stage("c", ("b",))]

    def _stage(self, name: str, needs: tuple[str, ...]) -> Stage:
        def make(ctx: Context) -> None:
            read = "".join((ctx.root / need).read_text() for need in needs)
            (ctx.root / name).write_text(f"{read}{name}{ctx.spec.seed if name == 'a' else ''}")
            self.made.append(name)

        def settings(ctx: Context) -> Any:
            return ctx.spec.seed if name == "a" else None

        return Stage(name, (name,), needs, settings, make, lambda _: f"make {name}")


def statuses(chain: Chain, ctx: Context, **how: Any) -> list[str]:
    chain.made.clear()
    return [state.status for state in run_stages(chain.stages(), ctx, **how)]


def test_what_is_unchanged_is_skipped(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    assert statuses(chain, ctx) == ["todo"] * 3
    assert (tmp_path / "b" / "c").read_text() == "a0bc"
    assert statuses(chain, ctx) == ["done"] * 3
    assert chain.made == []


def test_what_is_mended_is_kept_and_later_stages_follow(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    statuses(chain, ctx)
    (ctx.root / "b").write_text("mine")
    assert statuses(chain, ctx) == ["done", "mended", "todo"]
    assert chain.made == ["c"]
    assert (ctx.root / "c").read_text() == "minec"
    assert statuses(chain, ctx) == ["done", "mended", "done"]


def test_mended_and_outdated_at_once_is_an_error_until_redone(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    statuses(chain, ctx)
    (ctx.root / "b").write_text("mine")
    changed = context(tmp_path / "b", seed=5)
    with pytest.raises(MlubenchError, match=r"b was mended by hand.*--redo b"):
        statuses(chain, changed)
    assert (ctx.root / "b").read_text() == "mine"
    assert statuses(chain, changed, redo=["b"]) == ["done", "todo", "todo"]
    assert (ctx.root / "c").read_text() == "a5bc"


def test_a_file_that_we_did_not_make_is_never_overwritten(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    statuses(chain, ctx, until="a")
    (ctx.root / "b").write_text("a stranger's")
    with pytest.raises(MlubenchError, match="this build did not make it"):
        statuses(chain, ctx)
    assert (ctx.root / "b").read_text() == "a stranger's"


def test_a_stage_that_failed_is_made_again(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    good = chain.stages()

    def fail(ctx: Context) -> None:
        (ctx.root / "b").write_text("half")
        raise MlubenchError("power cut")

    bad = [good[0], Stage("b", ("b",), ("a",), good[1].settings, fail, good[1].plan), good[2]]
    with pytest.raises(MlubenchError, match="power cut"):
        run_stages(bad, ctx)
    assert statuses(chain, ctx) == ["done", "todo", "todo"]
    assert (ctx.root / "b").read_text() == "a0b"


def test_the_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    assert [text for _, text in plan_stages(chain.stages(), ctx)] == ["make a", "make b", "make c"]
    assert not ctx.root.exists()
    statuses(chain, ctx)
    (ctx.root / "b").write_text("mine")
    assert [(s.status, text) for s, text in plan_stages(chain.stages(), ctx)][1:] == [
        ("mended", "nothing"),
        ("todo", "make c"),
    ]
    changed = plan_stages(chain.stages(), context(tmp_path / "b", seed=5))
    assert [state.status for state, _ in changed] == ["todo", "clash", "todo"]


def test_an_unknown_stage_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown stage 'bb'"):
        statuses(Chain(), context(tmp_path / "b"), redo=["bb"])


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "f" / "x").mkdir(parents=True)
    empty = output_hash(tmp_path / "f")
    (tmp_path / "f" / "x" / "1").write_text("one")
    one = output_hash(tmp_path / "f")
    (tmp_path / "f" / "x" / "1").rename(tmp_path / "f" / "x" / "2")
    assert len({empty, one, output_hash(tmp_path / "f"), output_hash(tmp_path / "none")}) == 4


def test_a_kill_after_the_last_note_leaves_nothing_for_good(tmp_path: Path) -> None:
    chain = Chain()
    ctx = context(tmp_path / "b")
    statuses(chain, ctx)
    (ctx.root / "b.part").write_text("left by a kill")
    assert statuses(chain, ctx) == ["done"] * 3
    assert not (ctx.root / "b.part").exists()
