"""A run's folder: where each file lies, and that only one process with one configuration writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from mlubench.core import processes
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, is_whole, read_json, write_atomic, write_json
from mlubench.core.locks import locked
from mlubench.settings.loading import dump, parse
from mlubench.settings.run import Config


class RunDir:
    """Names of everything in RUN/, as in the public contract."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def results(self) -> Path:
        return self.root / "results.json"

    @property
    def know(self) -> Path:
        return self.root / "know.json"

    def archive(self, method: str, task: str) -> Path:
        return self.root / "models" / method / task

    def answers(self, method: str, task: str, after: str) -> Path:
        return self.root / "answers" / method / f"{task}-U{after}.jsonl"

    def judged(self, judge: str) -> Path:
        """The folder of a judge's verdicts: its name, with what no folder's name may hold as %XX."""
        name = quote(judge, safe="")
        return (
            self.root / "verdicts" / (name if len(name) <= 200 else f"{name[:180]}-{digest(judge)}")
        )

    def verdicts(self, judge: str, method: str, task: str, after: str) -> Path:
        return self.judged(judge) / method / f"{task}-U{after}.jsonl"

    def archived(self, method: str, order: list[str]) -> list[str]:
        """The tasks whose archive is whole, up to the first that is not."""
        done = []
        for task in order:
            if not is_whole(self.archive(method, task)):
                break
            done.append(task)
        return done

    def config(self) -> Config:
        path = self.root / "config.yaml"
        if not path.is_file():
            raise UsageError(
                f"{self.root} is not a run", "Give the folder that `mlubench run --out` wrote."
            )
        try:
            return parse(yaml.safe_load(path.read_text()))
        except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
            raise MlubenchError(
                f"{path} is broken: {error}", "Give another --out, or delete the run."
            ) from None

    def require_free(self, config: Config) -> bool:
        """Whether the folder holds a run of this very configuration already. UsageError where it holds another thing."""
        if (self.root / "config.yaml").is_file():
            if self.config() != config:
                raise UsageError(
                    f"{self.root} holds a run with other settings",
                    "Give another --out, or delete it.",
                )
            return True
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"{self.root} is not a folder", "Give another --out.")
        if self.root.is_dir() and any(f.name != ".lock" for f in self.root.iterdir()):
            raise UsageError(
                f"{self.root} holds something that is not a run", "Give a new folder with --out."
            )
        return False

    def claim(self, config: Config) -> None:
        """Write config.yaml, or check that the folder belongs to this very configuration."""
        if not self.require_free(config):
            write_atomic(self.root / "config.yaml", dump(config))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a process works in the folder; freed by the system when it ends, however it ends.

        Of processes that share a run, the leader holds it for all.
        """
        if not processes.leads():
            yield
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{self.root} is not a folder", "Give another --out.") from None
        busy = MlubenchError(
            f"another process is working in {self.root}", "Wait for it, or use --out."
        )
        with locked(self.root / ".lock", if_held=busy):
            yield

    def finish(self, seconds: float) -> None:
        """Note when the run was finished, and the seconds of all its processes that came to the end."""
        before = read_json(self.root / "run.json").get("seconds", 0)
        self.note(
            seconds=round(before + seconds, 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def note(self, **facts: Any) -> None:
        """Lay facts over those in run.json."""
        path = self.root / "run.json"
        write_json(path, {**(read_json(path) if path.is_file() else {}), **facts})
