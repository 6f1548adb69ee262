"""What every evaluator type promises; a new type is held to it without being named here."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError
from tests.evaluators.invoices import RIGHT, WRONG, subject
from tests.fakes.grading_context import FakeGradingContext
from tests.fakes.openai_server import OpenAiServer, Reply, said

from assay import evaluators, sandbox
from assay.evaluators import Evaluator, Verdict, catalogue

TYPES = list(catalogue().values())


@pytest.fixture(params=TYPES, ids=[one.type_name for one in TYPES])
def evaluator_type(request: pytest.FixtureRequest) -> type[Evaluator]:
    return request.param


def configured(evaluator_type: type[Evaluator]) -> list[Evaluator]:
    entries = evaluators.parse(evaluator_type.example).entries
    return [entry.evaluator for entry in entries if entry.type_name == evaluator_type.type_name]


def schema_objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (found for found in [schema, *schema.get("$defs", {}).values()] if "properties" in found)


def test_all_types_are_there() -> None:
    expected = {"custom-script", "date-and-money", "exact-diff", "json-schema", "llm-judge", "numeric-tolerance"}
    assert {*expected, "text-similarity"} <= catalogue().keys()


def test_a_file_is_named_like_its_type(evaluator_type: type[Evaluator]) -> None:
    assert evaluator_type.__module__.rpartition(".")[2] == evaluator_type.type_name.replace("-", "_")


def test_the_docstring_begins_with_one_sentence(evaluator_type: type[Evaluator]) -> None:
    summary, _, rest = inspect.cleandoc(evaluator_type.__doc__ or "").partition("\n")
    assert re.fullmatch(r"[A-Z][^.!?]*\.", summary)
    assert not rest.strip() or rest.startswith("\n")


def test_every_setting_is_described(evaluator_type: type[Evaluator]) -> None:
    for found in schema_objects(evaluator_type.model_json_schema(by_alias=True)):
        for name, setting in found["properties"].items():
            assert setting.get("description", "").endswith("."), f"{found['title']}.{name}"


def test_the_configuration_schema_is_valid(evaluator_type: type[Evaluator]) -> None:
    schema = evaluator_type.model_json_schema(by_alias=True)
    jsonschema_rs.meta.validate(schema)
    for evaluator in configured(evaluator_type):
        jsonschema_rs.validator_for(schema).validate(evaluator.model_dump(mode="json", by_alias=True))


def test_a_configuration_survives_json(evaluator_type: type[Evaluator]) -> None:
    for evaluator in configured(evaluator_type):
        assert evaluator_type.model_validate_json(evaluator.model_dump_json(by_alias=True)) == evaluator


def test_unknown_settings_are_refused(evaluator_type: type[Evaluator]) -> None:
    raw = configured(evaluator_type)[0].model_dump(mode="json", by_alias=True)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        evaluator_type.model_validate({**raw, "no-such-setting": 1})


async def test_the_example_tells_right_from_wrong(
    evaluator_type: type[Evaluator], scripts: sandbox.Sandbox, judge: tuple[OpenAiServer, FakeGradingContext]
) -> None:
    model, context = judge
    context.script_sandbox = scripts
    whole = evaluators.parse(evaluator_type.example)
    for entry in [entry for entry in whole.entries if entry.weight > 0]:
        alone = replace(whole, entries=(entry,))
        model.will_answer(_judgement(entry, good=True))
        assert (await evaluators.judge(alone, subject(RIGHT), context)).verdict == Verdict("pass", 1.0)
        model.forget()
        model.will_answer(_judgement(entry, good=False))
        assert (await evaluators.judge(alone, subject(WRONG), context)).verdict.outcome == "fail"
        model.forget()


def _judgement(entry: evaluators.Entry, *, good: bool) -> Reply:
    """What a model says to a judge; other evaluators ask none."""
    if entry.evaluator.model_dump().get("labels"):
        return said({"rationale": "So.", "label": "good" if good else "bad"})
    return said({"rationale": "So.", "score": 1 if good else 0})
