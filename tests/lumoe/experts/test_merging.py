"""Who stands for whom after a consolidation: all at once or not at all, never a disabled expert, undone by a roll back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.lumoe.engine.router import redirected
from mlubench.lumoe.experts import merging
from mlubench.lumoe.experts.merge_plan import Plan, choose, facts_of, merge
from mlubench.lumoe.experts.merging import active_experts, prune, put_in_force, roll_back
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM
from mlubench.types import Route

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def four(store: ExpertStore, experts: Path, facts: dict) -> ExpertStore:
    """Experts A to D; C and D hold the weights of A and B."""
    for name, like in (("C", "A"), ("D", "B")):
        store.add(
            name,
            experts / like,
            {**facts, "task": name, "tasks": ["A", "B", "C", "D"][: "ABCD".index(name) + 1]},
        )
    return store


def staged(store: ExpertStore, plan: Plan) -> tuple[ExpertStore, dict[str, dict[str, int]]]:
    groups, _ = choose(store, plan)
    stage = ExpertStore(store.root / ".stage")
    for group in groups:
        merge(store, group, plan.scale, store.root / ".adapters" / group.name)
        stage.add(group.name, store.root / ".adapters" / group.name, facts_of(store, group, plan))
    return stage, {g.name: g.members for g in groups}


def consolidated(store: ExpertStore, *names: str, into: int = 1) -> ExpertStore:
    put_in_force(store, *staged(store, Plan(names, into=into)))
    return store


def expert_for(store: ExpertStore) -> dict[str, str]:
    return active_experts(store, ["A", "B", "C", "D"]).expert_for


def test_a_merged_expert_stands_for_its_members(four: ExpertStore, mllm: MLLM) -> None:
    consolidated(four, into=2)
    assert expert_for(four) == {"A": "merged+1", "B": "merged+1", "C": "merged+2", "D": "merged+2"}
    assert four.unfinished() == [] and all(r["wrong"] is None for r in four.verify())
    four.mount(mllm, "merged+2")
    told = four.manifest("merged+1")
    assert (told["members"], told["carries"], told["tasks"]) == (
        {"A": 1, "B": 1},
        ["A", "B"],
        ["A", "B"],
    )
    assert {h["action"] for h in four.history()[-6:]} == {"consolidate"}


def test_merged_ones_are_merged_again_by_what_they_carry(four: ExpertStore) -> None:
    consolidated(consolidated(four, "A", "B", "C"), into=1)
    assert set(expert_for(four).values()) == {"merged+2"}
    assert four.manifest("merged+2")["carries"] == ["A", "B", "C", "D"]
    assert roll_back(four, "merged+2") == 0
    assert expert_for(four) == {"A": "merged+1", "B": "merged+1", "C": "merged+1", "D": "D"}


def test_only_tasks_that_are_all_there_are_carried_together(four: ExpertStore) -> None:
    consolidated(four)
    assert active_experts(four, ["A", "B"]).expert_for == {"A": "A", "B": "B"}


def test_a_disabled_expert_is_not_merged(four: ExpertStore) -> None:
    four.disable("B")
    groups, left = choose(four, Plan())
    assert [g.experts for g in groups] == [["A", "C", "D"]]
    assert left == {"B": "B is disabled"}
    with pytest.raises(UsageError, match="'B' cannot be merged: B is disabled"):
        choose(four, Plan(("A", "B")))


def test_disabling_a_member_puts_the_merged_one_out_of_force(four: ExpertStore) -> None:
    consolidated(four, "A", "B", "C")
    four.disable("B")
    now = active_experts(four, ["A", "B", "C", "D"])
    assert now.expert_for == {n: n for n in "ABCD"} and now.disabled == {"B"}
    four.enable("B")
    assert expert_for(four)["A"] == "merged+1"
    four.disable("merged+1")
    now = active_experts(four, ["A", "B", "C", "D"])
    assert now.expert_for["A"] == "merged+1" and now.disabled == {"merged+1"}


@pytest.mark.parametrize("stop", ["replace", "write_json"])
def test_a_kill_in_the_middle_leaves_the_store_as_it_was(
    four: ExpertStore, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    before, names = expert_for(four), four.names()
    stage, members = staged(four, Plan(into=2))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        calls = {"n": 0}

        def killed(*_: object, **__: object) -> None:
            calls["n"] += 1
            raise KeyboardInterrupt

        if stop == "replace":
            real = Path.replace

            def second(self: Path, target: Path) -> Path:
                return real(self, target) if self.name == "merged+1" else killed()  # type: ignore[return-value]

            patch.setattr(Path, "replace", second)
        else:
            patch.setattr(merging.state, "write_json", killed)
        put_in_force(four, stage, members)
    assert calls["n"] == 1
    assert (expert_for(four), four.names()) == (before, names)
    assert "merged+1" in four.unfinished()
    consolidated(four, into=2)
    assert set(expert_for(four).values()) == {"merged+1", "merged+2"} and four.unfinished() == []


def test_what_changed_meanwhile_is_not_replaced(
    four: ExpertStore, experts: Path, facts: dict
) -> None:
    stage, members = staged(four, Plan())
    four.add("C", experts / "B", facts)
    with pytest.raises(MlubenchError, match="'C' is no longer as it was merged"):
        put_in_force(four, stage, members)
    assert expert_for(four) == {n: n for n in "ABCD"}


def test_rolled_back_and_back_again(four: ExpertStore) -> None:
    consolidated(four, "A", "B")
    assert roll_back(four, "A") == 1  # alone
    assert expert_for(four) == {"A": "A", "B": "merged+1", "C": "C", "D": "D"}
    assert roll_back(four, "merged+1", 1) == 1
    assert expert_for(four)["A"] == "merged+1"
    assert roll_back(four, "merged+1") == 0 and expert_for(four)["B"] == "B"
    with pytest.raises(UsageError, match="stands for no expert"):
        roll_back(four, "merged+1")
    consolidated(four, "A", "B")  # the name of one that was rolled back is not used again
    assert expert_for(four)["A"] == "merged+2"
    with pytest.raises(MlubenchError, match="no longer as it was merged"):
        roll_back(four, "merged+1", 1)
    with pytest.raises(UsageError, match=r"merged into merged\+2"):
        choose(four, Plan(("A", "C")))


def test_pruned_weights_are_gone_and_said_to_be(four: ExpertStore, mllm: MLLM) -> None:
    assert prune(four) == {}
    consolidated(four, "A", "B")
    size = (four.root / "A" / WEIGHTS).stat().st_size
    assert prune(four) == {"A": size, "B": size}
    assert (four.root / "A" / "manifest.json").is_file() and not (
        four.root / "A" / WEIGHTS
    ).exists()
    assert all(r["wrong"] is None for r in four.verify())
    assert [r["pruned"] for r in four.listing() if r["expert"] == "A"] == [True]
    for use in (
        lambda: four.mount(mllm, "A"),
        lambda: roll_back(four, "A"),
        lambda: roll_back(four, "merged+1"),
    ):
        with pytest.raises(MlubenchError, match="'A' were pruned"):
            use()
    four.mount(mllm, "merged+1")
    four.disable(
        "B"
    )  # then A cannot be answered for either, and is refused rather than left to the base
    assert active_experts(four, ["A", "B"]).disabled == {"A", "B"}
    four.enable("B")
    assert prune(four) == {}


def test_the_expert_of_a_request_is_never_merged(
    four: ExpertStore, experts: Path, facts: dict
) -> None:
    """It goes with its request, and those that were merged with it would have nobody left to stand for them."""
    four.add("req-1", experts / "A", {**facts, "task": "req-1", "requests": ["req-1"]})
    _, left_out = choose(four, Plan())
    assert left_out.keys() == {"req-1"}
    with pytest.raises(UsageError, match=r"answers for a deletion request.*Leave it out"):
        choose(four, Plan(("A", "req-1")))


def test_a_damaged_merged_expert_is_never_the_last_copy(four: ExpertStore) -> None:
    consolidated(four, "A", "B")
    (four.root / "merged+1" / WEIGHTS).write_bytes(b"x")
    with pytest.raises(MlubenchError, match="changed"):
        prune(four)
    assert (four.root / "A" / WEIGHTS).is_file()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (lambda: Plan(into=4), "4 experts into 4"),
        (lambda: Plan(("A",)), "1 experts into 1"),
        (lambda: Plan(("A", "A")), "named twice"),
        (lambda: Plan(into=0), "must be 1 or more"),
        (lambda: Plan(rank=0), "must be 1 or more"),
        (lambda: Plan(max_drop=1.5), "is no share"),
    ],
)
def test_what_cannot_be_asked_for(four: ExpertStore, plan: Callable[[], Plan], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose(four, plan())


def test_experts_of_two_bases_are_not_merged(
    store: ExpertStore, experts: Path, facts: dict
) -> None:
    store.add(
        "Z",
        experts / "B",
        {**facts, "base_sha256": {"model.safetensors": "0" * 64}, "tasks": ["A", "B", "Z"]},
    )
    plan = Plan(("A", "Z"))
    groups, _ = choose(store, plan)
    with pytest.raises(MlubenchError, match="another base"):
        facts_of(store, groups[0], plan)


def test_alike_experts_are_grouped(four: ExpertStore) -> None:
    groups, _ = choose(four, Plan(into=2, group="similar", rank=3))
    assert [(g.experts, g.rank) for g in groups] == [(["A", "C"], 3), (["B", "D"], 3)]


def test_a_route_says_what_stands_for_what() -> None:
    route = Route(("A", "B", "E"), None, 0.0, "seen")
    moved = redirected(route, {"A": "merged+1", "B": "merged+1", "E": "E"})
    assert moved.experts == ("merged+1", "E")
    assert moved.why == "seen; expert A is merged into merged+1; expert B is merged into merged+1"
    assert redirected(route, {}) is route
