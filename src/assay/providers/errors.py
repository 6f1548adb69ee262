"""Why there is no answer from a model."""

from typing import Literal

from assay.errors import AssayError, ErrorKind

Category = Literal[
    "timeout",
    "rate_limited",
    "temporarily_unavailable",
    "invalid_provider_output",
    "validation",
    "authentication",
    "authorization",
    "not_found",
]

_ADD = (
    "Add one: assay providers add --name NAME --model MODEL --key-variable OPENAI_API_KEY "
    "(--url URL for any other OpenAI-compatible server)."
)


class ProviderNotConfiguredError(AssayError):
    """This needs a model, and the organization has no model provider."""

    code = "provider_not_configured"
    hint = _ADD


class ModelUnknownError(AssayError):
    """No provider of the organization offers this model."""

    code = "model_unknown"


class ProviderKeyError(AssayError):
    """The provider's key cannot be read."""

    code = "provider_key_unreadable"


class ProviderError(AssayError):
    """The model provider gave no answer."""

    kind = ErrorKind.UNAVAILABLE
    code = "provider_failed"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        category: Category,
        http_status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        """Say what happened; `retry_after` are the seconds that the provider asked for."""
        self.code = code
        super().__init__(message, hint=hint)
        self.category: Category = category
        self.http_status = http_status
        self.retry_after = retry_after
        self.provider: str | None = None
        """Name of the provider, once it is known."""

    @property
    def passing(self) -> bool:
        """Whether asking again soon may help. Not after a time-out: what was under way may have been charged."""
        return self.category in {"rate_limited", "temporarily_unavailable"}
