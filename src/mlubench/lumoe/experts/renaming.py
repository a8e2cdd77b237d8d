"""Names that older versions of transformers gave the base's modules, and today's.

An expert keeps the names of the version that wrote it. Since 4.52 the language model and the tower lie below `model`, and
version 5 has taken one level out of CLIP's tower.
"""

from collections.abc import Iterable
from pathlib import Path

from mlubench.core.errors import MlubenchError
from mlubench.core.files import MANIFEST, file_sha256, write_json
from mlubench.core.reading import read_json
from mlubench.core.tensor_files import rename_tensors
from mlubench.lumoe.experts.manifest import CONFIG, PREFIX, WEIGHTS, modules_of, tensors_in
from mlubench.runs.manifest import Manifest, ManifestFacts

# CLIP's tower of LLaVA, in which version 5 has taken a level out. No base of today has the older name.
_LEVEL_TAKEN_OUT = ("model.vision_tower.vision_model", "model.vision_tower")
# Older prefixes and today's. The first that matches counts.
_RENAMED = (
    # LLaVA and LLaVA-NeXT.
    ("language_model.model", "model.language_model"),
    ("language_model.lm_head", "lm_head"),
    ("vision_tower.vision_model", "model.vision_tower"),
    ("vision_tower", "model.vision_tower"),
    ("multi_modal_projector", "model.multi_modal_projector"),
    # Qwen-VL.
    ("visual", "model.visual"),
    ("model.layers", "model.language_model.layers"),
    ("model.embed_tokens", "model.language_model.embed_tokens"),
    ("model.norm", "model.language_model.norm"),
    _LEVEL_TAKEN_OUT,
)
# Settings that name modules by patterns, each with a value of its own: no rewriting of patterns would be sure.
_BY_PATTERN = ("rank_pattern", "alpha_pattern")


def todays(name: str) -> str:
    """Today's name of a module or parameter of the base; the name itself where it is none of an older version."""
    for old, new in _RENAMED:
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return name


def older_names(facts: ManifestFacts, modules: Iterable[str]) -> dict[str, str]:
    """Today's names by the older ones among these modules of an expert.

    None where the manifest says with which versions it was written: those that are noted all have today's names.
    """
    if (facts.get("versions") or {}).get("transformers"):
        return {}
    renamed = {}
    for module in modules:
        new = todays(module)
        if new != module and not _is_in_a_family(module):
            renamed[module] = new
    return renamed


def _is_in_a_family(module: str) -> bool:
    """Whether a family has a module of that name today: another package may add one with names like the older ones."""
    if module.startswith(f"{_LEVEL_TAKEN_OUT[0]}."):
        return False
    # Only here, as it brings torch along: most experts have no name that is in question.
    from mlubench.models.families import FAMILIES, Parts

    families: list[Parts] = [FAMILIES.resolve(name) for name in FAMILIES]
    return any(parts.part_of(module) is not None for parts in families)


def require_todays_names(name: str, facts: ManifestFacts) -> None:
    """Raises MlubenchError for an expert whose manifest lists modules by older names: they are in no base of today."""
    renamed = older_names(facts, facts.get("modules") or ())
    if renamed:
        raise older_name_error(name, min(renamed))


def older_name_error(name: str, module: str) -> MlubenchError:
    """What is wrong with an expert that has a module by its older name."""
    return MlubenchError(
        f"expert {name!r} names its modules as an older transformers did: {module}, today {todays(module)}",
        "Export it and import it again: an import gives it today's names.",
    )


def bring_up_to_date(folder: Path, facts: ManifestFacts) -> bool:
    """Give the plain PEFT adapter in `folder` today's names, in place. False where it has them.

    The weights keep their bytes but for the header. MlubenchError for settings that name modules by patterns.
    """
    if not older_names(facts, modules_of(tensors_in(folder / WEIGHTS))):
        return False
    settings = read_json(folder / CONFIG, dict)
    for key in _BY_PATTERN:
        if settings.get(key):
            raise MlubenchError(
                f"{folder / CONFIG} names modules as an older transformers did, and sets {key}",
                "Save it again with the versions of today, or make the expert anew.",
            )

    def todays_tensor(name: str) -> str:
        return PREFIX + todays(name.removeprefix(PREFIX))

    rename_tensors(folder / WEIGHTS, todays_tensor)
    tensors = tensors_in(folder / WEIGHTS)
    by_lora = {
        name.partition(".lora_")[0].removeprefix(PREFIX) for name in tensors if ".lora_" in name
    }
    if by_lora:
        settings["target_modules"] = sorted(by_lora)
    settings["modules_to_save"] = [
        todays(name) for name in settings.get("modules_to_save") or ()
    ] or None
    # They say which modules of a pattern are meant: now all are named one by one.
    for key in ("exclude_modules", "layers_to_transform", "layers_pattern"):
        settings[key] = None
    write_json(folder / CONFIG, settings)
    return True


def rewrite_manifest(folder: Path, facts: Manifest) -> None:
    """Write the manifest once more, of files that were brought up to date."""
    hashes = {name: file_sha256(folder / name) for name in facts["files"]}
    modules = modules_of(tensors_in(folder / WEIGHTS))
    write_json(folder / MANIFEST, {**facts, "modules": modules, "files": hashes})
