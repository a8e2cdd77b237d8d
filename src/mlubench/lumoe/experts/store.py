"""Experts on disk: one unchanging folder a version in plain PEFT format, checked in full before it is mounted."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.files import is_whole, whole_dir
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.manifest import (
    CONFIG,
    FIELDS,
    WEIGHTS,
    check_folder,
    check_weights,
    missing_fields,
    modules_of,
    read_facts,
    tensors_in,
)
from mlubench.lumoe.experts.renaming import bring_up_to_date, require_todays_names
from mlubench.runs.manifest import CarriedScore, Manifest, ManifestFacts

if TYPE_CHECKING:
    from mlubench.models.mllm import MLLM

# The first version of expert A lies in A/, as a run writes it; later ones in A@2/, A@3/. PEFT takes no dot in a name.
# Only a merged expert's name holds a plus, as merged+1.
NAME = re.compile(r"[^\W_][\w -]{0,63}(?:\+[1-9]\d{0,5})?")
_FOLDER = re.compile(rf"({NAME.pattern})(?:@([2-9]|[1-9]\d{{1,5}}))?")


class ExpertVersion(TypedDict):
    """One version of an expert, as `mlubench experts list --json` prints it. None: its manifest does not say."""

    expert: str
    version: int
    current: bool  # whether this is the version that counts
    enabled: bool  # of the expert: whether it is switched on
    merged_into: str | None  # the expert that stands for it
    pruned: bool  # whether its weights were deleted
    task: str | None
    entities: list[str] | None
    method: str | None
    base: str | None
    base_revision: str | None
    scores: list[CarriedScore] | None  # cells at birth, as in results.json
    members: dict[str, int] | None  # of a merged expert: what it was made of, with versions
    measured: bool | None  # of a merged expert: whether it was measured before and after
    missing: list[str]  # fields that an older manifest lacks


class VerifiedVersion(TypedDict):
    """What a look at every byte of one version found."""

    expert: str
    version: int | None  # None: a folder without a manifest
    wrong: str | None  # None: nothing
    missing: list[str]
    pruned: bool  # whether its weights were deleted, so that only the rest was looked at


def require_name(name: str) -> str:
    """Raises UsageError for a name that could leave the store or that PEFT cannot give an adapter."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no expert's name", "Use letters, digits, spaces, - and _, at most 64."
        )
    return name


def is_merged(name: str) -> bool:
    """Whether the expert of that name was made of others."""
    return "+" in name


