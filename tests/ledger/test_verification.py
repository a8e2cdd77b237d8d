"""Every edit of an export is found. `EDITS` of them are drawn anew each time; the seed is printed."""

import random
import secrets
from collections import Counter
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.ledger.checkpoints import (
    CheckpointFile,
    growth_from,
    read_checkpoint,
    write_checkpoint,
)
from mlubench.ledger.export import signed_chain, write_export
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.verification import Trust, verify_checkpoint, verify_export
from mlubench.ledger.verifying import verify
from support.ledger_edits import Forger
from support.ledgers import filled, received

EDITS = 500
# Kinds of edit for which the owner's signature is needed, or was made: an anchor alone shows them.
BY_THE_OWNER = ("rewritten_by_the_owner", "cut_by_the_owner", "cut_to_an_earlier_end")


def grown(folder: Path) -> tuple[Ledger, dict[int, bytes]]:
    """A ledger of 12 entries, and the last lines of exports that were made on the way."""
    ledger = filled(folder / "ledger.sqlite", requests=4)
    ends = {}
    for number in range(4):
        size = write_export(ledger, folder / "earlier.jsonl").size
        ends[size] = (folder / "earlier.jsonl").read_bytes().splitlines()[-1]
        ledger.append(received(f"R-{9 + number}"))
    return ledger, ends


def test_all_of_500_edits_are_found(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    ledger, ends = grown(tmp_path)
    path = tmp_path / "ledger.jsonl"
    checkpoint = write_export(ledger, path)
    anchored = Trust(anchors=(CheckpointFile(checkpoint=checkpoint),))
    key_alone = Trust(signer=checkpoint.signer)
    original = path.read_bytes()
    assert verify_export(path, anchored).is_whole
    assert verify_export(path, key_alone).is_whole
    lines = original.splitlines()
    rng = random.Random(seed)
    forger = Forger(rng, ledger.keys, ends)
    found: Counter[str] = Counter()
    missed = []
    kinds = forger.kinds()
    while found.total() + len(missed) < EDITS:
        kind = kinds[(found.total() + len(missed)) % len(kinds)]
        edited = b"\n".join(kind(list(lines))) + b"\n"
        if edited == original:
            # Cut behind the last byte, or two equal entries swapped: nothing was edited.
            continue
        path.write_bytes(edited)
        name = kind.__name__
        trust = anchored if name in BY_THE_OWNER else rng.choice([anchored, key_alone])
        if verify_export(path, trust).is_whole:
            missed.append((name, edited))
        else:
            found[name] += 1
    assert missed == []
    assert found.total() == EDITS
    assert min(found.values()) >= EDITS // len(kinds)


def test_a_report_says_what_is_wrong(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    path = tmp_path / "ledger.jsonl"
    write_export(ledger, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "cut or changed at its end" in verify_export(path, Trust()).problems[0]
    path.write_bytes(whole.replace(b'"request":"R-1"', b'"request":"R-2"', 1))
    report = verify_export(path, Trust())
    assert report.problems == (
        "entry 2 was changed: its content does not have its hash",
        "its checkpoint is of other entries than those that are here",
    )


def test_a_report_says_what_it_cannot_show(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    path = tmp_path / "ledger.jsonl"
    checkpoint = write_export(ledger, path)
    alone = verify_export(path, Trust())
    assert [line.partition(":")[0] for line in alone.not_shown] == [
        "that no end was cut off, and that its owner did not write all of it anew",
        "whose the signing key is",
    ]
    anchor = CheckpointFile(checkpoint=checkpoint)
    assert verify_export(path, Trust((anchor,), checkpoint.signer)).not_shown == ()
    ledger.append(received("R-9"))
    write_export(ledger, path)
    newer = verify_export(path, Trust((anchor,)))
    assert newer.is_whole
    assert "behind entry 8: no anchor is as new" in newer.not_shown[0]


def test_another_signer_and_another_ledger_are_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    other = filled(tmp_path / "other.sqlite")
    checkpoint = write_export(ledger, tmp_path / "ledger.jsonl")
    stranger = write_export(other, tmp_path / "other.jsonl")
    wrong_key = verify_export(tmp_path / "ledger.jsonl", Trust(signer=stranger.signer))
    assert "not by the key that you gave" in wrong_key.problems[0]
    anchor = CheckpointFile(checkpoint=stranger)
    wrong_ledger = verify_export(tmp_path / "ledger.jsonl", Trust((anchor,)))
    assert "is of another ledger" in wrong_ledger.problems[0]
    damaged = checkpoint.model_copy(update={"size": checkpoint.size - 1})
    not_signed = verify_export(
        tmp_path / "ledger.jsonl", Trust((CheckpointFile(checkpoint=damaged),))
    )
    assert "was changed: its signature does not fit" in not_signed.problems[0]


def test_a_checkpoint_shows_that_it_grew_from_an_earlier_one(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    _, monday = signed_chain(ledger)
    ledger.append(received("R-9"))
    chain, tuesday = signed_chain(ledger)
    tied = CheckpointFile(checkpoint=tuesday, grew_from=growth_from(chain, [monday]))
    loose = CheckpointFile(checkpoint=tuesday)
    write_checkpoint(tmp_path / "tied.json", tied)
    write_checkpoint(tmp_path / "loose.json", loose)
    assert read_checkpoint(tmp_path / "tied.json") == tied
    trust = Trust((CheckpointFile(checkpoint=monday),))
    assert verify_checkpoint(tmp_path / "tied.json", trust).is_whole
    untied = verify_checkpoint(tmp_path / "loose.json", trust)
    assert "nothing here shows that it is of one ledger" in untied.problems[0]
    # The later one brings the proof along, whichever of them is looked at.
    write_checkpoint(tmp_path / "monday.json", CheckpointFile(checkpoint=monday))
    assert verify_checkpoint(tmp_path / "monday.json", Trust((tied,))).is_whole
    assert not verify_checkpoint(tmp_path / "monday.json", Trust((loose,))).is_whole


def test_a_checkpoint_of_another_past_is_not_signed(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    _, foreign = signed_chain(filled(tmp_path / "other.sqlite"))
    chain, _ = signed_chain(ledger)
    with pytest.raises(MlubenchError, match="did not grow from the checkpoint of 8 entries"):
        growth_from(chain, [foreign])


def test_a_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "ledger.sqlite")
    checkpoint = write_export(ledger, tmp_path / "a")
    write_checkpoint(tmp_path / "b", CheckpointFile(checkpoint=checkpoint))
    (tmp_path / "c").write_bytes(b"something else")
    (tmp_path / "d").write_bytes(b"")
    kinds = {name: verify(str(tmp_path / name)).what for name in ("a", "b", "ledger.sqlite")}
    assert kinds == {"a": "export", "b": "checkpoint", "ledger.sqlite": "ledger"}
    assert not verify(str(tmp_path / "c")).is_whole
    assert not verify(str(tmp_path / "d")).is_whole
