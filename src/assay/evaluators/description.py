"""How an evaluator type describes itself: what the reference page, the command line and forms show of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.described import Part, Schema, Setting, parts_of, settings_of, unwrapped
from assay.evaluators.base import Evaluator


@dataclass(frozen=True, slots=True)
class Description:
    """An evaluator type in words and tables."""

    type_name: str
    version: int
    summary: str
    documentation: str
    settings: Sequence[Setting]
    parts: Sequence[Part]
    config_schema: Schema
    example: str


def describe(evaluator: type[Evaluator]) -> Description:
    """Describe an evaluator type from its class."""
    schema = evaluator.model_json_schema(by_alias=True)
    documentation = unwrapped(evaluator.__doc__ or "")
    return Description(
        type_name=evaluator.type_name,
        version=evaluator.version,
        summary=documentation.partition("\n\n")[0],
        documentation=documentation,
        settings=settings_of(schema),
        parts=parts_of(schema),
        config_schema=schema,
        example=evaluator.example,
    )
