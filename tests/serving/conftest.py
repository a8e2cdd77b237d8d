"""One server over a finished run for the tests of a module, and a back end in which nothing runs by itself."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.lumoe.engine.requests import BusyError, Finished, Ticket, Wanted
from mlubench.serving.keys import Keys, add_key
from mlubench.types import Benchmark, Route
from support.requests import ENTITY
from support.runs import Finished as FinishedRun
from support.serving import MODEL, served


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients ask this machine itself, whatever the environment says."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def engine(finished: FinishedRun):
    """The LUMoE of the finished run."""
    from mlubench.lumoe.engine.lumoe import LUMoE

    return LUMoE.open(finished.folder)


@pytest.fixture(scope="module")
def server(engine) -> Iterator[str]:
    """A server without keys."""
    from mlubench.serving.app import make_app
    from mlubench.serving.doors import LOOPBACK
    from mlubench.serving.limits import Limits
    from mlubench.serving.server import back_end

    limits = Limits(rows=4, step=0)
    app = make_app(back_end(engine, limits), model=MODEL, tokens=32, hosts=LOOPBACK, limits=limits)
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys by their names, and the file of their hashes as `file`."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made = {"file": str(file)}
    made["user"] = add_key(file, "alice", "user")
    made["admin"] = add_key(file, "ops", "admin")
    made["slow"] = add_key(file, "slow", "user", per_minute=2)
    return made


@pytest.fixture(scope="module")
def guarded(engine, key_file: dict[str, str]) -> Iterator[str]:
    """A server that asks for keys."""
    from mlubench.serving.app import make_app
    from mlubench.serving.limits import Limits
    from mlubench.serving.server import back_end

    limits = Limits(rows=4, step=0)
    keys = Keys.open(Path(key_file["file"]), None)
    app = make_app(
        back_end(engine, limits),
        model=MODEL,
        tokens=32,
        keys=keys,
        hosts=("127.0.0.1", "models.example"),
        limits=limits,
    )
    with served(app) as address:
        yield address


class Slow:
    """A back end that answers when a test says so, and notes what it is asked."""

    def __init__(self, waiting: int = 64) -> None:
        self.most = waiting
        self.tickets: list[Ticket] = []
        self.alive = True
        # Answers at once with this text; None: when the test does.
        self.text: str | None = None

    @property
    def running(self) -> int:
        return len(self.tickets)

    waiting = 0

    def submit(self, wanted: Wanted) -> Ticket:
        if len(self.tickets) >= self.most:
            raise BusyError("too many requests wait", "Ask again in a moment.")
        ticket = Ticket(wanted, None)
        ticket.answer.set_running_or_notify_cancel()
        self.tickets.append(ticket)
        if self.text is not None:
            self.give(ticket, self.text)
        return ticket

    def give(self, ticket: Ticket, text: str) -> None:
        route = Route(("A",), "Animals/Cat", 1.0, "told")
        ticket.answer.set_result(Finished(text, "stop", 3, 4, route))

    def close(self) -> None:
        self.alive = False


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def place(finished: FinishedRun, tmp_path: Path) -> Path:
    return copytree(finished.folder, tmp_path / "run")


@pytest.fixture
def pictures(whole_benchmark: Benchmark) -> list[Path]:
    folder = whole_benchmark.image_root / "downloaded_images" / ENTITY.key
    return sorted(folder.iterdir())[:6]


@pytest.fixture
def requests_server(place: Path, mllm, key_file: dict[str, str]) -> Iterator[str]:
    """A server that takes deletion requests."""
    from mlubench.lumoe.engine.lumoe import LUMoE
    from mlubench.lumoe.engine.reopening import Reopening
    from mlubench.requests.desk import Desk
    from mlubench.serving.app import make_app
    from mlubench.serving.limits import Limits
    from mlubench.serving.server import back_end

    engine = LUMoE.open(place, mllm)
    app = make_app(
        back_end(engine, Limits(), Reopening(engine, place)),
        model=MODEL,
        tokens=32,
        keys=Keys.open(Path(key_file["file"]), None),
        hosts=("127.0.0.1",),
        desk=Desk.open(place, mllm),
    )
    with served(app) as found:
        yield found
