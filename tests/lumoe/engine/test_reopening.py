"""A server takes over what changes in its store between two requests, and refuses all where it cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.continuous import ContinuousEngine
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.engine.reopening import Reopening, StoreFile
from mlubench.lumoe.engine.requests import Finished as Answered
from mlubench.lumoe.engine.requests import Wanted
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.in_force import gate_folder, put_in_force, set_in_force
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM
from support.asking import picture, row_of
from support.runs import Finished

WAIT = 60


@pytest.fixture
def store(finished: Finished, tmp_path: Path) -> ExpertStore:
    return ExpertStore(copytree(finished.folder / "models" / "lumoe", tmp_path / "experts"))


@pytest.fixture
def server(store: ExpertStore, mllm: MLLM) -> Iterator[ContinuousEngine]:
    engine = LUMoE.open(store.root, mllm)
    running = ContinuousEngine(engine, reopening=Reopening(engine, store.root))
    yield running
    running.close()


@pytest.fixture
def ask(finished: Finished, server: ContinuousEngine) -> Callable[[], Answered]:
    """Ask the server about a picture that expert A has in charge."""
    row = row_of(finished, "A", "forget", "A")

    def ask() -> Answered:
        request = AskRequest("1", picture(finished, row), row.question)
        return server.submit(Wanted(request, 16)).answer.result(WAIT)

    return ask


def test_a_task_without_an_expert_is_refused_from_the_next_request_on(
    store: ExpertStore, server: ContinuousEngine, ask: Callable[[], Answered]
) -> None:
    assert ask().route.experts == ("A",)
    engine = server.engine
    with state.locked(store.root):
        put_in_force(store.root, [engine.gate], ["A", "B"], {"A": None})
    refused = ask()
    assert (refused.text, refused.route.refused) == (GATE_REFUSAL, True)
    assert engine.waiting == {"A"}
    # Expert B answers for it, and then all is as it was.
    with state.locked(store.root):
        put_in_force(store.root, [engine.gate], ["A", "B"], {"A": "B"})
    assert ask().route.experts == ("B",)
    with state.locked(store.root):
        set_in_force(store.root, None)
    assert ask().route.experts == ("A",)
    # Expert A was let go of and read again; B was not.
    assert sorted(engine.experts) == ["A", "B"]
    assert engine.experts.loads == 3


def test_what_was_switched_off_is_taken_over_too(
    store: ExpertStore, ask: Callable[[], Answered]
) -> None:
    store.disable("A")
    assert ask().fault is not None
    store.enable("A")
    assert ask().fault is None


def test_what_changes_while_the_engine_is_opened_is_taken_over(
    finished: Finished, store: ExpertStore, mllm: MLLM
) -> None:
    before = StoreFile.of(store.root)
    engine = LUMoE.open(store.root, mllm)
    # As by `mlubench request approve` beside a server that is still loading its base.
    with state.locked(store.root):
        put_in_force(store.root, [engine.gate], ["A", "B"], {"A": None})
    server = ContinuousEngine(engine, reopening=Reopening(engine, store.root, before))
    row = row_of(finished, "A", "forget", "A")
    request = AskRequest("1", picture(finished, row), row.question)
    try:
        assert server.submit(Wanted(request, 16)).answer.result(WAIT).route.refused
    finally:
        server.close()


def test_a_store_that_cannot_be_read_refuses_all_until_it_can(
    store: ExpertStore, server: ContinuousEngine, ask: Callable[[], Answered]
) -> None:
    with state.locked(store.root):
        found = put_in_force(store.root, [server.engine.gate], ["A", "B"], {})
    file = gate_folder(store.root, found.gate) / "mention.json"
    whole = file.read_bytes()
    file.write_bytes(b"{}")
    assert ask().fault == "the store cannot be read; refused"
    file.write_bytes(whole)
    assert ask().route.experts == ("A",)
