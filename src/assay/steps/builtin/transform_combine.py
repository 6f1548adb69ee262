"""`transform.combine`: makes one object or list of several values."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Step, StepContext, StepError


class TransformCombine(Step):
    """Make one object or list of several values.

    The output is an object in which the combined value stands at `target`; with `target: $` it is that value itself.
    Sources that are null are passed over, so that outputs of skipped steps may be named.
    """

    type_name = "transform.combine"
    example: ClassVar[str] = """\
name: one-customer
version: 1.0.0
inputs:
  - { name: known, type: object, required: false, default: { name: Ada, address: { city: London, zip: W1 } } }
  - { name: update, type: object, required: false, default: { address: { zip: N1 } } }
steps:
  - name: whole
    type: transform.combine
    with:
      sources: ['{{ input.known }}', '{{ input.update }}']
      target: customer
      mode: deep
output: '{{ steps.whole.output.customer }}'
"""

    sources: tuple[JsonValue, ...] = Field(
        min_length=1, max_length=1000, description="The values, usually templates; later ones win over earlier ones."
    )
    target: str = Field(
        min_length=1,
        max_length=1000,
        pattern=r"^(\$|[^.]+(\.[^.]+){0,19})$",
        description="Where in the output the combined value stands: a name, names with dots between them, or `$` for "
        "the whole output.",
    )
    mode: Literal["merge", "concat", "deep"] = Field(
        default="merge",
        description="`merge`: an object with the entries of all sources. `deep`: the same on every level; lists are "
        "replaced, not joined. `concat`: a list with the items of all sources; a source that is no list is one item.",
    )

    @override
    async def run(self, context: StepContext) -> JsonValue:
        combined: JsonValue
        if self.mode == "concat":
            combined = list(_items(self.sources))
        else:
            combined = {}
            for position, source in enumerate(self.sources):
                combined = self._with(combined, source, position)
        if self.target == "$":
            return combined
        for name in reversed(self.target.split(".")):
            combined = {name: combined}
        return combined

    def _with(self, combined: dict[str, JsonValue], source: JsonValue, position: int) -> dict[str, JsonValue]:
        if source is None:
            return combined
        if not isinstance(source, dict):
            message = f"Source {position} is no object, so it cannot be merged with the others."
            hint = "Use `mode: concat` to make a list of the sources."
            raise StepError("object_required", message, category="validation", hint=hint)
        return _deeply(combined, source) if self.mode == "deep" else {**combined, **source}


def _items(sources: Iterable[JsonValue]) -> Iterable[JsonValue]:
    for source in sources:
        if isinstance(source, list):
            yield from source
        elif source is not None:
            yield source


def _deeply(known: Mapping[str, JsonValue], update: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    whole = dict(known)
    for name, value in update.items():
        before = whole.get(name)
        whole[name] = _deeply(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return whole
