"""Whom entries are about: one data key for each subject, and what is kept with it. Without the key nobody can read it.

The chain holds a subject's keyed hash and encrypted details, both made with the subject's own key. The key is random. It
lies beside the chain, encrypted with the master key. Once it is destroyed, the chain is as valid as before, and holds
bytes that say nothing.
"""

import base64
import hmac
import json
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import JsonValue
from sqlalchemy import Connection, delete, insert, select

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.keys import KEY_BYTES, Keys, derived_key
from mlubench.ledger.tables import SUBJECTS

_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A subject's key, and the hash that stands for the subject."""

    subject: str
    key: bytes = field(repr=False)

    def seal(self, details: Mapping[str, JsonValue], place: str) -> str:
        """Details, encrypted. They open at this place alone: in this event of this ledger."""
        return _encrypted(derived_key(self.key, "details"), canonical_json(dict(details)), place)

    def unseal(self, sealed: str, place: str) -> dict[str, JsonValue]:
        """Raises MlubenchError where it is not what was sealed here."""
        try:
            text = _decrypted(derived_key(self.key, "details"), sealed, place)
        except (InvalidTag, ValueError):
            raise MlubenchError(
                "an entry's details do not open with its subject's key",
                "The entry or the key was changed: run mlubench ledger verify.",
            ) from None
        details: dict[str, JsonValue] = json.loads(text)
        return details


@dataclass(frozen=True, slots=True)
class Subjects:
    """The keys of subjects, in one transaction."""

    connection: Connection
    keys: Keys

    def find(self, name: str) -> SubjectKey | None:
        """None for a subject that is not known, or whose key is destroyed."""
        row = self.connection.execute(
            select(SUBJECTS).where(SUBJECTS.c.lookup == self._lookup(name))
        ).one_or_none()
        return self.opened(row.subject, row.wrapped) if row else None

    def of_hash(self, subject: str) -> SubjectKey | None:
        """The same by the hash that stands in entries."""
        row = self.connection.execute(
            select(SUBJECTS).where(SUBJECTS.c.subject == subject)
        ).one_or_none()
        return self.opened(row.subject, row.wrapped) if row else None

    def find_or_make(self, name: str) -> SubjectKey:
        known = self.find(name)
        return known or self._make(name)

    def destroy(self, key: SubjectKey) -> None:
        self.connection.execute(delete(SUBJECTS).where(SUBJECTS.c.subject == key.subject))

    def _make(self, name: str) -> SubjectKey:
        key = secrets.token_bytes(KEY_BYTES)
        # With the subject's own key: once that is gone, not even the master key can tell whether a name fits.
        subject = _keyed_hash(derived_key(key, "subject"), name)
        row = insert(SUBJECTS).values(
            subject=subject,
            lookup=self._lookup(name),
            wrapped=_encrypted(self._wrapping_key(), key, subject),
        )
        self.connection.execute(row)
        return SubjectKey(subject, key)

    def opened(self, subject: str, wrapped: str) -> SubjectKey:
        """The key of a row of `tables.SUBJECTS`. Raises MlubenchError where it is of another master key."""
        try:
            key = _decrypted(self._wrapping_key(), wrapped, subject)
        except (InvalidTag, ValueError):
            raise MlubenchError(
                "a subject's key does not open with this master key",
                "Give the key file that the ledger was made with.",
            ) from None
        return SubjectKey(subject, key)

    def _lookup(self, name: str) -> str:
        return _keyed_hash(self.keys.derived("lookup"), name)

    def _wrapping_key(self) -> bytes:
        return self.keys.derived("wrapping")


def _encrypted(key: bytes, data: bytes, place: str) -> str:
    """AES-256-GCM with a random nonce in front, as base64. It opens at the same place alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, data, place.encode())).decode()


def _decrypted(key: bytes, text: str, place: str) -> bytes:
    """Raises InvalidTag or ValueError for what was not encrypted with this key at this place."""
    data = base64.b64decode(text)
    return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode())


def _keyed_hash(key: bytes, name: str) -> str:
    return hmac.digest(key, one_spelling(name).encode(), "sha256").hex()


def one_spelling(name: str) -> str:
    """Names that differ in case, width, spaces or underscores alone are one subject.

    It must never change: subjects of older ledgers would no longer be found.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Once more, since small letters may be composed in another way.
    spelled = " ".join(unicodedata.normalize("NFKC", folded).replace("_", " ").split())
    if not spelled:
        raise UsageError("a subject has no name", "Give the entity's key, such as People/Jane_Doe.")
    return spelled
