"""A run's folder: where each of its files lies, and that only one process with one configuration writes it."""

import glob
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from mlubench.core import processes
from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import digest, is_whole, write_atomic, write_json
from mlubench.core.locks import locked
from mlubench.core.reading import read_json, read_yaml
from mlubench.runs.results import RunFacts
from mlubench.settings.loading import dump, flat, parse
from mlubench.settings.run import Config
from mlubench.types import Reference

LOCK = ".lock"
# Settings that differ and are named in one error.
_NAMED = 3
# The names under which references answer, and which are no methods: see `types.Reference`.
GATE_ONLY: Reference = "gate-only"
PROMPT_ONLY: Reference = "prompt-only"
TRAINING_FREE: Reference = "training-free"
REFERENCES = (GATE_ONLY, PROMPT_ONLY, TRAINING_FREE)
# What an audit calls the base that was taught again without what was forgotten. It is in no run's answers.
ORACLE = "oracle"
# The method of the answers that the untouched base gave, and the `after` of its cells.
BASE = "base"
NOTHING_UNLEARNED = "0"
# The `task` of the base's answers that decide which facts it knows. They are in no cell of the results.
KNOW = "know"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file of answers: `task` tested on the state that `method` archived after `after`."""

    path: Path
    method: str
    task: str
    after: str


class RunDir:
    """Where everything in RUN/ lies, as in the public contract. Nothing else knows the name of a file of a run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def config_file(self) -> Path:
        """The whole configuration. A folder with this file is a run."""
        return self.root / "config.yaml"

    @property
    def facts_file(self) -> Path:
        """What the run was made with and when it was finished, as `RunFacts`."""
        return self.root / "run.json"

    @property
    def results(self) -> Path:
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def file_records(self) -> Path:
        """How many lines each file of answers and verdicts has, and its hash: see `runs.wholeness`."""
        return self.root / "files.json"

    @property
    def know(self) -> Path:
        """Which facts the base does not know."""
        return self.root / "know.json"

    @property
    def known_before(self) -> Path:
        """Which facts the language model told by name before it was taught anything."""
        return self.root / "known_before.json"

    @property
    def work(self) -> Path:
        """Checkpoints of a training under way; removed when the run is finished."""
        return self.root / "work"

    @property
    def labels(self) -> Path:
        """The sheet in which a person scores answers."""
        return self.root / "labels.csv"

    def store(self, method: str) -> Path:
        """The archives of a method; of LUMoE its expert store."""
        return self.root / "models" / method

    def archive(self, method: str, task: str) -> Path:
        return self.store(method) / task

    def answers(self, method: str, task: str, after: str) -> Path:
        return self.root / "answers" / method / _cell_name(task, after)

    @property
    def know_answers(self) -> Path:
        """What the base says on the pictures that decide which facts it knows."""
        return self.answers(BASE, KNOW, NOTHING_UNLEARNED)

    def answer_files(self, method: str | None = None) -> list[AnswerFile]:
        """The files of answers that are finished, of one method or of all, by name."""
        return _cell_files(self.root / "answers", method)

    def judged(self, judge: str) -> Path:
        """The folder of a judge's verdicts: its name, with what no folder's name may hold as %XX."""
        name = quote(judge, safe="")
        # File systems take names of up to 255 bytes; the hash keeps two long names apart.
        if len(name) > 200:
            name = f"{name[:180]}-{digest(judge)}"
        return self.root / "verdicts" / name

    def judge_version(self, judge: str) -> Path:
        """Which version of the judge gave the verdicts beside it."""
        return self.judged(judge) / "judge.json"

    def verdicts(self, judge: str, method: str, task: str, after: str) -> Path:
        return self.judged(judge) / method / _cell_name(task, after)

    def verdict_files(self, judge: str, method: str | None = None) -> list[AnswerFile]:
        """The files of verdicts that are finished, of one method or of all, by name."""
        return _cell_files(self.judged(judge), method)

    def judges(self) -> list[str]:
        """The folders of verdicts, each named as its judge where that is a plain name."""
        folder = self.root / "verdicts"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def batches(self, judge: str) -> Path:
        """The ids of a judge's batches under way at an endpoint."""
        return self.root / "batches" / f"{self.judged(judge).name}.json"

    def gate_report(self, after: str) -> Path:
        return self.root / "gates" / f"{after}.json"

    @property
    def gate_features(self) -> Path:
        """Features of pictures, so that a gate fitted on one task more need not look at them all again."""
        return self.root / "gates" / "features.safetensors"

    def gate_replies(self, gate: str) -> Path:
        """What a model replied to a gate, kept apart from the replies to other gates."""
        return self.root / "gates" / f"replies-{gate}.sqlite"

    def taken_in(self, reference: str) -> Path:
        """How long a reference took to take in each task: see `results.TakenInRow`."""
        return self.root / "references" / f"{reference}.json"

    @property
    def audit(self) -> Path:
        """What attacks got out of the run's systems: see `runs.audits`."""
        return self.root / "audit.json"

    def audit_answers(self, system: str, attack: str) -> Path:
        """What a system said to an attack, as `audits.rows` reads it."""
        return self.root / "audit" / system / f"{attack}.jsonl"

    @property
    def oracle(self) -> Path:
        """How far each archive is from exact unlearning: see `runs.oracles`."""
        return self.root / "oracle.json"

    def lmms_eval(self, system: str) -> Path:
        """What lmms-eval wrote of a system, a folder for each time: results, samples and a log."""
        return self.root / "audit" / system / "lmms-eval"

    @property
    def audit_pictures(self) -> Path:
        """Pictures of attacks that take long to make."""
        return self.root / "audit" / "pictures"

    def alignment(self, method: str, after: str) -> Path:
        """What the alignment study measured of one state."""
        return self.root / "alignment" / f"{method}-U{after}.json"

    def archived(self, method: str, order: list[str]) -> list[str]:
        """The tasks whose archive is whole, up to the first that is not."""
        done = []
        for task in order:
            if not is_whole(self.archive(method, task)):
                break
            done.append(task)
        return done

    def config(self) -> Config:
        path = self.config_file
        if not path.is_file():
            if (self.root / LOCK).is_file():
                raise UsageError(
                    f"{self.root} is no run yet",
                    "It begins once its base is there: wait, or start `mlubench run` with this --out again.",
                )
            raise UsageError(
                f"{self.root} is not a run", "Give the folder that `mlubench run --out` wrote."
            )
        try:
            values = read_yaml(path, "")
            if not values:
                # No run writes that, and every setting would be taken for its default.
                raise UsageError("it is empty")
            return parse(values)
        except UsageError as error:
            # Nothing is wrong with the command.
            raise MlubenchError(
                f"{path} is broken: {error.what}", "Give another --out, or delete the run."
            ) from None

    def require_free(self, config: Config) -> bool:
        """Whether the folder holds a run of this very configuration already.

        False for a free folder, and for a run that this configuration goes on with: see `changed_settings`.
        Raises UsageError where it holds another thing, and names the settings that differ.
        """
        if self.config_file.is_file():
            there = self.config()
            changed = self.changed_settings(there, config)
            if changed:
                more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
                raise UsageError(
                    f"{self.root} holds a run with other settings: {'; '.join(changed[:_NAMED])}{more}",
                    "Give another --out, or the settings of the run: only methods can be added to it.",
                )
            return there == config
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"{self.root} is not a folder", "Give another --out.")
        if self.root.is_dir() and any(f.name != LOCK for f in self.root.iterdir()):
            raise UsageError(
                f"{self.root} holds something that is not a run", "Give a new folder with --out."
            )
        return False

    def changed_settings(self, there: Config, now: Config) -> list[str]:
        """Each setting in which `now` differs from the run's own, with both values; what does not touch it is left out.

        A method may be added, with settings of its own, references be other ones, and what the base must know be changed
        until it was unlearned from.
        """
        settings_there = flat(there)
        settings_now = flat(now)
        changed = []
        for key in dict.fromkeys([*settings_there, *settings_now]):
            before = settings_there.get(key)
            after = settings_now.get(key)
            if before == after:
                continue
            if key == "methods" and set(there.methods) <= set(now.methods):
                continue
            if key == "references":
                # They are no part of what is compared, and nothing depends on them.
                continue
            if key.startswith("train.per_method.") and key.split(".")[2] not in there.methods:
                continue
            if key.startswith("know.") and not self._has_begun():
                continue
            changed.append(f"{key} is {_shown(before)} there and {_shown(after)} here")
        return changed

    def _has_begun(self) -> bool:
        """Whether anything was made beyond asking the base what it knows."""
        asked = [file for file in self.answer_files() if file.task != KNOW]
        return bool(asked) or (self.root / "models").is_dir()

    def claim(self, config: Config) -> None:
        """Write config.yaml, or check that the folder's run can be gone on with by this configuration."""
        if self.require_free(config):
            return
        if self.config_file.is_file() and self.config().know != config.know:
            # It is judged anew, from the same answers.
            self.know.unlink(missing_ok=True)
        write_atomic(self.config_file, dump(config))

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
        with locked(self.root / LOCK, if_held=busy):
            yield

    def finish(self, seconds: float) -> None:
        """Note when the run was finished, and the seconds of all its processes that came to the end."""
        before = read_json(self.facts_file, RunFacts).seconds or 0
        facts = RunFacts(
            seconds=round(before + seconds, 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.note(facts)

    def note(self, facts: RunFacts) -> None:
        """Lay the facts that are given over those in run.json."""
        before = RunFacts()
        if self.facts_file.is_file():
            before = read_json(self.facts_file, RunFacts)
        write_json(self.facts_file, {**before.as_json(), **facts.as_json()})


def _shown(value: object) -> str:
    """A setting's value as it is written in YAML and on the command line."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _cell_name(task: str, after: str) -> str:
    """The name of a cell's file; `_cell_files` reads it back."""
    return f"{task}-U{after}.jsonl"


def _cell_files(folder: Path, method: str | None) -> list[AnswerFile]:
    methods = "*" if method is None else glob.escape(method)
    found = []
    for path in sorted(folder.glob(f"{methods}/*-U*.jsonl")):
        task, after = path.stem.rsplit("-U", 1)
        found.append(AnswerFile(path, path.parent.name, task, after))
    return found
