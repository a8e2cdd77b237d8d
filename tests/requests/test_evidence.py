"""The evidence of a request can be verified by anybody, says "suppressed", and names nobody."""

import zipfile
from pathlib import Path

from mlubench.requests.desk import Desk
from mlubench.requests.evidence import evidence_page, write_evidence
from support.requests import ENTITY
from support.runs import call


def test_a_bundle_is_verified_and_says_what_it_does_not_give(active: Desk, tmp_path: Path) -> None:
    (row,) = active.queue.all()
    bundle = tmp_path / "evidence.zip"
    called = call("request", "evidence", "--store", active.place.path, row.id, "--out", bundle)
    assert called.code == 0, called.err
    assert call("ledger", "verify", bundle).code == 0
    with zipfile.ZipFile(bundle) as archive:
        contents = b"".join(archive.read(name) for name in archive.namelist()).decode()
        page = archive.read("files/page.html").decode()
    assert ENTITY.name not in contents and ENTITY.title not in contents
    assert f"Request {row.id}: active" in page
    assert "suppressed, not erased" in page
    assert "95% interval" in page
    assert "erased" not in page.replace("not erased", "")


def test_a_page_that_was_changed_is_found(active: Desk, tmp_path: Path) -> None:
    (row,) = active.queue.all()
    bundle = tmp_path / "evidence.zip"
    write_evidence(active.queue, row, bundle)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"Suppressed:", b"Erased for good:"))
    assert call("ledger", "verify", changed).code == 1


def test_the_page_of_a_request_that_is_not_in_effect(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    page = evidence_page(row, list(desk.queue.ledger.entries(request=row.id)))
    assert "Nothing is in effect yet" in page
    assert "Nothing yet." in page
