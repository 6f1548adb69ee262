"""What every step type promises; a new type is held to it without being named here."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic import JsonValue, ValidationError
from ruamel.yaml import YAML

from assay import automations
from assay.steps import Effect, Step, catalogue

TYPES = list(catalogue().values())


@pytest.fixture(params=TYPES, ids=[step.type_name for step in TYPES])
def step_type(request: pytest.FixtureRequest) -> type[Step]:
    return request.param


def workflow(step_type: type[Step]) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(step_type.example)


def configurations(step_type: type[Step]) -> Iterator[dict[str, JsonValue]]:
    """The raw configuration of every step of the type in its own example."""
    common = {"name", "type", "description", "if", "timeout", "retry", "with"}
    for step in workflow(step_type)["steps"]:
        if step["type"] != step_type.type_name:
            continue
        if step_type.config_beside_type:
            yield {key: value for key, value in step.items() if key not in common}
        else:
            yield step["with"]


OF_TYPE: dict[str, JsonValue] = {"array": [], "object": {}, "integer": 1, "number": 1, "boolean": True}


def configured(step_type: type[Step]) -> Step:
    """The step of the example, with conditions that hold and templates filled with values of the right type."""
    raw = next(configurations(step_type))
    properties = step_type.model_json_schema(by_alias=True)["properties"]
    filled = {
        name: OF_TYPE.get(properties[name].get("type"), value)
        for name, value in raw.items()
        if isinstance(value, str) and "{{" in value and name in properties
    }
    return step_type.model_validate({**raw, **filled, **dict.fromkeys(step_type.conditions & raw.keys(), True)})


def schema_objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (found for found in [schema, *schema.get("$defs", {}).values()] if "properties" in found)


def test_the_first_types_are_there() -> None:
    expected = {"ai.parse", "control.fail", "control.if", "transform.regex-extract", "transform.set"}
    assert expected <= catalogue().keys()


def test_a_file_is_named_like_its_type(step_type: type[Step]) -> None:
    assert step_type.__module__.rpartition(".")[2] == re.sub("[.-]", "_", step_type.type_name)


def test_the_docstring_begins_with_one_sentence(step_type: type[Step]) -> None:
    summary, _, rest = inspect.cleandoc(step_type.__doc__ or "").partition("\n")
    assert re.fullmatch(r"[A-Z][^.!?]*\.", summary)
    assert not rest.strip() or rest.startswith("\n")


def test_every_setting_is_described(step_type: type[Step]) -> None:
    for found in schema_objects(step_type.model_json_schema(by_alias=True)):
        for name, setting in found["properties"].items():
            assert setting.get("description", "").endswith("."), f"{found['title']}.{name}"


def test_the_configuration_schema_is_valid(step_type: type[Step]) -> None:
    schema = step_type.model_json_schema(by_alias=True)
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.validator_for(schema).validate(configured(step_type).model_dump(mode="json", by_alias=True))


def test_the_output_schema_is_valid(step_type: type[Step]) -> None:
    if step_type.output_schema is not None:
        jsonschema_rs.meta.validate(dict(step_type.output_schema))


def test_a_configuration_survives_json(step_type: type[Step]) -> None:
    step = configured(step_type)
    assert step_type.model_validate_json(step.model_dump_json(by_alias=True)) == step


def test_unknown_settings_are_refused(step_type: type[Step]) -> None:
    raw = configured(step_type).model_dump(mode="json", by_alias=True)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        step_type.model_validate({**raw, "no-such-setting": 1})


def test_conditions_and_literals_name_settings(step_type: type[Step]) -> None:
    names = {field.alias or name for name, field in step_type.model_fields.items()}
    assert step_type.conditions <= names
    assert step_type.literals <= names


def test_blocks_lie_in_literal_settings(step_type: type[Step]) -> None:
    for raw in configurations(step_type):
        for block in step_type.blocks(raw):
            assert block.path[0] in step_type.literals


def test_a_configuration_of_any_shape_has_its_blocks_looked_up(step_type: type[Step]) -> None:
    oddities: list[JsonValue] = [None, 1, "x", [], [None], {}, {"steps": 1}]
    for odd in oddities:
        list(step_type.blocks(dict.fromkeys(["then", "else", "branches", "cases", "steps"], odd)))


def test_the_effect_is_declared(step_type: type[Step]) -> None:
    assert step_type.effect in Effect


def test_the_example_is_a_valid_workflow(step_type: type[Step]) -> None:
    parsed = automations.parse_workflow(step_type.example)
    assert parsed.issues == ()
    assert parsed.definition is not None


def test_the_example_uses_the_type_and_needs_no_input(step_type: type[Step]) -> None:
    assert next(configurations(step_type), None) is not None
    for declared in workflow(step_type).get("inputs", []):
        assert declared["required"] is False
        assert "default" in declared
