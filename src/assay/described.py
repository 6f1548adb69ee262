"""How a configuration class describes itself: its fields as rows of a table, for pages, the command line and forms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

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


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    paragraphs = "\n".join(line.strip() for line in text.strip().splitlines()).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def settings_of(schema: Schema, *, required: bool = True) -> list[Setting]:
    """List the properties of an object schema; without `required` none is called so."""
    names = set(cast("list[str]", schema.get("required", []))) if required else set[str]()
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    return [
        Setting(name, _type_name(about), _default(about, name in names), str(about.get("description", "")))
        for name, about in properties.items()
    ]


def parts_of(schema: Schema) -> list[Part]:
    """List the objects that a schema defines beside its own properties."""
    return [
        Part(name, unwrapped(str(about.get("description", ""))).partition("\n\n")[0], settings_of(about))
        for name, about in cast("dict[str, Schema]", schema.get("$defs", {})).items()
        if about.get("properties")
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
    if isinstance(about.get("type"), list):
        return " | ".join(about["type"])
    reference = str(about.get("$ref", "")).rpartition("/")[2]
    return str(about.get("type") or reference or "any")
