"""How a step type describes itself: what the reference page, the command line and forms show of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from assay.steps.base import Effect, Step

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a configuration. `default` is JSON text, or `required`."""

    name: str
    type: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Part:
    """An object inside a configuration that has fields of its own."""

    name: str
    summary: str
    settings: Sequence[Setting]


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
    documentation = _unwrapped(step.__doc__ or "")
    return Description(
        type_name=step.type_name,
        summary=documentation.partition("\n\n")[0],
        documentation=documentation,
        effect=step.effect,
        beside_type=step.config_beside_type,
        settings=_settings(schema),
        parts=[
            Part(name, _unwrapped(str(about.get("description", ""))).partition("\n\n")[0], _settings(about))
            for name, about in cast("dict[str, Schema]", schema.get("$defs", {})).items()
            if about.get("properties")
        ],
        output=None if step.output_schema is None else _settings(step.output_schema, required=False),
        config_schema=schema,
        example=step.example,
    )


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    paragraphs = "\n".join(line.strip() for line in text.strip().splitlines()).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _settings(schema: Schema, *, required: bool = True) -> list[Setting]:
    names = set(cast("list[str]", schema.get("required", []))) if required else set[str]()
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    return [
        Setting(name, _type_name(about), _default(about, name in names), str(about.get("description", "")))
        for name, about in properties.items()
    ]


def _default(about: Schema, required: bool) -> str:  # reads as said
    if required:
        return "required"
    return json.dumps(about["default"], ensure_ascii=False) if "default" in about else ""


def _type_name(about: Schema) -> str:
    if "enum" in about:
        return " | ".join(json.dumps(value) for value in about["enum"])
    if "const" in about:
        return json.dumps(about["const"])
    if "anyOf" in about:
        return " | ".join(dict.fromkeys(_type_name(one) for one in about["anyOf"]))
    if about.get("type") == "array":
        return f"list of {_type_name(cast('Schema', about.get('items', {})))}"
    reference = str(about.get("$ref", "")).rpartition("/")[2]
    return str(about.get("type") or reference or "any")
