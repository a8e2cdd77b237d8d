"""Says whether an export or a checkpoint is whole, against anchors where there are some. No database, and no network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import json_value, of_shape
from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.chain import Chain
from mlubench.ledger.checkpoints import Checkpoint, CheckpointFile, grew_from, read_checkpoint
from mlubench.ledger.export_lines import FirstLine, LastLine

What = Literal["ledger", "export", "checkpoint", "bundle"]
Line = TypeVar("Line", FirstLine, LastLine)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier holds already, from elsewhere."""

    # Checkpoints that were kept where the ledger's owner cannot change them.
    anchors: tuple[CheckpointFile, ...] = ()
    # The public key that should have signed, in hex.
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying has shown."""

    what: What
    # The ledger's id; "" where the thing does not even say that.
    ledger: str
    # How many entries were looked at.
    entries: int
    checkpoint: Checkpoint | None
    # None: it is whole, as far as `shown` goes.
    problems: tuple[str, ...]
    shown: tuple[str, ...] = ()
    not_shown: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.problems


def verify_export(path: Path, trust: Trust) -> Report:
    """Raises OSError for a file that cannot be read. Whatever else is wrong with it is in the report."""
    lines = _lines(path)
    try:
        first = _read(FirstLine, next(lines, b""), "line 1")
    except MlubenchError as error:
        return Report("export", "", 0, None, (f"this is no export: {error.what}",))
    chain = Chain(first.ledger)
    last = next(lines, b"")
    for line in lines:
        chain.follow(last)
        last = line
    checkpoint = None
    try:
        checkpoint = _read(LastLine, last, "the last line").checkpoint
    except MlubenchError as error:
        chain.blame(f"the export was cut or changed at its end: {error.what}")
    return report_on_chain("export", chain, checkpoint, trust)


def verify_checkpoint(path: Path, trust: Trust) -> Report:
    """A checkpoint alone: its signature, and that it grew from the anchors, as far as it brings the proofs along."""
    file = read_checkpoint(path)
    checkpoint = file.checkpoint
    problems = [*signature_problems(checkpoint, trust), *growth_problems(file, trust)]
    return Report(
        "checkpoint",
        checkpoint.ledger,
        0,
        checkpoint,
        tuple(problems),
        shown=(signed_by(checkpoint, trust), *shown_anchors(trust)),
        not_shown=("the entries themselves: there are none here",),
    )


def report_on_chain(
    what: What, chain: Chain, checkpoint: Checkpoint | None, trust: Trust
) -> Report:
    """What is wrong with a chain that was followed to its end; `checkpoint` should be its own."""
    for anchor in trust.anchors:
        _hold_to_anchor(chain, anchor.checkpoint)
    if checkpoint is not None:
        _hold_to_checkpoint(chain, checkpoint, trust)
    shown = ["every entry has its hash, and follows on the one before it"]
    if checkpoint is not None:
        shown.append(signed_by(checkpoint, trust))
    problems = list(chain.problems)
    if chain.more_problems:
        problems.append(f"and {chain.more_problems} more")
    return Report(
        what,
        chain.ledger,
        chain.size,
        checkpoint,
        tuple(problems),
        shown=(*shown, *shown_anchors(trust)),
        not_shown=tuple(_not_shown(chain, trust, is_signed=checkpoint is not None)),
    )


def _hold_to_anchor(chain: Chain, anchor: Checkpoint) -> None:
    name = anchor_name(anchor)
    if not anchor.is_genuine:
        chain.blame(f"{name} was changed: its signature does not fit")
    elif anchor.ledger != chain.ledger:
        chain.blame(f"{name} is of another ledger, {anchor.ledger}")
    elif anchor.size > chain.size:
        chain.blame(
            f"{name} covers more entries than the {chain.size} that are here: some were cut off"
        )
    elif anchor.root != chain.root(anchor.size):
        chain.blame(f"{name} covers other entries than the first {anchor.size} here")


def _hold_to_checkpoint(chain: Chain, checkpoint: Checkpoint, trust: Trust) -> None:
    for problem in signature_problems(checkpoint, trust):
        chain.blame(problem)
    said = (checkpoint.ledger, checkpoint.size, checkpoint.head, checkpoint.root)
    if said != (chain.ledger, chain.size, chain.head, chain.root()):
        chain.blame("its checkpoint is of other entries than those that are here")


def signature_problems(checkpoint: Checkpoint, trust: Trust) -> Iterator[str]:
    """Whether who should have signed has signed."""
    if not checkpoint.is_genuine:
        yield "its checkpoint was changed: the signature does not fit"
    yield from signer_problems(checkpoint.signer, trust)


def signer_problems(signer: str, trust: Trust) -> Iterator[str]:
    """Whether the one who signs, by the public key, is the one that the verifier knows."""
    if trust.signer is not None and signer != trust.signer:
        yield f"it is signed by {signer}, not by the key that you gave"
    for anchor in trust.anchors:
        if anchor.checkpoint.signer != signer:
            yield f"{anchor_name(anchor.checkpoint)} is signed by another key"


def growth_problems(file: CheckpointFile, trust: Trust) -> Iterator[str]:
    """Whether a checkpoint and the anchors are of one ledger, which only grew between them."""
    for anchor in trust.anchors:
        name = anchor_name(anchor.checkpoint)
        if not anchor.checkpoint.is_genuine:
            yield f"{name} was changed: its signature does not fit"
        elif anchor.checkpoint.ledger != file.checkpoint.ledger:
            yield f"{name} is of another ledger, {anchor.checkpoint.ledger}"
        elif not _grew(file, anchor):
            yield (
                f"nothing here shows that it is of one ledger with {name}: "
                "make it with --since and that checkpoint"
            )


def _grew(file: CheckpointFile, anchor: CheckpointFile) -> bool:
    """Either may be the earlier one; the later one brings the proof along."""
    if anchor.checkpoint.size <= file.checkpoint.size:
        return grew_from(file, anchor.checkpoint)
    return grew_from(anchor, file.checkpoint)


def signed_by(checkpoint: Checkpoint, trust: Trust) -> str:
    if trust.signer is not None:
        return f"it was signed at {checkpoint.made:%Y-%m-%d %H:%M} UTC by the key that you gave"
    return f"it was signed at {checkpoint.made:%Y-%m-%d %H:%M} UTC by the key {checkpoint.signer}"


def shown_anchors(trust: Trust) -> Iterator[str]:
    for anchor in trust.anchors:
        yield f"nothing that {anchor_name(anchor.checkpoint)} covers was changed since"


def anchor_name(anchor: Checkpoint) -> str:
    return f"the anchor of {anchor.size} entries"


def _not_shown(chain: Chain, trust: Trust, *, is_signed: bool) -> Iterator[str]:
    anchored = max((anchor.checkpoint.size for anchor in trust.anchors), default=0)
    if anchored == 0:
        yield "that no end was cut off, and that its owner did not write all of it anew: give an anchor (--anchor)"
    elif anchored < chain.size:
        yield f"that nothing was cut off behind entry {chain.size - 1}: no anchor is as new as that"
    if trust.signer is None and not trust.anchors and is_signed:
        yield "whose the signing key is: compare it with one that you know (--signer)"


def _lines(path: Path) -> Iterator[bytes]:
    """Lines without their newline. A last line that lacks it is marked, since nothing of an export may be missing."""
    with path.open("rb") as file:
        for line in file:
            yield line[:-1] if line.endswith(b"\n") else line + b" (without a newline)"


def _read(shape: type[Line], line: bytes, place: str) -> Line:
    """Raises MlubenchError for a line that is of another shape, or spelled in another way."""
    try:
        value = json_value(line)
    except ValueError as error:
        raise MlubenchError(f"{place} is no JSON: {error}") from None
    found = of_shape(value, shape, place)
    if canonical_json(found.model_dump(mode="json")) != line:
        raise MlubenchError(f"{place} is not spelled as exports are")
    return found
