"""The store that requests are for, with the settings its experts were made with, and where all of a request lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import write_atomic
from mlubench.core.locks import locked
from mlubench.core.reading import of_shape, read_yaml
from mlubench.data import release
from mlubench.ledger.ledger import Ledger
from mlubench.lumoe.experts.manifest import read_facts
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.requests.settings import FILE, RequestSettings
from mlubench.runs.folder import RunDir
from mlubench.settings.gates import GateConfig
from mlubench.settings.lumoe import LumoeConfig
from mlubench.settings.run import Config
from mlubench.settings.training import TrainConfig

if TYPE_CHECKING:
    from mlubench.lumoe.engine.opening import EngineSource

# A leading dot, so that it passes for no expert.
FOLDER = ".requests"


@dataclass(frozen=True)
class Place:
    """A run, or a store of experts, and its requests. What loads torch is loaded when it is asked for."""

    path: Path

    @property
    def is_run(self) -> bool:
        return RunDir(self.path).config_file.is_file()

    @property
    def store(self) -> ExpertStore:
        return ExpertStore(RunDir(self.path).store("lumoe") if self.is_run else self.path)

    @cached_property
    def before(self) -> "EngineSource":
        """What would count if no request had come in. Raises UsageError where there is no expert or no gate."""
        from mlubench.lumoe.engine.opening import source_before_requests

        return source_before_requests(self.path)

    def now(self) -> "EngineSource":
        """What counts in the store now."""
        from mlubench.lumoe.engine.opening import engine_source

        return engine_source(self.path)

    @cached_property
    def config(self) -> Config:
        """The run's settings; of a plain store those that its newest expert was trained with."""
        if self.is_run:
            return RunDir(self.path).config()
        facts = read_facts(self.store.folder(self.before.tasks[-1]))
        settings = facts.get("settings")
        if not settings:
            raise MlubenchError(
                f"the newest expert in {self.store.root} does not say how it was trained",
                "Give the run that made it.",
            )
        return Config(
            preset="store",
            seed=facts.get("seed", 0),
            methods=["lumoe"],
            train=TrainConfig.model_validate(settings),
            lumoe=LumoeConfig(expert=facts.get("loss", "po")),
            gate=self.before.gate,
        )

    def gate_settings(self, aliases: Mapping[str, list[str]]) -> GateConfig:
        """Those of the gates, with the aliases of requests added."""
        known = {**self.config.gates.aliases, **aliases}
        return self.config.gates.model_copy(update={"aliases": known})

    @property
    def root(self) -> Path:
        """The folder of all requests."""
        return self.store.root / FOLDER

    def ledger(self) -> Ledger:
        """Where every step is recorded, and the queue lies."""
        place = self.settings.ledger or self.root / "ledger.sqlite"
        return Ledger.open(place, keys=self.settings.keys)

    def folder(self, request: str) -> Path:
        """Where everything of one request lies."""
        return self.root / request

    @property
    def settings(self) -> RequestSettings:
        """Read each time: a person may have changed a bound."""
        path = self.root / FILE
        if not path.is_file():
            return RequestSettings()
        return of_shape(read_yaml(path, "") or {}, RequestSettings, str(path), "Mend the file.")

    def settle(self, **wanted: object) -> None:
        """Write settings that are given for the first time. Raises UsageError where others stand there already.

        A kept set must be one that can be read: every later step needs it.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        if not given:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / ".settings.lock"):
            asked = RequestSettings.model_validate(given)
            if asked.kept is not None:
                release.read(asked.kept)
            path = self.root / FILE
            if not path.is_file():
                lines = [f"{name}: {getattr(asked, name)}\n" for name in given]
                write_atomic(path, "".join(lines))
        for name in given:
            there = getattr(self.settings, name)
            if there != getattr(asked, name):
                raise UsageError(f"{name} is {there} in {self.root / FILE}", "Change it there.")
