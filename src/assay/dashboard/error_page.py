"""What a reader sees when a page cannot be shown."""

from dataclasses import dataclass
from typing import ClassVar

from assay.dashboard.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """An error: what is wrong, and what to do next."""

    template: ClassVar[str] = "error.html"

    status: int
    message: str
    hint: str | None
    code: str
