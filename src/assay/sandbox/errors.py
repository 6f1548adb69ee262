"""What can be wrong with a script, in the words of the person who wrote it."""

from assay.errors import AssayError, Issue, UnavailableError


class ScriptError(AssayError):
    """The script failed.

    `line` counts from 1 in the source as it was written, where the place is known.
    """

    code = "script_error"

    def __init__(self, message: str | None = None, *, line: int | None = None) -> None:
        """Keep the line; the message names it too."""
        self.line = line
        super().__init__(message)
        issue = Issue(self.field, self.message, self.code, line=line)
        if line is not None:
            self.message = f"{self.message} (line {line})"
            self.args = (self.message,)
        self.issues = (issue,)


class ScriptSyntaxError(ScriptError):
    """The script cannot be read."""

    code = "script_syntax"


class ScriptFunctionMissingError(ScriptError):
    """The script does not declare the function that is to be called."""

    code = "script_function_missing"


class ScriptTimeoutError(ScriptError):
    """The script took longer than it may."""

    code = "script_timeout"


class ScriptMemoryLimitError(ScriptError):
    """The script needs more memory than it may use."""

    code = "script_memory_limit"


class ScriptOutputLimitError(ScriptError):
    """The script returned more than it may."""

    code = "script_output_limit"


class ScriptResultInvalidError(ScriptError):
    """The script returned something that is not JSON."""

    code = "script_result_invalid"


class SandboxUnavailableError(UnavailableError):
    """The sandbox could not be started."""

    code = "sandbox_unavailable"


BY_CODE: dict[str, type[ScriptError]] = {
    error.code: error
    for error in (
        ScriptError,
        ScriptSyntaxError,
        ScriptFunctionMissingError,
        ScriptTimeoutError,
        ScriptMemoryLimitError,
        ScriptOutputLimitError,
        ScriptResultInvalidError,
    )
}
