"""What is said to a model and what it answers, in words that no vendor owns, and what a configured provider is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that is shown to the model."""

    content: bytes = field(repr=False)
    media_type: Literal["image/jpeg", "image/png"] = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may ask for; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. A `tool` turn answers the call `tool_call_id`; only `user` turns carry pictures."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    pictures: Sequence[Picture] = ()
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One request. With `schema` the answer is to be JSON of that form; `strict` says that vendors can enforce it."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    strict: bool = True
    tools: Sequence[Tool] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer was charged for; `cache_read` is part of `input`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `refusal` is the model's reason not to answer; `cost_usd` is None where no price is known."""

    text: str
    stop: Literal["end", "length", "refusal", "tools"]
    tokens: Tokens = Tokens()
    tool_calls: Sequence[ToolCall] = ()
    refusal: str | None = None
    cost_usd: float | None = None


class Model(Protocol):
    """A model of a configured provider, ready to be asked."""

    @property
    def provider(self) -> str:
        """Name of the provider, as the organization configured it."""
        ...

    @property
    def name(self) -> str:
        """Name of the model, as the provider knows it."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens of question and answer fit."""
        ...

    async def ask(self, question: Question) -> Answer:
        """Ask at temperature 0; wait for the provider's limits, and repeat what failed for a moment only.

        Raises:
            ProviderError: there is no answer; it says why.
        """
        ...


class OfferedModel(BaseModel):
    """A model that a provider offers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(min_length=1, max_length=200, description="Name of the model, as the provider knows it.")
    context_tokens: int = Field(
        default=128_000,
        ge=1_000,
        le=10_000_000,
        alias="contextTokens",
        description="How many tokens of question and answer it takes; longer documents are read in parts.",
    )


class Price(BaseModel):
    """What a model costs, in US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, le=10_000, description="Dollars for a million tokens read.")
    output: float = Field(ge=0, le=10_000, description="Dollars for a million tokens written.")


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider of an organization; never changed once it is there. `models` is not empty, the first is its default.

    `options` are the fields of its kind. The key is stored encrypted, or named by an environment variable, or there
    is none (a server of your own).
    """

    id: str
    organization_id: str
    name: str
    kind: str
    models: Sequence[OfferedModel]
    options: Mapping[str, JsonValue]
    prices: Mapping[str, Price]
    is_default: bool
    encrypted_key: bytes | None = field(repr=False)
    key_variable: str | None
    created_at: datetime

    def offered(self, name: str) -> OfferedModel | None:
        """Return the model of that name."""
        return next((model for model in self.models if model.name == name), None)
