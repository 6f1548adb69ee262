"""`custom-script`: scores a run by a function that the evaluators bring along."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import sandbox
from assay.evaluators.base import Evaluator, EvaluatorError, Grade, GradingContext, Subject
from assay.settings import script_caps

MAX_SOURCE_BYTES = 10_000
_MILLISECONDS = 1000
_PARAMETERS = ("expected", "actual")
_NAMES: Mapping[sandbox.Language, str] = {
    "typescript": "scoreScript",
    "javascript": "scoreScript",
    "python": "score_script",
}
_THROWN = "script_error"


class ScoreInvalidError(EvaluatorError):
    """The script did not return a score from 0 to 1."""

    code = "script_score_invalid"


class CustomScript(Evaluator):
    """Score a run by a function that is written beside it.

    The function is named `scoreScript` (Python: `score_script`), takes `expected` and `actual`, both as plain data
    (`expected` is null where the example expects nothing), and returns a number from 0 to 1. If it throws, the score is
    0; anything else that it returns is an error. It is not asynchronous and runs in a sandbox without files, network,
    environment or modules. Instead of `function`, `code` is the body of such a function alone; it also sees `input` and
    may return `{ score, label, rationale }`.
    """

    type_name = "custom-script"
    example: ClassVar[str] = """\
evaluators:
  - name: lines-add-up
    description: The lines of the invoice add up to its total.
    type: custom-script
    config:
      function: |
        type Invoice = { total: number; lineItems: { total: number }[] };
        function scoreScript(expected: Invoice, actual: Invoice): number {
          const sum = actual.lineItems.reduce((before, line) => before + line.total, 0);
          return Math.abs(sum - actual.total) < 0.01 ? 1 : 0;
        }
  - name: has-lines
    type: custom-script
    weight: 0
    config:
      language: python
      function: |
        def score_script(expected, actual):
            return min(1.0, len(actual["lineItems"]) / 2)
"""

    function: str | None = Field(
        default=None, min_length=1, description="Source that declares the function; up to 10,000 bytes."
    )
    code: str | None = Field(
        default=None, min_length=1, description="Body of the function alone, in JavaScript or TypeScript."
    )
    language: sandbox.Language = Field(
        default="typescript", description="What the source is written in: `typescript`, `javascript` or `python`."
    )
    timeout_ms: int = Field(
        default=5000,
        ge=1,
        alias="timeoutMs",
        description="Milliseconds that the function may take; at most what the server allows "
        "(ASSAY_SCRIPT_MAX_SECONDS, 30 s unless set).",
    )
    memory_limit_mb: int = Field(
        default=10,
        ge=1,
        alias="memoryLimitMb",
        description="MiB of memory that it may use, both outputs included; at most what the server allows "
        "(ASSAY_SCRIPT_MAX_MEMORY_MB, 50 unless set).",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        if (self.function is None) == (self.code is None):
            return [("<root>", "Write either `function` or `code`.", "script_missing")]
        field = "code" if self.function is None else "function"
        size = len((self.function or self.code or "").encode("utf-8", "surrogatepass"))
        if size > MAX_SOURCE_BYTES:
            return [(field, f"The script has {size:,} bytes; {MAX_SOURCE_BYTES:,} are allowed.", "script_limit")]
        if self.code is not None and self.language == "python":
            return [("code", "In Python, write `function`, with all of score_script.", "script_language")]
        return [*self._too_much(), *self._wrongly_written(field)]

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        try:
            returned = await context.sandbox.run(
                language=self.language,
                source=self._source,
                function=_NAMES[self.language],
                arguments=self._arguments(subject),
                limits=self._limits(),
            )
        except sandbox.ScriptError as error:
            if error.code != _THROWN:
                raise
            return Grade(0.0, details={"error": error.message})
        return self._graded(returned)

    def _graded(self, returned: JsonValue) -> Grade:
        if self.code is None or not isinstance(returned, dict):
            return Grade(_score(returned))
        label, rationale = returned.get("label"), returned.get("rationale")
        details: dict[str, JsonValue] = {} if rationale is None else {"rationale": rationale}
        return Grade(_score(returned.get("score")), None if label is None else str(label), details)

    def _arguments(self, subject: Subject) -> Mapping[str, JsonValue]:
        arguments = {"expected": subject.expected if subject.has_expected else None, "actual": subject.output}
        return arguments if self.code is None else {**arguments, "input": subject.input}

    @property
    def _source(self) -> str:
        if self.function is not None:
            return self.function
        # The body begins on the first line, so that its lines keep their numbers.
        return f"function scoreScript(expected, actual, input) {{{self.code}\n}}"

    def _limits(self) -> sandbox.ScriptLimits:
        """Take what is asked for; a default above what the server allows is lowered to that."""
        seconds, memory_mb = script_caps()
        return sandbox.ScriptLimits(
            min(self.timeout_ms / _MILLISECONDS, seconds), min(self.memory_limit_mb, memory_mb) << 20
        )

    def _too_much(self) -> Sequence[tuple[str, str, str]]:
        seconds, memory_mb = script_caps()
        found: list[tuple[str, str, str]] = []
        if "timeout_ms" in self.model_fields_set and self.timeout_ms > seconds * _MILLISECONDS:
            message = f"A script may take {seconds * _MILLISECONDS:g} ms at most."
            found.append(("timeoutMs", message, "script_limit"))
        if "memory_limit_mb" in self.model_fields_set and self.memory_limit_mb > memory_mb:
            found.append(("memoryLimitMb", f"A script may use {memory_mb} MiB at most.", "script_limit"))
        return found

    def _wrongly_written(self, field: str) -> Sequence[tuple[str, str, str]]:
        name = _NAMES[self.language]
        signature = _signature(self.language, self._source, name)
        errors = [issue for issue in signature.problems if issue.severity == "error"]
        if errors:
            return [
                (
                    field,
                    issue.message if issue.line is None else f"{issue.message} (line {issue.line} of the script)",
                    issue.code,
                )
                for issue in errors
            ]
        if self.code is None and signature.parameters != _PARAMETERS:
            found = ", ".join(signature.parameters) or "none"
            message = f"The parameters of `{name}` must be expected, actual; they are {found}."
            return [(field, message, "script_parameters")]
        kind = None if signature.return_schema is None else signature.return_schema.get("type")
        if kind not in {None, "number", "integer"}:
            return [(field, f"`{name}` must return a number, not {kind}.", "script_return_type")]
        return ()


def _score(returned: JsonValue) -> float:
    if isinstance(returned, bool) or not isinstance(returned, int | float) or not 0 <= returned <= 1:
        message = f"The script returned {str(returned)[:100]}, which is no number from 0 to 1."
        raise ScoreInvalidError(message)
    return float(returned)


@lru_cache(maxsize=64)
def _signature(language: sandbox.Language, source: str, name: str) -> sandbox.Signature:
    return sandbox.signature_of(language, source, name)
