"""How a step type describes itself: what the reference page, the command line and forms show of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.described import Part, Schema, Setting, parts_of, settings_of, unwrapped
from assay.steps.base import Effect, Step


@dataclass(frozen=True, slots=True)
class Description:
    """A step type in words and tables; `output` is None where the output depends on the configuration."""

    type_name: str
    summary: str
    documentation: str
    effect: Effect
    beside_type: bool
    settings: Sequence[Setting]
    parts: Sequence[Part]
    output: Sequence[Setting] | None
    config_schema: Schema
    example: str


def describe(step: type[Step]) -> Description:
    """Describe a step type from its class."""
    schema = step.model_json_schema(by_alias=True)
    documentation = unwrapped(step.__doc__ or "")
    return Description(
        type_name=step.type_name,
        summary=documentation.partition("\n\n")[0],
        documentation=documentation,
        effect=step.effect,
        beside_type=step.config_beside_type,
        settings=settings_of(schema),
        parts=parts_of(schema),
        output=None if step.output_schema is None else settings_of(step.output_schema, required=False),
        config_schema=schema,
        example=step.example,
    )
