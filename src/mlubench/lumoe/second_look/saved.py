"""What the second look keeps beside an expert, checked when it is read."""

from pydantic import Field

from mlubench.lumoe.gates.saved import EntityKey, ExpertOf, SavedGate

FILE = "second_look.json"


class SavedFact(SavedGate):
    """Key words, hashed where the owner wants it, with their shares."""

    entity: EntityKey
    weights: dict[str, float]
    stands_alone: bool = False


class SavedForgotten(SavedGate):
    """All that must not be told."""

    experts: ExpertOf
    facts: list[SavedFact]
    # Folded names, of what is kept too, or the hashes of the letters of those that are forgotten.
    names: dict[EntityKey, list[str]]
    # Entities of which other facts must stay, so that their names may be said.
    may_be_named: list[EntityKey] = []
    # How like a name a misspelt one must be, 0 to 100. Hashes are compared as they are.
    similarity: float = Field(80, ge=0, le=100)
    # The key of the hashes, in hexadecimal digits; "": nothing is hashed.
    salt: str = Field("", pattern=r"^([0-9a-f]{2}){0,64}$")
    # Of the longest name, where names are hashed.
    most_words: int = 0
