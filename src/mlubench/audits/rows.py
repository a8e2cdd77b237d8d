"""What a system said to an attack, a line an answer, appended so that an interrupted audit goes on where it was."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mlubench.audits.attack import Ask, Attack, Target, Way
from mlubench.audits.studio import Studio
from mlubench.core.files import digest
from mlubench.core.lines import append_lines, mend, parse_lines


@dataclass(frozen=True, slots=True)
class AttackRow:
    """One answer to one query of an attack."""

    way: str
    # Of the target's sample.
    sample: str
    # A hash of what was asked, so that an attack that was changed since is asked anew.
    asked: str
    response: str
    # The experts that its route named; None for a system without a gate.
    experts: tuple[str, ...] | None = None
    # Why there is no answer, as where the query is too long.
    failed: str = ""
    # The harm, 0 to 1, where the model was to read answers in the place of giving one.
    value: float | None = None
    # A hash of what answered, so that what was made anew since is asked anew. Rows of earlier versions have none.
    by: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.way, self.sample, self.asked


@dataclass(frozen=True, slots=True)
class Attempt:
    """One query of an attack, with what it belongs to."""

    way: Way
    target: Target
    ask: Ask

    @property
    def key(self) -> tuple[str, str, str]:
        """As that of its row."""
        pictures = [(turn, path.name) for turn, path in self.ask.pictures]
        told: list[object] = [self.ask.question, pictures, self.ask.history, self.ask.begun]
        if self.ask.candidates:
            told.append(self.ask.candidates)
        return self.way.name, self.target.sample.id, digest(told)


_ROW = TypeAdapter(AttackRow)


def attempts_of(attack: Attack, targets: Iterable[Target], studio: Studio) -> Iterator[Attempt]:
    """All queries of an attack."""
    for target in targets:
        for way in attack.ways:
            for ask in way.asks(target, studio):
                yield Attempt(way, target, ask)


def read_rows(path: Path) -> list[AttackRow]:
    """The rows of a file; none where there is no file. A last line that was cut is taken off."""
    mend(path)
    return parse_lines(path, _ROW.validate_python)


def rows_by(answerer: str, rows: Iterable[AttackRow]) -> dict[tuple[str, str, str], AttackRow]:
    """By their keys the rows of what has this hash, the last of each, and those that do not say whose they are."""
    return {row.key: row for row in rows if row.by in ("", answerer)}


def append_rows(path: Path, rows: Iterable[AttackRow]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    append_lines(path, [asdict(row) for row in rows])
