"""What the answers of all systems come to: the rows of an audit."""

from collections.abc import Mapping, Sequence

from mlubench.audits.asking import Attempts
from mlubench.audits.attack import Attack, Harm
from mlubench.audits.classes import class_rows, spread_row
from mlubench.audits.counting import Counted, Key, count
from mlubench.audits.figures import attack_row, first_told, sure, way_rows
from mlubench.audits.rows import AttackRow
from mlubench.audits.targets import Targets
from mlubench.judging.harm import HarmJudge
from mlubench.runs.audits import AttackRow as SummaryRow
from mlubench.runs.audits import ClassRow, SpreadRow, ToldRow, WayRow
from mlubench.runs.folder import BASE

Asked = Mapping[str, Mapping[Key, AttackRow]]


class Findings:
    """Rows of systems, in the order in which these are added. The base comes first: losses are held against it."""

    def __init__(
        self,
        attacks: Mapping[str, Attack],
        attempts: Attempts,
        targets: Targets,
        judge: HarmJudge,
    ) -> None:
        self._attacks = attacks
        self._attempts = attempts
        self._judge = judge
        of_entities = (*targets.forgotten, *targets.kept, *targets.strangers)
        self._class_of = {target.sample.fact: target.sample.entity.cls for target in of_entities}
        self._forgotten = {target.sample.fact: target.sample for target in targets.forgotten}
        self._of_base: Asked = {}
        self._told: list[ToldRow] = []
        self.summary: list[SummaryRow] = []
        self.ways: list[WayRow] = []
        self.classes: list[ClassRow] = []
        self.spreads: list[SpreadRow] = []

    @property
    def told(self) -> list[ToldRow]:
        return first_told(self._told)

    def add(self, system: str, asked: Asked) -> None:
        """`asked` is what the system says, by attack."""
        if system == BASE:
            self._of_base = asked
        by_asking: dict[Harm, list[Counted]] = {}
        for name, attack in self._attacks.items():
            counted = self._add_attack(system, name, asked[name])
            if attack.access == "asking":
                certain = sure(attack, counted)
                by_asking.setdefault(attack.harm, []).extend(certain)
                if attack.harm == "leak" and system != BASE:
                    self._add_told(system, name, certain)
        for harm, answers in by_asking.items():
            self.classes += class_rows(system, harm, answers, self._class_of)
            spread = spread_row(system, harm, answers, self._class_of)
            if spread is not None:
                self.spreads.append(spread)

    def _add_attack(self, system: str, name: str, rows: Mapping[Key, AttackRow]) -> list[Counted]:
        attack = self._attacks[name]
        counted = count(attack, self._attempts[name], rows, self._of_base[name], self._judge)
        gated = any(row.experts is not None for row in rows.values())
        of_ways = way_rows(system, name, attack, counted, gated=gated)
        self.ways += of_ways
        self.summary.append(attack_row(system, name, attack, counted, of_ways))
        return counted

    def _add_told(self, system: str, attack: str, counted: Sequence[Counted]) -> None:
        for answer in counted:
            if not answer.harm or not answer.example:
                continue
            sample = self._forgotten[answer.fact]
            row = ToldRow(
                system=system,
                attack=attack,
                way=answer.way,
                entity=sample.entity.title,
                question=sample.question,
                truth=sample.truth,
                answer=answer.example,
            )
            self._told.append(row)
