"""The key file: the master key, under which subjects' keys are kept, and the key that signs. Both are made once."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import read_json
from mlubench.settings.strict import Strict

KEY_BYTES = 32
# Nobody but the owner may read or write it, as with keys of ssh.
_OTHERS = 0o077
_RESTORE = "Restore it from where you keep a copy, or name it with --keys."


class _KeyFile(Strict):
    schema_version: Literal[1] = 1
    # 32 bytes each, in hex.
    master: str = Field(pattern="^[0-9a-f]{64}$")
    signing: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Keys:
    """What the key file holds."""

    master: bytes = field(repr=False)
    signing: Ed25519PrivateKey = field(repr=False)

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose alone, from the master key."""
        return derived_key(self.master, purpose)


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, so that no key serves two (HKDF, RFC 5869)."""
    info = f"mlubench ledger {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def read_keys(path: Path) -> Keys:
    """Raises MlubenchError for a file that is absent, open to others, or no key file."""
    if not path.is_file():
        raise MlubenchError(f"the key file {path} is missing", _RESTORE)
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        raise MlubenchError(
            f"the key file {path} is open to others (mode {mode:o})", f"Run: chmod 600 {path}."
        )
    held = read_json(path, _KeyFile, _RESTORE)
    signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(held.signing))
    return Keys(bytes.fromhex(held.master), signing)


def make_keys(path: Path) -> Keys:
    """The keys of a file, which is made with fresh ones where there is none. Two at once make one file."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_fresh(path)
    return read_keys(path)


def _write_fresh(path: Path) -> None:
    """Keys that were once used must never be replaced: the file appears whole, and only where there is none."""
    fresh = _KeyFile(master=secrets.token_hex(KEY_BYTES), signing=secrets.token_hex(KEY_BYTES))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    # Closed to others from the start, not only once it is written.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(fresh.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken; a rename would replace what is there.
        path.hardlink_to(temporary)
    except FileExistsError:
        # Another process was faster: its keys count.
        return
    finally:
        temporary.unlink(missing_ok=True)
