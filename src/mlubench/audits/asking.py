"""Has systems answer the queries of attacks; what was asked before is taken from its file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.progress import Progress

from mlubench.audits.attack import Ask, Attack, NothingToTrainOnError, Way
from mlubench.audits.counting import Key
from mlubench.audits.rows import (
    AttackRow,
    Attempt,
    append_rows,
    attempts_of,
    read_rows,
    rows_by,
)
from mlubench.audits.scores import is_first
from mlubench.audits.studio import Studio
from mlubench.audits.systems.system import System
from mlubench.audits.systems.table import system
from mlubench.audits.targets import Targets
from mlubench.core.files import digest, read_manifest
from mlubench.experiment.context import Context
from mlubench.runs.folder import GATE_ONLY
from mlubench.runs.opening import Run

# Answers that are written at once.
CHUNK = 128
# By attack.
Attempts = Mapping[str, Mapping[Key, Attempt]]


def attempts_by_attack(attacks: Mapping[str, Attack], targets: Targets, studio: Studio) -> Attempts:
    """All queries."""
    by_attack = {}
    for name, attack in attacks.items():
        found = attempts_of(attack, targets.about(attack.about), studio)
        by_attack[name] = {
            attempt.key: attempt
            for attempt in found
            # A probe that has nothing to learn from takes every answer for as right as any other.
            if attempt.way.probe is None or targets.lessons
        }
    return by_attack


class Asker:
    """Asks the systems of one run."""

    def __init__(
        self,
        ctx: Context,
        run: Run,
        attacks: Mapping[str, Attack],
        targets: Targets,
        attempts: Attempts,
    ) -> None:
        self.ctx = ctx
        self.run = run
        self.attacks = attacks
        self.targets = targets
        self.attempts = attempts
        self._targeted = [target.sample.fact for target in targets.forgotten]
        # By system, how many answers there are of what has been made anew since.
        self.outdated: dict[str, int] = {}

    def ask(self, name: str, bar: Progress) -> dict[str, dict[Key, AttackRow]]:
        """By attack what a system says. It is opened only where something is still to be asked."""
        asked = {}
        opened: System | None = None
        made_of = self._made_of(name)
        for attack, what in self.attacks.items():
            path = self.run.folder.audit_answers(name, attack)
            by = digest([*made_of, self._targeted]) if what.trains else digest(made_of)
            there = read_rows(path)
            rows = rows_by(by, there)
            if not what.trains:
                self._note_outdated(name, there, rows)
            # What got no answer may get one now.
            missing = [key for key in self.attempts[attack] if key not in rows or rows[key].failed]
            if missing and opened is None:
                opened = self._opened(name)
            if opened is not None:
                task = bar.add_task(f"{name}: {attack}", total=len(missing))
                for chunk in self._chunks(attack, missing):
                    new = [replace(row, by=by) for row in answered(opened, chunk)]
                    append_rows(path, new)
                    rows |= {row.key: row for row in new}
                    bar.advance(task, len(new))
                bar.remove_task(task)
            asked[attack] = rows
        return asked

    def _opened(self, name: str) -> System:
        opened = system(self.ctx, name)
        opened.targeted = frozenset(self._targeted)
        opened.lessons = self.targets.lessons
        opened.open()
        return opened

    def _made_of(self, name: str) -> list[object]:
        """The hashes of all files that a system is made of."""
        method = "lumoe" if name == GATE_ONLY else name
        made_of: list[object] = [self.ctx.mllm.weight_hashes()]
        for task in self.run.archived(method):
            made_of.append(read_manifest(self.run.folder.archive(method, task))["files"])
        return made_of

    def _note_outdated(
        self, name: str, there: Sequence[AttackRow], rows: Mapping[Key, AttackRow]
    ) -> None:
        outdated = {row.key for row in there} - rows.keys()
        if outdated:
            self.outdated[name] = self.outdated.get(name, 0) + len(outdated)

    def _chunks(self, attack: str, keys: Sequence[Key]) -> list[list[Attempt]]:
        """Queries that are asked together: those of a way that stands apart, and those of all others."""
        groups: dict[str, list[Attempt]] = {}
        for key in keys:
            attempt = self.attempts[attack][key]
            group = attempt.way.name if attempt.way.is_apart else ""
            groups.setdefault(group, []).append(attempt)
        chunks = []
        for attempts in groups.values():
            for start in range(0, len(attempts), CHUNK):
                chunks.append(attempts[start : start + CHUNK])
        return chunks


def answered(opened: System, attempts: Sequence[Attempt]) -> list[AttackRow]:
    """The answers to queries that are asked together, or what reading them comes to."""
    try:
        return _rows(opened, attempts)
    except NothingToTrainOnError as error:
        return [AttackRow(*attempt.key, "", failed=error.what) for attempt in attempts]


def _rows(opened: System, attempts: Sequence[Attempt]) -> list[AttackRow]:
    asks = [attempt.ask for attempt in attempts]
    way = attempts[0].way
    rows = []
    if way.is_read:
        with way.inside(opened):
            values = _read(opened, way, asks)
        for attempt, value in zip(attempts, values, strict=True):
            rows.append(AttackRow(*attempt.key, "", value=value))
        return rows
    with way.inside(opened):
        said = opened.answers(asks)
    for attempt, answer in zip(attempts, said, strict=True):
        rows.append(AttackRow(*attempt.key, answer.text, answer.experts, answer.failed))
    return rows


def _read(opened: System, way: Way, asks: Sequence[Ask]) -> list[float]:
    """The harm of each query by how its candidates are read. Where there is nothing to read, nothing is told."""
    values = []
    if way.probe is not None:
        for scores in opened.probed(asks, way.probe):
            values.append(float(is_first(scores)) if scores else 0.0)
        return values
    assert way.measure is not None, "a way that is read has a measure or a probe"
    for reading in opened.readings(asks):
        values.append(way.measure(reading) if reading else 0.0)
    return values
