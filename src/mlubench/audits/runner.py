"""Runs attacks on a finished run's systems; what was asked before is taken from its file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from rich.progress import Progress

from mlubench.audits.adversary import against
from mlubench.audits.attack import Ask, Attack, Harm, NothingToTrainOnError, Way
from mlubench.audits.bounds import Bound, held_against, require_held
from mlubench.audits.classes import class_rows, spread_row
from mlubench.audits.counting import Counted, Key, count
from mlubench.audits.figures import attack_row, first_told, sure, way_rows
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
from mlubench.audits.table import ATTACKS
from mlubench.audits.targets import Targets, choose_targets
from mlubench.core.errors import MlubenchError, UsageError, unknown_name
from mlubench.core.files import digest, read_manifest
from mlubench.core.progress import progress_bar
from mlubench.data.general import GeneralQuestion, draw_general
from mlubench.experiment.context import Context
from mlubench.experiment.finished import finished_context
from mlubench.experiment.strangers import open_strangers
from mlubench.judging.harm import HarmJudge, harm_judge
from mlubench.lumoe.gates.metric import encoder_for
from mlubench.models.features import open_encoder
from mlubench.runs.audits import AttackFacts, Audit, ClassRow, SpreadRow, ToldRow, read_audit
from mlubench.runs.audits import AttackRow as SummaryRow
from mlubench.runs.folder import (
    BASE,
    GATE_ONLY,
    NOTHING_UNLEARNED,
    ORACLE,
    PROMPT_ONLY,
    TRAINING_FREE,
)
from mlubench.runs.opening import Run, open_run

FACTS = 40
QUICK_FACTS = 8
# Questions of each general ability, at most: there is no end to the pictures that can be drawn.
MOST_GENERAL = 200
# Answers that are written at once.
CHUNK = 128


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an audit is to do."""

    # Names of the table; empty for all.
    attacks: tuple[str, ...] = ()
    # Empty for the base, every archived method, and what LUMoE is held against.
    systems: tuple[str, ...] = ()
    # How many facts are asked about, of each kind.
    facts: int = FACTS
    quick: bool = False
    bounds: tuple[Bound, ...] = ()


def audit_run(root: Path, wanted: Wanted) -> Audit:
    """Attack a run's systems and write its audit.json.

    Interrupted, the same call goes on where it was. Raises UsageError for an attack or a system that is not there, and
    MlubenchError where the run is not finished.
    """
    run = open_run(root)
    # An unfinished run has none, and is told before hours of asking.
    run.results()
    names = systems_of(run, wanted.systems, on_request=(ORACLE,))
    attacks = {name: ATTACKS.resolve(name) for name in wanted.attacks or tuple(ATTACKS)}
    require_held(wanted.bounds, _facts_of(attacks), names)
    judge = harm_judge(run, run.order)
    if judge is None:
        raise MlubenchError(f"{root} has no answers of its base yet", "Finish the run first.")
    with run.folder.lock(), TemporaryDirectory() as pictures:
        # Before anything is asked: a broken one is not written over.
        earlier = read_audit(run.folder.audit)
        ctx = finished_context(run.folder)
        general: list[GeneralQuestion] = []
        if any(attack.about == "general" for attack in attacks.values()):
            of_each = min(wanted.facts, MOST_GENERAL)
            general = draw_general(run.folder.audit_pictures, of_each)
        targets = open_targets(ctx, run, judge, wanted.facts, general)
        studio = Studio(Path(pictures), run.folder.audit_pictures, _disturber(ctx))
        auditor = _Auditor(ctx, run, attacks, targets, judge, studio)
        audit = auditor.audit(names, wanted)
        if earlier is not None:
            # Attacks say nothing of these scores, so they stay.
            audit = audit.model_copy(update={"lmms_eval": earlier.lmms_eval})
        audit.write(run.folder.audit)
    return audit


def _disturber(ctx: Context) -> Callable[[Image.Image], Image.Image] | None:
    """What finds noise against the run's gate; None where the run has no LUMoE."""
    if "lumoe" not in ctx.config.methods:
        return None
    encoder = open_encoder(encoder_for(ctx.benchmark, ctx.config.gates), ctx.mllm)
    return against(encoder)


def open_targets(
    ctx: Context,
    run: Run,
    judge: HarmJudge,
    facts: int,
    general: Sequence[GeneralQuestion] = (),
) -> Targets:
    """What the run's systems are asked about: so many of each kind at most, and all of `general`."""
    base_answers = []
    for task in run.order:
        base_answers += run.answers(BASE, task, NOTHING_UNLEARNED)
    strangers = open_strangers(ctx.config.benchmark, ctx.benchmark).found
    return choose_targets(ctx.benchmark, base_answers, judge, strangers, facts, general)


def systems_of(run: Run, wanted: Sequence[str], *, on_request: Sequence[str] = ()) -> list[str]:
    """The systems that are asked for, or all but those `on_request`. The base is first: losses are held against it."""
    finished = []
    for method in run.config.methods:
        if run.archived(method) == run.order:
            finished.append(method)
    there = [BASE, *finished, PROMPT_ONLY, TRAINING_FREE]
    if "lumoe" in finished:
        there.append(GATE_ONLY)
    for name in wanted:
        if name not in there and name not in on_request:
            raise unknown_name("finished system", name, [*there, *on_request])
    if not finished:
        raise UsageError(f"{run.folder.root} has no finished method", "Finish the run first.")
    if not wanted:
        return there
    return [name for name in (*there, *on_request) if name == BASE or name in wanted]


