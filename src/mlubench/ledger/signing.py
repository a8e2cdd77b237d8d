"""Ed25519 signatures of statements: a JSON value, and what kind of statement it is."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import JsonValue

from mlubench.ledger.canonical import canonical_json


def public_key(key: Ed25519PrivateKey) -> str:
    """By which others know the signer: 64 digits of hex."""
    return key.public_key().public_bytes_raw().hex()


def sign(key: Ed25519PrivateKey, kind: str, statement: JsonValue) -> str:
    """The signature of a statement, in hex. `kind` keeps one sort of statement from being taken for another."""
    return key.sign(_signed_bytes(kind, statement)).hex()


def is_signed(signer: str, kind: str, statement: JsonValue, signature: str) -> bool:
    """Whether the holder of the public key has signed this. False for what is no key or no signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        key.verify(bytes.fromhex(signature), _signed_bytes(kind, statement))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed_bytes(kind: str, statement: JsonValue) -> bytes:
    return canonical_json({"kind": f"mlubench ledger {kind}", "statement": statement})
