"""What an expert's folder must hold and say, checked byte by byte before anything in it is loaded. No torch here."""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from mlubench.core.errors import MlubenchError
from mlubench.core.files import MANIFEST, file_sha256
from mlubench.core.reading import read_json, read_json_as_it_stands
from mlubench.core.tensor_files import read_header
from mlubench.runs.manifest import Manifest, ManifestFacts

# As PEFT names them.
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."  # before the base's own name of a module
# What a manifest says besides the files. Manifests of older runs lack some; `missing_fields` names them.
FIELDS = (
    "task",
    "entities",
    "method",
    "settings",
    "base",
    "base_revision",
    "base_sha256",
    "data_sha256",
    "modules",
)
# The only kinds of file that an expert may hold, and those that could run code when they are loaded.
PLAIN = (".json", ".safetensors")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz")
_LORA = re.compile(r"(.+)\.lora_([AB])\.weight")
_IMPORT_AGAIN = "Import it again from a good copy, or delete its folder and run again."


def writing_versions() -> dict[str, str]:
    """The packages that name an expert's modules and write its settings, for its manifest."""
    return {package: version(package) for package in ("transformers", "peft")}


def base_id(name: str) -> str:
    """The base's id as a manifest says it: of a folder on this machine its own name alone."""
    return Path(name).name if Path(name).is_absolute() else name


def read_facts(folder: Path) -> Manifest:
    """The manifest alone, its files unchecked. Raises MlubenchError where it is absent, broken or of another form."""
    return read_json_as_it_stands(folder / MANIFEST, Manifest, _IMPORT_AGAIN)


def missing_fields(facts: Mapping[str, object]) -> list[str]:
    """Fields that the manifest lacks. A revision may be null; a hash of weights that were not at hand counts as lacking."""
    missing = []
    for name in FIELDS:
        may_be_null = name == "base_revision"
        if name not in facts or (facts[name] in (None, {}, "") and not may_be_null):
            missing.append(name)
    return missing


def check_folder(folder: Path, *, weights: bool = True) -> Manifest:
    """The manifest, after checking all that can be checked without the base. `weights=False` lets WEIGHTS be absent.

    Raises MlubenchError naming the first thing wrong: a symbolic link, a path that leaves the folder, a pickle, a file
    that is missing, changed or not listed, weights that are no safetensors, a module of which only one of the manifest
    and the weights knows.
    """
    if folder.is_symlink():
        raise MlubenchError(
            f"{folder} is a symbolic link", "Put the expert's own folder in its place."
        )
    present = _plain_files(folder)
    facts = read_facts(folder)
    for name, expected in facts["files"].items():
        if not is_inside(name):
            raise MlubenchError(
                f"{folder / MANIFEST} lists {name!r}, which leaves the folder", _IMPORT_AGAIN
            )
        if name == WEIGHTS and name not in present and not weights:
            continue
        if name not in present or file_sha256(folder / name) != expected:
            raise MlubenchError(f"{folder / name} is missing or changed", _IMPORT_AGAIN)
    unlisted = sorted(present - set(facts["files"]) - {MANIFEST})
    if unlisted:
        raise MlubenchError(f"{folder / unlisted[0]} is not in the manifest", "Take it away.")
    if not weights and WEIGHTS not in present:
        return facts
    for name in (CONFIG, WEIGHTS):
        if name not in present:
            raise MlubenchError(f"{folder / name} is missing", _IMPORT_AGAIN)
    check_weights(folder, facts)
    return facts


def is_inside(name: str) -> bool:
    """Whether a relative path in POSIX form stays below where it starts, in any system's reading."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        return False
    # A backslash and a colon mean something on Windows. `a//b` and `a/./b` are second spellings of one path.
    if "\\" in name or ":" in name or not name.isprintable():
        return False
    return name == "/".join(parts)


def check_kind(path: Path | PurePosixPath) -> None:
    """Raises MlubenchError for a file that could run code when it is loaded, or that no expert needs."""
    if path.suffix.lower() in PICKLED:
        raise MlubenchError(
            f"{path} may be a pickle, which can run code", "Save the weights as safetensors."
        )
    if path.suffix not in PLAIN:
        raise MlubenchError(f"{path} is neither JSON nor safetensors", "Take it away.")


def _plain_files(folder: Path) -> set[str]:
    """The files below the folder, as POSIX paths. Raises MlubenchError for anything else than plain files and folders."""
    found = set()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            # `lstat` and not `is_file`, which would follow a link out of the folder.
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise MlubenchError(
                    f"{path} is a symbolic link", "Put the file itself in its place."
                )
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise MlubenchError(f"{path} is not a plain file", "Take it away.")
            check_kind(path)
            found.add(path.relative_to(folder).as_posix())
    return found


def check_weights(folder: Path, facts: ManifestFacts) -> None:
    """Raises MlubenchError unless the folder holds a LoRA, whole in itself, of the modules that the manifest names."""
    config = read_json(folder / CONFIG, dict, _IMPORT_AGAIN)
    if config.get("peft_type") != "LORA":
        raise MlubenchError(
            f"{folder / CONFIG} is not that of a LoRA adapter", "Only LoRA experts can be added up."
        )
    tensors = tensors_in(folder / WEIGHTS)
    letters: dict[str, set[str]] = {}
    for name in tensors:
        match = _LORA.fullmatch(name)
        if match is not None:
            module, letter = match.groups()
            letters.setdefault(module, set()).add(letter)
    halves = sorted(module for module, found in letters.items() if len(found) == 1)
    if halves:
        raise MlubenchError(
            f"{folder / WEIGHTS} holds only half of the LoRA of {halves[0]}", _IMPORT_AGAIN
        )
    held = modules_of(tensors)
    # Manifests of older runs name no modules.
    named = facts.get("modules") or held
    different = sorted(set(named) ^ set(held))
    if different:
        side = "the weights lack" if different[0] in named else "the manifest does not name"
        raise MlubenchError(f"{folder}: {side} module {different[0]}", _IMPORT_AGAIN)


def tensors_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a safetensors file's tensors by name, from its header alone. MlubenchError when it is no such file."""
    try:
        return {name: entry.shape for name, entry in read_header(path).items()}
    except (OSError, ValueError) as error:
        raise MlubenchError(f"{path} is no safetensors file: {error}", _IMPORT_AGAIN) from error


def modules_of(tensors: Iterable[str]) -> list[str]:
    """Names of the base's modules that the tensors change: a LoRA's layer, or the module of a parameter trained whole."""
    found = set()
    for name in tensors:
        lora = _LORA.fullmatch(name)
        module = lora[1] if lora is not None else name.rpartition(".")[0]
        found.add(module.removeprefix(PREFIX))
    return sorted(found)
