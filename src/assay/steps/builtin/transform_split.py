"""`transform.split`: cuts a text into pieces, or an object into two."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Step, StepContext, StepError

_PIECES = 100_000


class TransformSplit(Step):
    """Cut a text into pieces, or an object into two.

    A text becomes the list of what stands between the delimiters, blanks included. With `keys`, an object becomes
    `{extracted, remaining}`: the entries that are named, in the order of `keys`, and all others. Up to 100,000 pieces
    are made.
    """

    type_name = "transform.split"
    example: ClassVar[str] = """\
name: recipients
version: 1.0.0
inputs:
  - { name: list, type: string, required: false, default: ada@example.org;bob@example.org }
steps:
  - name: addresses
    type: transform.split
    with:
      input: '{{ input.list }}'
      by: ';'
output:
  addresses: '{{ steps.addresses.output }}'
"""

    input: str | dict[str, JsonValue] | None = Field(default=None, description="The text; with `keys`, the object.")
    source: str | dict[str, JsonValue] | None = Field(default=None, description="Another name of `input`.")
    by: str | None = Field(
        default=None, min_length=1, max_length=1000, description="What separates the pieces. A comma if absent."
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1000, description="Another name of `by`.")
    limit: int | None = Field(
        default=None, ge=1, le=_PIECES, description="Only so many pieces, from the start; what follows is left out."
    )
    keys: tuple[str, ...] | None = Field(
        default=None, min_length=1, max_length=10_000, description="Names of the entries that are `extracted`."
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        if (self.input is None) == (self.source is None):
            return [("", "Give either `input` or `source`.", "invalid_value")]
        if self.by is not None and self.delimiter is not None:
            return [("delimiter", "Give either `by` or `delimiter`.", "invalid_value")]
        return []

    @override
    async def run(self, context: StepContext) -> JsonValue:
        value = self.source if self.input is None else self.input
        if self.keys is not None:
            if not isinstance(value, dict):
                raise StepError("object_required", "`keys` are taken from an object.", category="validation")
            named = {key: value[key] for key in self.keys if key in value}
            return {"extracted": named, "remaining": {key: item for key, item in value.items() if key not in named}}
        if not isinstance(value, str):
            hint = "Give `keys` to split an object."
            raise StepError("text_required", "Only a text is split.", category="validation", hint=hint)
        return list(self._pieces(value))

    def _pieces(self, text: str) -> list[str]:
        delimiter = self.by or self.delimiter or ","
        pieces = text.split(delimiter, self.limit or _PIECES)
        if self.limit is None and len(pieces) > _PIECES:
            message = f"The text has more than {_PIECES:,} pieces."
            raise StepError("too_many_pieces", message, category="validation", hint="Set `limit`.")
        return pieces[: self.limit]