class ExpertStore:
    """The experts under `root`. Their folders never change; which one counts is in `root`/store.json."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Experts that have a whole version, switched on or not, in the order they were made."""
        # An expert's manifest names all tasks unlearned when it was made, so their number tells the order.
        age = {}
        for name in self._versions():
            tasks = read_facts(self.folder(name)).get("tasks", [])
            age[name] = (len(tasks), name)
        return sorted(age, key=age.__getitem__)

    def _versions(self) -> dict[str, list[int]]:
        """Whole versions by expert. A whole folder that is no expert's is an error: nothing is passed over unsaid.

        A merged expert that the state does not know was never put in force, so it is none: `unfinished` names it.
        """
        known = state.read_state(self.root).experts
        found: dict[str, list[int]] = {}
        for folder in self._folders():
            if not is_whole(folder):
                continue
            match = _FOLDER.fullmatch(folder.name)
            if match is None:
                raise MlubenchError(
                    f"{folder} is not named as an expert is", "Call it NAME, or NAME@2 and so on."
                )
            name, number = match.groups()
            if not is_merged(name) or name in known:
                found.setdefault(name, []).append(int(number or 1))
        return {name: sorted(numbers) for name, numbers in found.items()}

    def _folders(self) -> list[Path]:
        """What lies in the store, by name. A leading dot marks what is being written, which does not count."""
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if not path.name.startswith("."))

    def unfinished(self) -> list[str]:
        """Folders without a manifest, and merged experts never put in force: not finished, so no experts."""
        known = state.read_state(self.root).experts
        names = []
        for folder in self._folders():
            if not folder.is_dir():
                continue
            expert = folder.name.partition("@")[0]
            never_in_force = is_merged(expert) and expert not in known
            if never_in_force or not is_whole(folder):
                names.append(folder.name)
        return names

    def versions(self, name: str) -> list[int]:
        """Numbers of the expert's whole versions. Raises MlubenchError when there is none."""
        found = self._versions()
        if name not in found:
            raise MlubenchError(
                f"no expert {name!r} in {self.root}",
                f"There are: {', '.join(sorted(found)) or 'none'}.",
            )
        return found[name]

    def current(self, name: str) -> int:
        """The version that counts. Raises MlubenchError when its folder is gone."""
        numbers = self.versions(name)
        wanted = state.read_state(self.root).of(name).version or numbers[0]
        if wanted not in numbers:
            raise MlubenchError(
                f"version {wanted} of expert {name!r} is gone from {self.root}",
                f"Take another with `mlubench experts rollback --to`: there are {', '.join(map(str, numbers))}.",
            )
        return wanted

    def folder(self, name: str, version: int | None = None) -> Path:
        """Where a version lies, or will lie; the current one if none is named."""
        number = self.current(name) if version is None else version
        return self.root / (name if number == 1 else f"{name}@{number}")

    def enabled(self, name: str) -> bool:
        return state.read_state(self.root).of(name).enabled

    def disabled(self) -> frozenset[str]:
        """Names that are switched off, whether or not such an expert is there."""
        experts = state.read_state(self.root).experts
        return frozenset(name for name, setting in experts.items() if not setting.enabled)

    def manifest(self, name: str, version: int | None = None) -> Manifest:
        """The expert's manifest, everything in its folder checked. Raises MlubenchError when it is absent or changed.

        Of a pruned version the weights may be gone, all else is checked.
        """
        number = self.current(name) if version is None else version
        return check_folder(self.folder(name, number), weights=not self.pruned(name, number))

    def pruned(self, name: str, version: int | None = None) -> bool:
        """Whether the weights of a version, the current one if none is named, were given up after a consolidation."""
        number = self.current(name) if version is None else version
        return number in state.read_state(self.root).of(name).pruned

    def require_weights(self, name: str, version: int | None = None) -> None:
        """Raises MlubenchError for a version that is pruned."""
        if self.pruned(name, version):
            raise MlubenchError(
                f"the weights of expert {name!r} were pruned after a consolidation",
                "Import it again from an export, or make the expert anew.",
            )

    def listing(self) -> list[ExpertVersion]:
        """A row for each version, from the manifests alone: no file is hashed."""
        rows: list[ExpertVersion] = []
        for name in self.names():
            current = self.current(name)
            setting = state.read_state(self.root).of(name)
            for number in self.versions(name):
                facts = read_facts(self.folder(name, number))
                rows.append(
                    {
                        "expert": name,
                        "version": number,
                        "current": number == current,
                        "enabled": setting.enabled,
                        "merged_into": setting.merged_into,
                        "pruned": number in setting.pruned,
                        "task": facts.get("task"),
                        "entities": facts.get("entities"),
                        "method": facts.get("method"),
                        "base": facts.get("base"),
                        "base_revision": facts.get("base_revision"),
                        "scores": facts.get("scores"),
                        "members": facts.get("members"),
                        "measured": facts.get("measured"),
                        "missing": missing_fields(facts),
                    }
                )
        return rows

    def verify(self, names: list[str] | None = None) -> list[VerifiedVersion]:
        """A row for each version of these experts, all if none is named: `wrong` is None, or what is wrong with it."""
        rows: list[VerifiedVersion] = []
        for name in names or sorted(self._versions()):
            for number in self.versions(name):
                row = VerifiedVersion(
                    expert=name,
                    version=number,
                    wrong=None,
                    missing=[],
                    pruned=self.pruned(name, number),
                )
                try:
                    facts = self.manifest(name, number)
                    row["missing"] = missing_fields(facts)
                    require_todays_names(name, facts)
                except MlubenchError as error:
                    row["wrong"] = str(error)
                rows.append(row)
        if names:
            return rows
        for folder in self.unfinished():
            wrong = f"{self.root / folder} has no manifest: it was never finished. Delete it, or run again."
            rows.append(
                VerifiedVersion(expert=folder, version=None, wrong=wrong, missing=[], pruned=False)
            )
        return rows

    def add(self, name: str, adapter: Path, facts: ManifestFacts) -> int:
        """Take a plain PEFT folder in as the expert's next version, and make it the current one. Returns its number.

        `facts` go into the manifest; `modules` are read off the weights. UsageError names those of FIELDS that lack.
        """
        require_name(name)
        for file in (CONFIG, WEIGHTS):
            if (adapter / file).is_symlink() or not (adapter / file).is_file():
                raise MlubenchError(
                    f"{adapter / file} is missing or a symbolic link", "Give a plain PEFT folder."
                )
        whole: ManifestFacts = {**facts, "modules": modules_of(tensors_in(adapter / WEIGHTS))}
        lacking = missing_fields(whole)
        if lacking:
            raise UsageError(
                f"expert {name!r} lacks {', '.join(lacking)}",
                f"A manifest says {', '.join(FIELDS)}.",
            )
        check_weights(adapter, whole)
        with state.locked(self.root):
            number = self.next_version(name)
            folder = self.folder(name, number)

            def told() -> ManifestFacts:
                # Asked for at the end, when the modules have today's names.
                return {**whole, "modules": modules_of(tensors_in(out / WEIGHTS))}

            with whole_dir(folder, told) as out:
                for file in (CONFIG, WEIGHTS):
                    shutil.copyfile(adapter / file, out / file)
                bring_up_to_date(out, whole)
            self.make_current(name, number, "add")
        return number

    def next_version(self, name: str) -> int:
        """The number that the next version of this expert gets, 1 for a new one."""
        return max(self._versions().get(name, [0])) + 1

    def make_current(self, name: str, version: int, action: state.Action) -> None:
        """Make a whole version the current one, after checking it. The caller holds the lock."""
        self.require_weights(name, version)
        self.manifest(name, version)
        state.change(self.root, name, action, version=version)

    def enable(self, name: str) -> bool:
        """Switch the expert on, once everything in its folder is right. False where it was on."""
        with state.locked(self.root):
            self.manifest(name)
            return state.change(self.root, name, "enable", enabled=True)

    def disable(self, name: str) -> bool:
        """Switch the expert off, damaged or not: queries that need it are then refused. False where it was off."""
        with state.locked(self.root):
            self.versions(name)
            return state.change(self.root, name, "disable", enabled=False)

    def roll_back(self, name: str, to: int | None = None) -> int:
        """Make an earlier version the current one: the one before it, or `to`, which may be later (so it is undone).

        Raises UsageError when there is no such version, MlubenchError when it is damaged. Returns its number.
        """
        with state.locked(self.root):
            numbers = self.versions(name)
            wanted = to
            if to is None:
                current = self.current(name)
                wanted = max((n for n in numbers if n < current), default=None)
            if wanted is None or wanted not in numbers:
                described = "earlier version" if to is None else f"version {to}"
                raise UsageError(
                    f"expert {name!r} has no {described}",
                    f"There are: {', '.join(map(str, numbers))}. Choose with --to.",
                )
            self.make_current(name, wanted, "rollback")
            return wanted

    def history(self) -> list[dict[str, object]]:
        """Every change of the state, oldest first."""
        return [entry.model_dump() for entry in state.read_state(self.root).history]

    def enabled_folder(self, name: str) -> Path:
        """The current version's folder. Raises MlubenchError when the expert is disabled, or its weights were pruned."""
        folder = self.folder(name)
        if not self.enabled(name):
            raise MlubenchError(
                f"expert {name!r} is disabled", "Switch it on with `mlubench experts enable`."
            )
        self.require_weights(name)
        return folder

    def mount(self, mllm: "MLLM", name: str) -> None:
        """Put the expert on the base beside the others, where it changes nothing until `mounted` switches it on.

        Raises MlubenchError, with the base as it was, when the expert is disabled, damaged, or made for another base.
        """
        from mlubench.lumoe.experts.compatibility import verified
        from mlubench.models.adapters import load_adapter

        folder = self.enabled_folder(name)
        if name in getattr(mllm.model, "peft_config", {}):
            raise MlubenchError(
                f"expert {name!r} is mounted already", "Take the adapters off first."
            )
        verified(mllm, name, folder)
        load_adapter(mllm, name, folder)
        mllm.model.base_model.disable_adapter_layers()
