"""Attacks the systems of a finished run, and writes what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from mlubench.audits.adversary import against
from mlubench.audits.asking import Asker, attempts_by_attack
from mlubench.audits.attack import Attack
from mlubench.audits.bounds import Bound, held_against, require_held
from mlubench.audits.findings import Findings
from mlubench.audits.studio import Studio
from mlubench.audits.table import ATTACKS
from mlubench.audits.targets import Targets, choose_targets
from mlubench.core.errors import MlubenchError, UsageError, unknown_name
from mlubench.core.progress import progress_bar
from mlubench.data.general import GeneralQuestion, draw_general
from mlubench.experiment.context import Context
from mlubench.experiment.finished import finished_context
from mlubench.experiment.strangers import open_strangers
from mlubench.judging.harm import HarmJudge, harm_judge
from mlubench.lumoe.gates.metric import encoder_for
from mlubench.models.features import open_encoder
from mlubench.runs.audits import AttackFacts, Audit, read_audit
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
    of_attacks = _facts_of(attacks)
    require_held(wanted.bounds, of_attacks, names)
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
        attempts = attempts_by_attack(attacks, targets, studio)
        asker = Asker(ctx, run, attacks, targets, attempts)
        findings = Findings(attacks, attempts, targets, judge)
        with progress_bar() as bar:
            for name in names:
                findings.add(name, asker.ask(name, bar))
        audit = Audit(
            quick=wanted.quick,
            facts=targets.counts(),
            systems=names,
            outdated=asker.outdated,
            attacks=of_attacks,
            summary=findings.summary,
            ways=findings.ways,
            told=findings.told,
            classes=findings.classes,
            spreads=findings.spreads,
            bounds=held_against(wanted.bounds, of_attacks, findings.summary),
        )
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
