"""A run's input is held against what the workflow declares, and all that does not fit is said at once."""

from typing import Any

import pytest

from assay.automations import InputContract, InvalidInputError

CONTRACT = InputContract(
    [
        {"name": "document", "type": "file"},
        {"name": "pages", "type": "array", "items": {"type": "file"}, "required": False},
        {"name": "language", "type": "enum", "values": ["en", "de"], "required": False, "default": "en"},
        {"name": "count", "type": "integer", "required": False},
        {"name": "rate", "type": "number", "required": False},
        {"name": "draft", "type": "boolean", "required": False},
        {"name": "note", "type": "string", "required": False},
        {"name": "tags", "type": "array", "items": {"type": "string"}, "required": False},
        {
            "name": "buyer",
            "type": "object",
            "required": False,
            "properties": {"name": {"type": "string"}, "contracts": {"type": "array", "items": {"type": "file"}}},
        },
        {"name": "anything", "type": "money", "required": False},
    ]
)
FILE: dict[str, Any] = {"$fileId": "file_1"}


def issues_of(value: dict[str, Any], *, coerce_strings: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputError) as caught:
        CONTRACT.check(value, coerce_strings=coerce_strings)
    return [(issue.field, issue.code) for issue in caught.value.issues]


@pytest.mark.parametrize(
    "reference",
    [
        {"fileId": "file_1", "filename": "a.pdf"},
        {"$fileId": "file_1"},
        {"$inline": {"filename": "a.txt", "mimeType": "text/plain", "base64": "aGk="}},
        {"$file": "input/a.pdf"},
    ],
)
def test_every_form_of_a_file_is_accepted(reference: dict[str, Any]) -> None:
    value: dict[str, Any] = {"document": reference, "pages": [reference]}
    assert CONTRACT.check(value) == value | {"language": "en"}


def test_defaults_are_filled_in_and_undeclared_keys_stay() -> None:
    assert CONTRACT.check({"document": {**FILE}, "extra": [1]}) == {"document": FILE, "language": "en", "extra": [1]}


def test_a_default_is_not_shared_between_runs() -> None:
    contract = InputContract([{"name": "list", "type": "array", "default": []}])
    first: Any = contract.check({})
    first["list"].append(1)
    assert contract.check({}) == {"list": []}


def test_all_issues_are_reported_at_once_in_the_order_of_the_declarations() -> None:
    value: dict[str, Any] = {
        "anything": {"free": True},
        "buyer": {"contracts": [FILE, {"path": "x"}, "text"]},
        "tags": ["a", 5],
        "note": 5,
        "draft": "true",
        "rate": "1.5",
        "count": 1.5,
        "language": "fr",
        "pages": FILE,
    }
    assert issues_of(value) == [
        ("document", "missing_required"),
        ("pages", "type_mismatch"),
        ("language", "enum_mismatch"),
        ("count", "type_mismatch"),
        ("rate", "type_mismatch"),
        ("draft", "type_mismatch"),
        ("note", "type_mismatch"),
        ("tags[1]", "type_mismatch"),
        ("buyer.name", "missing_required"),
        ("buyer.contracts[1]", "file_required"),
        ("buyer.contracts[2]", "file_required"),
    ]


@pytest.mark.parametrize("value", ["file_1", 5, None, {}, {"path": "/etc/passwd"}, [FILE]])
def test_what_is_no_file_reference_is_no_file(value: object) -> None:
    assert issues_of({"document": value}) == [("document", "file_required")]


def test_texts_of_a_form_become_what_is_declared() -> None:
    form: dict[str, Any] = {
        "document": FILE,
        "pages": FILE,
        "count": " 42 ",
        "rate": "1.5",
        "draft": "true",
        "note": "42",
        "undeclared": "42",
    }
    assert CONTRACT.check(form, coerce_strings=True) == {
        "document": FILE,
        "pages": [FILE],
        "language": "en",
        "count": 42,
        "rate": 1.5,
        "draft": True,
        "note": "42",
        "undeclared": "42",
    }


@pytest.mark.parametrize(("name", "text"), [("count", "1.5"), ("count", ""), ("rate", "nan"), ("draft", "yes")])
def test_texts_of_a_form_that_do_not_fit_are_refused(name: str, text: str) -> None:
    assert issues_of({"document": FILE, name: text}, coerce_strings=True) == [(name, "type_mismatch")]


def test_the_schema_names_what_is_required() -> None:
    assert CONTRACT.schema["required"] == ["document"]
    assert CONTRACT.schema["properties"]["language"] == {"enum": ["en", "de"], "default": "en"}


def test_a_workflow_without_inputs_takes_anything() -> None:
    assert InputContract().check({"a": 1}) == {"a": 1}
