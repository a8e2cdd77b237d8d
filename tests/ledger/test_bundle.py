"""A bundle of evidence: it proves itself without the ledger, and any change of it is found."""

import io
import json
import random
import secrets
import zipfile
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.bundle import write_bundle
from mlubench.ledger.bundle_files import BundleStatement, sign_manifest
from mlubench.ledger.bundle_verification import verify_bundle
from mlubench.ledger.canonical import canonical_json, sha256
from mlubench.ledger.checkpoints import CheckpointFile
from mlubench.ledger.export import signed_chain
from mlubench.ledger.ledger import Ledger
from mlubench.ledger.verification import Trust
from support.ledgers import filled, received

FILES = {"page.html": b"<p>suppressed, not erased</p>", "answers/held-out.jsonl": b"{}\n"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return filled(tmp_path / "ledger.sqlite", requests=4)


def contents_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def test_a_bundle_proves_itself(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    manifest = write_bundle(ledger, path, "R-2", files=FILES)
    report = verify_bundle(path, Trust(signer=manifest.signer))
    assert report.problems == ()
    assert report.entries == 2
    assert report.checkpoint is not None and report.checkpoint.size == 8
    contents = contents_of(path)
    assert contents["files/page.html"] == FILES["page.html"]
    entries = [json.loads(line)["entry"] for line in contents["entries.jsonl"].splitlines()]
    assert [entry["event"]["request"] for entry in entries] == ["R-2", "R-2"]
    # What was sealed stays so.
    assert b"example.org" not in contents["entries.jsonl"]


def test_it_is_held_to_anchors(ledger: Ledger, tmp_path: Path) -> None:
    _, anchor = signed_chain(ledger)
    trust = Trust((CheckpointFile(checkpoint=anchor),))
    ledger.append(received("R-9"))
    write_bundle(ledger, tmp_path / "tied.zip", "R-2", anchors=[anchor])
    write_bundle(ledger, tmp_path / "loose.zip", "R-2")
    assert verify_bundle(tmp_path / "tied.zip", trust).is_whole
    loose = verify_bundle(tmp_path / "loose.zip", trust)
    assert "nothing here shows that it is of one ledger" in loose.problems[0]


def test_every_change_of_a_file_is_found(ledger: Ledger, tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path, edited = tmp_path / "evidence.zip", tmp_path / "edited.zip"
    write_bundle(ledger, path, "R-2", files=FILES)
    contents = contents_of(path)
    for name, data in contents.items():
        for _ in range(12):
            changed = bytearray(data)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            write_zip(edited, contents | {name: bytes(changed)})
            assert not verify_bundle(edited, Trust()).is_whole, (name, changed)
        write_zip(edited, {other: contents[other] for other in contents if other != name})
        assert not verify_bundle(edited, Trust()).is_whole, name
        write_zip(edited, contents | {name: data[:-1]})
        assert not verify_bundle(edited, Trust()).is_whole, name
    write_zip(edited, contents | {"files/more.html": b"more"})
    assert verify_bundle(edited, Trust()).problems == (
        "files/more.html is in it, and not in its manifest",
    )


def test_a_damaged_zip_is_an_answer_and_no_traceback(ledger: Ledger, tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path, edited = tmp_path / "evidence.zip", tmp_path / "edited.zip"
    write_bundle(ledger, path, "R-2", files=FILES)
    data = path.read_bytes()
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        edited.write_bytes(
            changed[: rng.randrange(len(changed))] if rng.random() < 0.3 else changed
        )
        report = verify_bundle(edited, Trust())
        # A byte of the zip's own, such as a time, may be any; then what is in it is as it was.
        assert report.problems or contents_of(edited) == contents_of(path)


def resigned(ledger: Ledger, contents: dict[str, bytes], request: str) -> dict[str, bytes]:
    """The owner signs whatever is in it by now."""
    _, checkpoint = signed_chain(ledger)
    files = {name: data for name, data in contents.items() if name != "manifest.json"}
    statement = BundleStatement(
        ledger=checkpoint.ledger,
        request=request,
        made=checkpoint.made,
        signer=checkpoint.signer,
        files={name: sha256(data) for name, data in files.items()},
    )
    manifest = sign_manifest(statement, ledger.keys)
    return files | {"manifest.json": canonical_json(manifest.model_dump(mode="json"))}


def test_an_entry_that_is_not_in_the_ledger_is_found(ledger: Ledger, tmp_path: Path) -> None:
    """Also in a bundle that the owner has signed: the proof leads to no root."""
    path = tmp_path / "evidence.zip"
    write_bundle(ledger, path, "R-2")
    contents = contents_of(path)
    lines = contents["entries.jsonl"].splitlines(keepends=True)
    forged = {
        "1 of the bundle is not in the ledger": lines[0].replace(b'"desk"', b'"dusk"') + lines[1],
        "2 of the bundle is not in the ledger": lines[0]
        + lines[1].replace(b'"index"', b'"more":1,"index"'),
        "cannot be written as JSON": lines[0].replace(b'"index":4', b'"index":4,"more":NaN'),
        "should be a valid integer": lines[0].replace(b'"index":4', b'"index":"4"'),
        "not in the order": lines[1] + lines[0],
        "were cut": b"",
        "the line cannot be used": b"{}\n",
        "it is no JSON": b"x\n",
    }
    for problem, data in forged.items():
        write_zip(path, resigned(ledger, contents | {"entries.jsonl": data}, "R-2"))
        assert problem in " ".join(verify_bundle(path, Trust()).problems)
    write_zip(path, resigned(ledger, contents, "R-1"))
    assert "is about another request" in verify_bundle(path, Trust()).problems[0]
    write_zip(path, resigned(ledger, contents, "R-2"))
    assert verify_bundle(path, Trust()).is_whole


def test_what_cannot_be_bundled(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    with pytest.raises(UsageError, match="holds nothing of request R-7"):
        write_bundle(ledger, path, "R-7")
    for name in ("../page.html", "/page.html", "a/../b", "", ".hidden", "a b", "ä"):
        with pytest.raises(UsageError, match="is no name for a file of a bundle"):
            write_bundle(ledger, path, "R-2", files={name: b""})
    with pytest.raises(MlubenchError, match="did not grow"):
        _, foreign = signed_chain(filled(tmp_path / "other.sqlite"))
        write_bundle(ledger, path, "R-2", anchors=[foreign])
    assert not path.exists()


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlubench.ledger.bundle_verification._MOST_BYTES", 1000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("files/zeros", bytes(100_000))
    (tmp_path / "bomb.zip").write_bytes(packed.getvalue())
    assert verify_bundle(tmp_path / "bomb.zip", Trust()).problems == (
        "it is larger than any bundle",
    )
