"""What is asked of the sandbox, what it may cost, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.errors import Issue

Language = Literal["javascript", "typescript", "python"]

SOURCE_CHARACTERS: Final = 200_000
"""Characters a script may have."""


@dataclass(frozen=True, slots=True)
class ScriptLimits:
    """What one script may use. Nothing here is capped: the caller knows the server's settings."""

    seconds: float = 5.0
    """Of wall time. Interpreters count processor time and get half a second more to stop by themselves."""
    memory_bytes: int = 10 << 20
    """Of the interpreter's heap, arguments and result included."""
    output_bytes: int = 1 << 20
    """Of the result as JSON, and of what a Python script prints."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What a pattern, or one group of it, took; positions count characters (code points)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Match:
    """One match: the whole, then each capture group, None where a group took no part."""

    whole: Capture
    groups: tuple[Capture | None, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What can be known of a script's function without running it."""

    parameters: tuple[str, ...]
    """Names, in order; empty too where the function was not found."""
    return_schema: Mapping[str, Any] | None
    """JSON Schema of the return annotation; None where there is none or it cannot be read."""
    problems: tuple[Issue, ...] = ()
    """Errors stop the script from running; warnings say what could not be read. Lines are the source's."""
