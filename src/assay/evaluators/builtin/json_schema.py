"""`json-schema`: whether the output has the wanted form, whatever was expected of its values."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, cast

import jsonschema_rs
from pydantic import Field, JsonValue
from typing_extensions import override

from assay import jsonschemas, jsontext, schema_work
from assay.evaluators.base import Evaluator, Grade, GradingContext, Subject
from assay.evaluators.mismatch import first_mismatches, mismatch

MAX_SCHEMA_CHARACTERS = 200_000


class JsonSchema(Evaluator):
    """Hold the output against a JSON Schema.

    The score is 1 if it satisfies the schema and 0 if not; no expected output is needed. Formats such as `date` count.
    That something must be empty can be said too: `maxItems: 0`, `const: null`, `not: { required: [discount] }`.
    Nothing is fetched: what a schema refers to stands in it, under `$defs`.
    """

    type_name = "json-schema"
    example: ClassVar[str] = """\
evaluators:
  - name: well-formed
    description: The invoice has a number, a date and at least one line.
    type: json-schema
    config:
      schema:
        type: object
        required: [number, date, lineItems]
        properties:
          date: { type: string, format: date }
          lineItems: { type: array, minItems: 1 }
          discount: { const: null }
"""

    form: dict[str, JsonValue] = Field(alias="schema", description="The JSON Schema (2020-12) of the output.")

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        if len(jsontext.write(self.form)) > MAX_SCHEMA_CHARACTERS:
            message = f"The schema has more than {MAX_SCHEMA_CHARACTERS:,} characters as JSON."
            return [("schema", message, "schema_invalid")]
        try:
            schema_work.bound(self.form)
        except schema_work.TooMuchWorkError as error:
            return [("schema", f"The schema could take too long to check a value: {error}.", "schema_too_complex")]
        try:
            _ = self._validator
        except (ValueError, RecursionError) as error:
            return [("schema", f"The schema is not valid: {str(error)[:500]}", "schema_invalid")]
        return ()

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        mismatches = first_mismatches(_mismatch(error) for error in self._validator.iter_errors(subject.output))
        return Grade(0.0 if mismatches else 1.0, details={"mismatches": mismatches})

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        return jsonschemas.validator(self.form)


def _mismatch(error: jsonschema_rs.ValidationError) -> JsonValue:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    return mismatch(path.lstrip(".") or "$", _expected(error), cast("JsonValue", error.instance), error.message[:500])


def _expected(error: jsonschema_rs.ValidationError) -> JsonValue:
    """Return the value that was wanted where the schema names it, else the place of its rule that was broken."""
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Constant(expected_value=value):
            return cast("JsonValue", value)
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            return {"enum": cast("JsonValue", options)}
        case _:
            return "/".join(map(str, error.schema_path))
