"""Edits of an export that somebody might make, each drawn at random: for the test that finds them all."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mlubench.ledger.canonical import canonical_json
from mlubench.ledger.chain import Chain
from mlubench.ledger.checkpoints import sign_checkpoint
from mlubench.ledger.entries import entry_line
from mlubench.ledger.keys import Keys

Lines = list[bytes]


@dataclass(frozen=True)
class Forger:
    """Draws edits. `keys` are the owner's: the worst forger is the owner, whom only an anchor catches."""

    rng: random.Random
    keys: Keys
    # Genuine last lines of earlier, shorter exports of the same ledger, by their size.
    earlier: Mapping[int, bytes]

    def place(self, lines: Lines) -> int:
        """The number of a line that is an entry."""
        return self.rng.randrange(1, len(lines) - 1)

    def changed_byte(self, lines: Lines) -> Lines:
        """One byte of any line, also of the first and the last: another one, one more, or one less."""
        number = self.rng.randrange(len(lines))
        line = bytearray(lines[number])
        at = self.rng.randrange(len(line))
        match self.rng.randrange(3):
            case 0:
                line[at] ^= 1 << self.rng.randrange(8)
            case 1:
                line.insert(at, self.rng.randrange(256))
            case 2:
                del line[at]
        return [*lines[:number], bytes(line), *lines[number + 1 :]]

    def changed_field(self, lines: Lines) -> Lines:
        """The value of one field, at any depth, spelled as entries are."""
        number = self.place(lines)
        entry = json.loads(lines[number])
        holder, key = self.rng.choice(list(fields_of(entry)))
        holder[key] = another_value(holder[key])
        return [*lines[:number], canonical_json(entry), *lines[number + 1 :]]

    def removed(self, lines: Lines) -> Lines:
        number = self.place(lines)
        return lines[:number] + lines[number + 1 :]

    def swapped(self, lines: Lines) -> Lines:
        first, second = self.rng.sample(range(1, len(lines) - 1), 2)
        edited = list(lines)
        edited[first], edited[second] = lines[second], lines[first]
        return edited

    def doubled(self, lines: Lines) -> Lines:
        number, to = self.place(lines), self.place(lines)
        return [*lines[:to], lines[number], *lines[to:]]

    def inserted(self, lines: Lines) -> Lines:
        """An entry that has its own right hash and follows on the one before it."""
        number = self.place(lines)
        entry = json.loads(lines[number])
        entry["event"]["actor"] = "somebody else"
        del entry["hash"]
        return [*lines[:number], entry_line(entry).encode(), *lines[number:]]

    def cut_tail(self, lines: Lines) -> Lines:
        """Entries at the end, with or without the checkpoint behind them."""
        kept = lines[: self.place(lines)]
        return kept + lines[-1:] * self.rng.randrange(2)

    def cut_to_an_earlier_end(self, lines: Lines) -> Lines:
        """As a genuine export was some days ago."""
        size = self.rng.choice(list(self.earlier))
        return [*lines[: size + 1], self.earlier[size]]

    def cut_bytes(self, lines: Lines) -> Lines:
        whole = b"\n".join(lines) + b"\n"
        return whole[: self.rng.randrange(len(whole))].split(b"\n")

    def rehashed_suffix(self, lines: Lines) -> Lines:
        """A changed entry with all hashes behind it made anew; the checkpoint is left as it was."""
        return [*self.rewritten(lines), lines[-1]]

    def rehashed_and_signed_by_another(self, lines: Lines) -> Lines:
        stranger = Keys(bytes(32), Ed25519PrivateKey.generate())
        return self.signed(self.rewritten(lines), stranger)

    def rewritten_by_the_owner(self, lines: Lines) -> Lines:
        return self.signed(self.rewritten(lines), self.keys)

    def cut_by_the_owner(self, lines: Lines) -> Lines:
        return self.signed(lines[: self.place(lines)], self.keys)

    def rewritten(self, lines: Lines) -> Lines:
        """All lines but the last, from a drawn entry on with another content and right hashes."""
        number = self.place(lines)
        first = json.loads(lines[number])
        first["event"]["actor"] = "somebody else"
        edited, previous = lines[:number], first["previous"]
        for line in [canonical_json(first), *lines[number + 1 : -1]]:
            entry = json.loads(line)
            entry["previous"] = previous
            del entry["hash"]
            edited.append(entry_line(entry).encode())
            previous = json.loads(edited[-1])["hash"]
        return edited

    def signed(self, lines: Lines, keys: Keys) -> Lines:
        chain = Chain(json.loads(lines[0])["ledger"])
        for line in lines[1:]:
            chain.follow(line)
        checkpoint = sign_checkpoint(chain, keys).model_dump(mode="json")
        return [*lines, canonical_json({"checkpoint": checkpoint})]

    def kinds(self) -> list[Callable[[Lines], Lines]]:
        return [
            self.changed_byte,
            self.changed_field,
            self.removed,
            self.swapped,
            self.doubled,
            self.inserted,
            self.cut_tail,
            self.cut_to_an_earlier_end,
            self.cut_bytes,
            self.rehashed_suffix,
            self.rehashed_and_signed_by_another,
            self.rewritten_by_the_owner,
            self.cut_by_the_owner,
        ]


def fields_of(value: Any) -> Any:
    """Every (holder, key) in a JSON value at which a plain value stands."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            if isinstance(value[key], dict | list) and value[key]:
                yield from fields_of(value[key])
            else:
                yield value, key


def another_value(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value[::-1] if value[::-1] != value else value + "0"
        case None:
            return "something"
        case _:
            return ["something"]
