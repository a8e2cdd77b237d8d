"""What gates keep in JSON beside an expert, checked when it is read, as one that knows nothing leaves all to the base."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

HINT = "Put the gate's file back from a good copy, or run the experiment anew in another folder."


def _entity_key(key: str) -> str:
    if not all(key.partition("/")):
        raise ValueError("not an entity's key, as Class/Name")
    return key


EntityKey = Annotated[str, AfterValidator(_entity_key)]
# Every gate is fitted on at least one entity that must be forgotten.
ExpertOf = Annotated[dict[EntityKey, str], Field(min_length=1)]


class SavedGate(BaseModel):
    """What all states of gates have in common."""

    model_config = ConfigDict(frozen=True)


class SavedNames(SavedGate):
    """The state of a gate that reads names."""

    experts: ExpertOf
    names: dict[EntityKey, list[str]]

    @model_validator(mode="after")
    def _all_are_named(self) -> "SavedNames":
        nameless = sorted(key for key in self.experts if not self.names.get(key))
        if nameless:
            raise ValueError(f"{nameless[0]} is to be forgotten, and has no names")
        return self
