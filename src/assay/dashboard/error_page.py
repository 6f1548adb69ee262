"""What a reader sees when a page cannot be shown."""

from dataclasses import dataclass
from typing import ClassVar

from assay.api import STATUS
from assay.dashboard.rendering import Page
from assay.errors import AssayError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """An error: what is wrong, and what to do next."""

    template: ClassVar[str] = "error.html"

    status: int
    message: str
    hint: str | None
    code: str


def status_of(error: AssayError) -> int:
    """Return the HTTP status of an answer that shows an error."""
    return STATUS[error.kind]
