"""`transform.script`: computes a value by a function that the workflow brings along."""

import asyncio
import keyword
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, cast, get_args

import jsonschema_rs
from pydantic import Field, JsonValue
from typing_extensions import override

from assay import sandbox
from assay.settings import script_caps
from assay.steps.base import FailureCategory, Step, StepContext, StepError

_FUNCTION = "script"
_MILLISECONDS = 1000
_CATEGORIES: Mapping[str, FailureCategory] = {
    "script_timeout": "timeout",
    "script_error": "business",
    "sandbox_unavailable": "temporarily_unavailable",
}

InputName = Annotated[str, Field(pattern=r"^[A-Za-z_$][A-Za-z0-9_$]*$", max_length=100)]


class TransformScript(Step):
    """Compute a value by a function that the workflow brings along.

    The function is named `script`, its parameters are the keys of `inputs` in the same order, and what it returns is
    the output. The annotation of its result (`: { total: number }`, `-> dict[str, float]`) is the schema that the
    output must satisfy; TypeScript must have one. It runs in a sandbox without files, network, environment or modules,
    and is not asynchronous. An error that it throws fails the step with the message and the line of the source.
    """

    type_name = "transform.script"
    literals = frozenset({"function"})
    example: ClassVar[str] = """\
name: total-of-lines
version: 1.0.0
inputs:
  - name: lines
    type: array
    required: false
    default: [{ price: 20, quantity: 40 }, { price: 5, quantity: 2 }]
steps:
  - name: sum
    type: transform.script
    with:
      inputs:
        lines: '{{ input.lines }}'
      function: |
        function script(lines: { price: number; quantity: number }[]): { total: number } {
          return { total: lines.reduce((sum, line) => sum + line.price * line.quantity, 0) };
        }
  - name: doubled
    type: transform.script
    with:
      language: python
      inputs:
        total: '{{ steps.sum.output.total }}'
      function: |
        def script(total: float) -> float:
            return total * 2
output:
  total: '{{ steps.sum.output.total }}'
  doubled: '{{ steps.doubled.output }}'
"""

    function: str = Field(
        min_length=1,
        max_length=sandbox.SOURCE_CHARACTERS,
        description="Source that declares the function `script`; templates in it are not resolved, values come in by "
        "`inputs`.",
    )
    inputs: dict[InputName, JsonValue] = Field(
        default_factory=dict[str, JsonValue],
        max_length=100,
        description="The arguments by name, usually templates; names are those of the parameters.",
    )
    language: sandbox.Language = Field(
        default="typescript", description="What the source is written in: `typescript`, `javascript` or `python`."
    )
    timeout: int = Field(
        default=5000,
        ge=1,
        description="Milliseconds the function may take; at most what the server allows (ASSAY_SCRIPT_MAX_SECONDS, "
        "30 s unless set).",
    )
    memory_limit: int = Field(
        default=10 << 20,
        ge=1 << 20,
        alias="memoryLimit",
        description="Bytes of memory the function may use, arguments and result included; at most what the server "
        "allows (ASSAY_SCRIPT_MAX_MEMORY_MB, 50 MiB unless set).",
    )

    @classmethod
    @override
    def output_schema_of(cls, config: Mapping[str, JsonValue]) -> Mapping[str, Any] | None:
        language, source = config.get("language", "typescript"), config.get("function")
        if not isinstance(source, str) or language not in get_args(sandbox.Language):
            return None
        return _signature(cast("sandbox.Language", language), source).return_schema

    @classmethod
    @override
    def override_schema_of(cls, config: Mapping[str, JsonValue]) -> Mapping[str, Any] | None:
        return None  # annotations are loose: an output that satisfies one may still be a part of what the script gives

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return [*self._too_much(), *self._wrongly_written()]

    def _too_much(self) -> Sequence[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        seconds, memory_mb = script_caps()
        if "timeout" in self.model_fields_set and self.timeout > seconds * _MILLISECONDS:
            allowed = f"{seconds * _MILLISECONDS:g} ms at most (ASSAY_SCRIPT_MAX_SECONDS={seconds:g})"
            found.append(("timeout", f"A script may take {allowed}.", "script_limit"))
        if "memory_limit" in self.model_fields_set and self.memory_limit > memory_mb << 20:
            allowed = f"{memory_mb << 20} bytes at most (ASSAY_SCRIPT_MAX_MEMORY_MB={memory_mb})"
            found.append(("memoryLimit", f"A script may use {allowed}.", "script_limit"))
        return found

    def _wrongly_written(self) -> Sequence[tuple[str, str, str]]:
        signature = _signature(self.language, self.function)
        found = [
            ("function", _with_line(issue.message, issue.line), issue.code)
            for issue in signature.problems
            if issue.severity == "error"
        ]
        return found or [*self._misnamed(signature), *self._unannotated(signature)]

    @override
    async def run(self, context: StepContext) -> JsonValue:
        for _, message, code in self.problems():
            raise StepError(code, message, category="validation")
        try:
            output = await context.sandbox.run(
                language=self.language,
                source=self.function,
                function=_FUNCTION,
                arguments=self.inputs,
                limits=self._limits(),
            )
        except (sandbox.ScriptError, sandbox.SandboxUnavailableError) as error:
            category = _CATEGORIES.get(error.code, "validation")
            raise StepError(error.code, error.message, category=category, hint=error.hint) from error
        await asyncio.to_thread(self._check, output)
        return output

    def _limits(self) -> sandbox.ScriptLimits:
        """Take what is asked for; a default above what the server allows is lowered to that."""
        seconds, memory_mb = script_caps()
        return sandbox.ScriptLimits(min(self.timeout / _MILLISECONDS, seconds), min(self.memory_limit, memory_mb << 20))

    def _misnamed(self, signature: sandbox.Signature) -> Sequence[tuple[str, str, str]]:
        expected = tuple(self.inputs)
        if signature.parameters == expected:
            return []
        message = (
            f"The parameters of `script` ({', '.join(signature.parameters) or 'none'}) must be the keys of `inputs` in "
            f"the same order ({', '.join(expected) or 'none'})."
        )
        reserved = self.language == "python" and any(keyword.iskeyword(name) for name in expected)
        return [("inputs" if reserved else "function", message, "script_parameters")]

    def _unannotated(self, signature: sandbox.Signature) -> Sequence[tuple[str, str, str]]:
        if self.language != "typescript" or signature.return_schema is not None or signature.problems:
            return []
        message = "The function needs an annotation of its result, such as `: { total: number }`; it is the schema."
        return [("function", message, "script_return_type")]

    def _check(self, output: JsonValue) -> None:
        schema = _signature(self.language, self.function).return_schema
        if schema is None:
            return
        try:
            jsonschema_rs.validator_for(dict(schema)).validate(output)
        except jsonschema_rs.ValidationError as error:
            place = "".join(f"[{part!r}]" for part in error.instance_path)
            message = f"The script did not return what its annotation promises: {error.message[:500]}"
            shown = f"{message} (at result{place})." if place else message
            raise StepError("script_result_invalid", shown, category="validation") from error


@lru_cache(maxsize=64)
def _signature(language: sandbox.Language, source: str) -> sandbox.Signature:
    return sandbox.signature_of(language, source, _FUNCTION)


def _with_line(message: str, line: int | None) -> str:
    return message if line is None else f"{message} (line {line} of the script)"
