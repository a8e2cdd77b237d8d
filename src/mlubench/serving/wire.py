"""What callers send, checked field by field before anything is done with it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from mlubench.serving.failures import ApiError, wrong

# Each could get round what is suppressed or would change answers in ways that were never measured.
_NOT_OFFERED = {
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}
# They say who asks or what for, and no answer depends on them.
_WITHOUT_EFFECT = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "verbosity",
    "reasoning_effort",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Strict):
    type: Literal["text"]
    text: str


class PictureAddress(_Strict):
    url: str
    # Pictures are looked at as the model does it, whatever this says.
    detail: Literal["auto", "low", "high", "original"] | None = None


class PicturePart(_Strict):
    type: Literal["image_url"]
    image_url: PictureAddress


Part = Annotated[TextPart | PicturePart, Field(discriminator="type")]


class Message(BaseModel):
    """One message. Clients send answers back as they got them, with fields that say nothing here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None

    @property
    def parts(self) -> list[TextPart | PicturePart]:
        if isinstance(self.content, list):
            return list(self.content)
        return [TextPart(type="text", text=self.content)] if self.content else []


class StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


Stop = Annotated[str, Field(min_length=1, max_length=200)]


class ChatRequest(_Strict):
    """A request for a chat completion."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    # Greedy unless asked otherwise: that is what rates of refusal were measured with.
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    # OpenAI's newer name for the same.
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_not_offered(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        kept = {name: value for name, value in fields.items() if name not in _WITHOUT_EFFECT}
        for name, harmless in _NOT_OFFERED.items():
            value = kept.pop(name, None)
            if value is not None and value not in harmless:
                raise ValueError(f"{name} is not offered here; leave it out")
        return kept

    @property
    def stops(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


def chat_request(body: bytes) -> ChatRequest:
    """The request in a body. Raises ApiError that names the field."""
    try:
        return ChatRequest.model_validate(from_json(body, allow_inf_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise wrong(f"{place}: {message}" if place else message, place or None) from None
    except ValueError as error:
        raise _no_json(error) from None


def _no_json(error: ValueError) -> ApiError:
    return wrong(f"the request is no JSON: {error}")