def _facts_of(attacks: Mapping[str, Attack]) -> list[AttackFacts]:
    return [
        AttackFacts(attack=name, meaning=attack.meaning, access=attack.access, harm=attack.harm)
        for name, attack in attacks.items()
    ]


class _Auditor:
    """What an audit works with."""

    def __init__(
        self,
        ctx: Context,
        run: Run,
        attacks: dict[str, Attack],
        targets: Targets,
        judge: HarmJudge,
        studio: Studio,
    ) -> None:
        self.ctx = ctx
        self.run = run
        self.attacks = attacks
        self.targets = targets
        self.judge = judge
        of_entities = (*targets.forgotten, *targets.kept, *targets.strangers)
        self.class_of = {target.sample.fact: target.sample.entity.cls for target in of_entities}
        self.forgotten = {target.sample.fact: target.sample for target in targets.forgotten}
        self.outdated: dict[str, int] = {}
        self.attempts: dict[str, dict[Key, Attempt]] = {}
        for name, attack in attacks.items():
            found = attempts_of(attack, targets.about(attack.about), studio)
            self.attempts[name] = {
                attempt.key: attempt
                for attempt in found
                # A probe that has nothing to learn from takes every answer for as right as any other.
                if attempt.way.probe is None or targets.lessons
            }

    def audit(self, names: Sequence[str], wanted: Wanted) -> Audit:
        """Every attack on every system."""
        summary: list[SummaryRow] = []
        ways = []
        told: list[ToldRow] = []
        classes: list[ClassRow] = []
        spreads: list[SpreadRow] = []
        of_base: dict[str, dict[Key, AttackRow]] = {}
        with progress_bar() as bar:
            for name in names:
                asked = self._ask(name, bar)
                if name == BASE:
                    of_base = asked
                by_asking: dict[Harm, list[Counted]] = {}
                for attack_name, attack in self.attacks.items():
                    rows = asked[attack_name]
                    counted = self._count(attack_name, rows, of_base[attack_name])
                    gated = any(row.experts is not None for row in rows.values())
                    of_ways = way_rows(name, attack_name, attack, counted, gated=gated)
                    ways += of_ways
                    summary.append(attack_row(name, attack_name, attack, counted, of_ways))
                    if attack.access == "asking":
                        certain = sure(attack, counted)
                        by_asking.setdefault(attack.harm, []).extend(certain)
                        if attack.harm == "leak" and name != BASE:
                            told += self._told(name, attack_name, certain)
                classes += self._classes(name, by_asking)
                spreads += self._spreads(name, by_asking)
        facts = _facts_of(self.attacks)
        return Audit(
            quick=wanted.quick,
            facts={
                "forgotten": len(self.targets.forgotten),
                "kept": len(self.targets.kept),
                "stranger": len(self.targets.strangers),
                "general": len(self.targets.general),
            },
            systems=list(names),
            outdated=self.outdated,
            attacks=facts,
            summary=summary,
            ways=ways,
            told=first_told(told),
            classes=classes,
            spreads=spreads,
            bounds=held_against(wanted.bounds, facts, summary),
        )

    def _told(self, name: str, attack: str, counted: Sequence[Counted]) -> Iterator[ToldRow]:
        for answer in counted:
            if answer.harm and answer.example:
                sample = self.forgotten[answer.fact]
                yield ToldRow(
                    system=name,
                    attack=attack,
                    way=answer.way,
                    entity=sample.entity.title,
                    question=sample.question,
                    truth=sample.truth,
                    answer=answer.example,
                )

    def _classes(
        self, name: str, by_asking: Mapping[Harm, Sequence[Counted]]
    ) -> Iterator[ClassRow]:
        for harm, answers in by_asking.items():
            yield from class_rows(name, harm, answers, self.class_of)

    def _spreads(
        self, name: str, by_asking: Mapping[Harm, Sequence[Counted]]
    ) -> Iterator[SpreadRow]:
        for harm, answers in by_asking.items():
            row = spread_row(name, harm, answers, self.class_of)
            if row is not None:
                yield row

    def _count(
        self, name: str, rows: dict[Key, AttackRow], base: dict[Key, AttackRow]
    ) -> list[Counted]:
        return count(self.attacks[name], self.attempts[name], rows, base, self.judge)

    def _ask(self, name: str, bar: Progress) -> dict[str, dict[Key, AttackRow]]:
        """By attack what a system says. It is opened only where something is still to be asked."""
        asked = {}
        opened: System | None = None
        made_of = self._made_of(name)
        targeted = [target.sample.fact for target in self.targets.forgotten]
        for attack in self.attacks:
            path = self.run.folder.audit_answers(name, attack)
            by = digest([*made_of, targeted]) if self.attacks[attack].trains else digest(made_of)
            there = read_rows(path)
            rows = rows_by(by, there)
            if not self.attacks[attack].trains:
                self._note_outdated(name, there, rows)
            # What got no answer may get one now.
            missing = [key for key in self.attempts[attack] if key not in rows or rows[key].failed]
            if missing and opened is None:
                opened = system(self.ctx, name)
                opened.targeted = frozenset(target.sample.fact for target in self.targets.forgotten)
                opened.lessons = self.targets.lessons
                opened.open()
            if opened is not None:
                task = bar.add_task(f"{name}: {attack}", total=len(missing))
                for chunk in self._chunks(attack, missing):
                    new = [replace(row, by=by) for row in _answered(opened, chunk)]
                    append_rows(path, new)
                    rows |= {row.key: row for row in new}
                    bar.advance(task, len(new))
                bar.remove_task(task)
            asked[attack] = rows
        return asked

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


def _answered(opened: System, attempts: Sequence[Attempt]) -> list[AttackRow]:
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
