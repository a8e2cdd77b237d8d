"""Keys of callers, with scopes. A file holds their hashes alone: a key is shown once, when it is made."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlubench.core.errors import UsageError
from mlubench.core.files import write_json
from mlubench.core.locks import locked
from mlubench.core.reading import read_json

# An admin may see routes and figures, a user may ask.
Scope = Literal["user", "admin"]
_BYTES = 32
_NAME = re.compile(r"[\w.@-]{1,64}")


class KeyRow(BaseModel):
    """One key of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Whose key it is, for a person.")
    scope: Scope
    sha256: str = Field(
        description="Of the key, which is long and random, so that it needs no salt.",
        pattern="^[0-9a-f]{64}$",
    )
    per_minute: int | None = Field(default=None, ge=1, description="Requests; none: no limit.")
    created: str = Field(default="", description="When, in UTC.")


class KeyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    keys: tuple[KeyRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    scope: Scope
    # Requests; None: no limit.
    per_minute: int | None = None


# Whoever is on this machine, where there are no keys: may ask, and is told no route.
ANYBODY = Caller("anybody", "user")


@dataclass(eq=False)
class Keys:
    """The keys that a server takes. Those of a file are read again whenever it has changed."""

    file: Path | None = None
    # Besides those of the file.
    given: Sequence[KeyRow] = ()
    _rows: tuple[KeyRow, ...] = ()
    _stamp: tuple[int, int, int] | None = field(default=None, repr=False)

    @classmethod
    def open(cls, file: Path | None, given: str | None) -> "Keys | None":
        """The keys of a file and of a text (see `keys_in`); None where neither is given.

        Raises UsageError where there is no key at all.
        """
        if file is None and not given:
            return None
        keys = cls(file, tuple(keys_in(given or "")))
        if not list(keys.rows()):
            raise UsageError(
                f"there is no key in {file or 'MLUBENCH_KEYS'}",
                "Add one: mlubench keys add FILE NAME.",
            )
        return keys

    def rows(self) -> Iterable[KeyRow]:
        """Raises MlubenchError for a file that cannot be read."""
        if self.file is not None:
            facts = self.file.stat() if self.file.is_file() else None
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino) if facts else None
            if stamp is None or stamp != self._stamp:
                self._rows = read_keys(self.file).keys
                self._stamp = stamp
        return (*self._rows, *self.given)

    def has_admin(self) -> bool:
        """Whether a key is an admin's. Raises as `rows` does."""
        return any(row.scope == "admin" for row in self.rows())

    def caller(self, key: str) -> Caller | None:
        """Whose key it is; None for nobody's. It takes equally long for every key."""
        return self.caller_of(key_hash(key))

    def caller_of(self, digest: str) -> Caller | None:
        """The same by the key's hash."""
        found = None
        for row in self.rows():
            # All are compared, so that the time says nothing of which it was.
            if hmac.compare_digest(row.sha256, digest):
                found = Caller(row.name, row.scope, row.per_minute)
        return found


def read_keys(file: Path) -> KeyFile:
    """The keys of a file; none where there is no file. Raises MlubenchError for one that cannot be read."""
    if not file.is_file():
        return KeyFile()
    return read_json(file, KeyFile, "Make it anew: mlubench keys add FILE NAME.")


def add_key(file: Path, name: str, scope: Scope, per_minute: int | None = None) -> str:
    """Make a key and write its hash into the file. The key itself is returned, and kept nowhere.

    Raises UsageError for a name that is taken or is none.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a key", "Use letters, digits and . _ - @.")
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(_lock(file)):
        keys = read_keys(file)
        if any(row.name == name for row in keys.keys):
            raise UsageError(f"there is a key {name!r} already", "Remove it, or take another name.")
        key = f"mlub-{secrets.token_urlsafe(_BYTES)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = KeyRow(
            name=name, scope=scope, sha256=key_hash(key), per_minute=per_minute, created=now
        )
        _write(file, KeyFile(keys=(*keys.keys, row)))
    return key


def remove_key(file: Path, name: str) -> None:
    """Take a key out of the file. A server that runs knows at its next request. Raises UsageError where there is none."""
    if not file.is_file():
        raise UsageError(f"{file} does not exist", "Give the file that `mlubench keys add` wrote.")
    with locked(_lock(file)):
        keys = read_keys(file)
        kept = tuple(row for row in keys.keys if row.name != name)
        if len(kept) == len(keys.keys):
            known = ", ".join(row.name for row in keys.keys) or "none"
            raise UsageError(f"there is no key {name!r}", f"There are: {known}.")
        _write(file, KeyFile(keys=kept))


def keys_in(text: str) -> list[KeyRow]:
    """The keys of an environment variable: `user:KEY,admin:KEY`; a key without a scope is a user's.

    Raises UsageError for a scope that is none.
    """
    rows = []
    for number, entry in enumerate(filter(None, text.split(",")), 1):
        scope, colon, key = entry.strip().partition(":")
        if not colon:
            scope, key = "user", scope
        if scope not in ("user", "admin") or not key:
            raise UsageError(
                f"key {number} of MLUBENCH_KEYS has no scope that is known",
                "Write user:KEY or admin:KEY, with commas between.",
            )
        rows.append(KeyRow(name=f"key-{number}", scope=scope, sha256=key_hash(key)))
    return rows


def key_hash(key: str) -> str:
    """By which a key is known."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _lock(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _write(file: Path, keys: KeyFile) -> None:
    write_json(file, keys.model_dump(mode="json"))
    # Names of callers are nobody else's business.
    file.chmod(0o600)
