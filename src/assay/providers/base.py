"""What a provider kind is: a class whose fields are its options and which opens connections.

A kind is one file in `builtin/`; the rest of the product knows kinds by their names only.
"""

from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from assay.providers.model import Answer, Question


class Connection(Protocol):
    """An open way to one provider; used by many tasks at once."""

    async def ask(self, model: str, question: Question) -> Answer:
        """Send one request, once; nothing is repeated here and no price is known.

        Raises:
            ProviderError: there is no answer.
        """
        ...

    async def close(self) -> None:
        """Close it. A second call does nothing."""
        ...


class ProviderKind(BaseModel):
    """Options that every kind has. A subclass adds its own and says how to connect."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    kind: ClassVar[str]

    base_url: str = Field(max_length=2000, alias="baseUrl", description="Address of the API, http or https.")
    max_concurrency: int = Field(
        default=8, ge=1, le=256, alias="maxConcurrency", description="Requests under way at once, in each process."
    )
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        alias="requestsPerMinute",
        description="Requests a minute in each process; 0: any.",
    )
    timeout_seconds: float = Field(
        default=120.0, gt=0, le=3600, alias="timeoutSeconds", description="Longest that one answer may take."
    )

    def connect(self, key: str | None) -> Connection:
        """Prepare a connection; nothing is sent yet. May take a second the first time, for its library."""
        raise NotImplementedError
