"""How a command says that it cannot go on, and what a script learns from its exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns from a command."""

    OK = 0
    FAILED = 1
    MISUSED = 2
    """Or it took longer than it was given."""
    CANNOT_TELL = 3


class Failure(Exception):  # noqa: N818 (not every one is an error: a person may have said no)
    """A command cannot go on, and says why."""

    def __init__(self, message: str, *, hint: str | None = None, exit_code: ExitCode = ExitCode.FAILED) -> None:
        """Keep what the person is told."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
