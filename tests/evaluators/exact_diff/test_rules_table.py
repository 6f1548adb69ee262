"""The rule language, rule by rule: what is expected, what came, and what is wrong about it."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.evaluators.exact_diff.grading import grade, mismatches

UNORDERED = {"order": "unordered"}
BY_SKU = {"order": "unordered", "matchBy": "sku"}


@dataclass(frozen=True)
class Case:
    rule: str
    expected: Any
    actual: Any
    wrong: tuple[str, ...] = ()
    """Paths of the mismatches, in their order."""
    total: int = 1
    config: dict[str, Any] = field(default_factory=dict)


def lines(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {"lines": [{"sku": sku, "total": total} for sku, total in pairs]}


def rules(**by_path: Any) -> dict[str, Any]:
    return {"rules": {path.replace("whole", "$"): rule for path, rule in by_path.items()}}


PARTIAL = [
    Case("keys that are not expected are not checked", {"a": 1}, {"a": 1, "b": 2}),
    Case("keys that are not expected are not checked, deeper too", {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}),
    Case("expected null is not checked", {"a": 1, "b": None}, {"a": 1, "b": 7}),
    Case("an expected empty text is not checked", {"a": 1, "b": ""}, {"a": 1, "b": "text"}),
    Case("an expected key that is missing is wrong", {"a": 1, "b": 2}, {"a": 1}, ("b",), total=2),
    Case("null is not the expected value", {"a": 1}, {"a": None}, ("a",)),
    Case("expected null inside of an object is not checked", {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    Case("an expected empty object is any object", {"a": {}}, {"a": {"b": 1}}),
    Case("an expected empty object is no text", {"a": {}}, {"a": "text"}, ("a",)),
    Case("an expected empty array is any array", {"a": []}, {"a": [1]}),
    Case("an object is no array", {"a": {"b": 1}}, {"a": [1]}, ("a",)),
    Case("the unit is the top-level field", {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 9, "y": 9}, "b": 1},
         ("a.x", "a.y"), total=2),
    Case("an output that is no object has no field", {"a": 1, "b": 2}, "text", ("a", "b"), total=2),
    Case("no output has no field", {"a": 1}, None, ("a",)),
    Case("a whole value that is no object is one field", [1, 2], [1, 3], ("$[1]",)),
    Case("a whole text is one field", "yes", True),
]  # fmt: skip

WILDCARDS = [
    Case("__any__ accepts every value", {"a": "__any__"}, {"a": {"b": [1]}}),
    Case("__any__ accepts null", {"a": "__any__"}, {"a": None}),
    Case("__any__ wants a value to be there", {"a": "__any__"}, {}, ("a",)),
    Case("a file of any id accepts every file", {"a": {"fileId": "__any__"}}, {"a": {"fileId": "file_1", "name": "x"}}),
    Case("a file of any id accepts every value", {"a": {"fileId": "__any__"}}, {"a": "file_1"}),
    Case("__any__ in an array accepts the item in its place", {"a": [1, "__any__", 3]}, {"a": [1, 2, 3]}),
    Case("__any__ in an array wants an item", {"a": [1, "__any__"]}, {"a": [1]}, ("a[1]",)),
    Case("a whole __any__ accepts every output", "__any__", {"a": 1}),
]

LEAVES = [
    Case("the text true is true", {"a": True}, {"a": "true"}),
    Case("the text yes is true", {"a": True}, {"a": "Yes"}),
    Case("the text no is false", {"a": "no"}, {"a": False}),
    Case("the text false is false", {"a": False}, {"a": "FALSE"}),
    Case("the text no is not true", {"a": True}, {"a": "no"}, ("a",)),
    Case("another text is no boolean", {"a": True}, {"a": "y"}, ("a",)),
    Case("two texts are no booleans", {"a": "true"}, {"a": "yes"}, ("a",)),
    Case("1 is not true", {"a": True}, {"a": 1}, ("a",)),
    Case("a text that is a number is the number", {"a": 12.5}, {"a": "12.50"}),
    Case("a number is the text that is the number", {"a": "1e2"}, {"a": 100}),
    Case("a number in a text with blanks around it is the number", {"a": 7}, {"a": " 7 "}),
    Case("two texts that are numbers compare as numbers", {"a": "1.50"}, {"a": "1.5"}),
    Case("two texts of digits are identifiers, which a millionth tells apart", {"a": "20240001"}, {"a": "20240002"},
         ("a",)),
    Case("a text with a separator is no number", {"a": 1234}, {"a": "1,234"}, ("a",)),
    Case("NaN is no number", {"a": 1}, {"a": "NaN"}, ("a",)),
    Case("1 and 1.0 are one number", {"a": 1}, {"a": 1.0}),
    Case("other texts are compared letter by letter", {"a": "Ada"}, {"a": "ada"}, ("a",)),
    Case("without a tolerance numbers are a millionth apart", {"a": 1_000_000.0}, {"a": 1_000_000.9}),
    Case("without a tolerance two millionths are too many", {"a": 1_000_000.0}, {"a": 1_000_002.0}, ("a",)),
    Case("near zero the millionth is absolute", {"a": 0}, {"a": 0.0000009}),
    Case("near zero two millionths are too many", {"a": 0}, {"a": 0.000002}, ("a",)),
    Case("an integer that no float can hold is compared", {"a": 10**400}, {"a": 0.5}, ("a",)),
]  # fmt: skip

CLASSIC = [
    Case("a tolerance is absolute", {"a": 1_000_000}, {"a": 1_000_000.5}, ("a",), config={"numericTolerance": 0.1}),
    Case("a tolerance includes its bound, as it is written", {"a": 1.01}, {"a": 1}, config={"numericTolerance": 0.01}),
    Case("a tolerance of 0 is exact", {"a": 0.1}, {"a": 0.1000000001}, ("a",), config={"numericTolerance": 0}),
    Case("a tolerance of 0 accepts the same number", {"a": 0.1}, {"a": "0.10"}, config={"numericTolerance": 0}),
    Case("a tolerance holds for texts of digits too", {"a": "100"}, {"a": "101"}, config={"numericTolerance": 1}),
    Case("extra fields count when they are not allowed", {"a": 1}, {"a": 1, "b": 2}, ("b",), total=2,
         config={"allowExtraFields": False}),
    Case("extra fields deeper make their field wrong", {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, ("a.c",),
         config={"allowExtraFields": False}),
    Case("a key that is expected to be null is no extra field", {"a": 1, "b": None}, {"a": 1, "b": 2},
         config={"allowExtraFields": False}),
    Case("paths choose what is compared", {"a": 1, "b": 2}, {"a": 1, "b": 3}, config={"paths": ["a"]}),
    Case("a path leads into objects", {"h": {"id": 1, "x": 2}}, {"h": {"id": 2, "x": 3}}, ("h.id",),
         config={"paths": ["h.id"]}),
    Case("a path leads to a field of every item", lines(("A", 1), ("B", 2)), lines(("X", 1), ("Y", 3)),
         ("lines[1].total",), config={"paths": ["lines[].total"]}),
    Case("a path leads to a field of one item", lines(("A", 1), ("B", 2)), lines(("A", 9), ("X", 9)),
         config={"paths": ["lines[0].sku"]}),
    Case("a path to one item compares that one", lines(("A", 1), ("B", 2)), lines(("X", 1), ("B", 2)),
         ("lines[0].sku",), config={"paths": ["lines[0].sku", "lines[1]"]}),
    Case("a path to one item adds to those for every item", lines(("A", 1), ("B", 2)), lines(("X", 7), ("Y", 2)),
         ("lines[0].sku", "lines[0].total"), config={"paths": ["lines[].total", "lines[0].sku"]}),
    Case("beside a path extra fields are allowed", {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3},
         config={"paths": ["a.b"], "allowExtraFields": False}),
    Case("a path that is missing in the output is wrong", {"h": {"id": 1}}, {}, ("h",), config={"paths": ["h.id"]}),
    Case("unordered paths compare in any order", {"a": [1, 2, 3]}, {"a": [3, 1, 2]}, config={"unorderedPaths": ["a"]}),
    Case("an unordered path may name the items", {"a": [1, 2]}, {"a": [2, 1]}, config={"unorderedPaths": ["a[]"]}),
    Case("an unordered path says nothing of arrays inside", {"a": [[1, 2]]}, {"a": [[2, 1]]}, ("a[0]",),
         config={"unorderedPaths": ["a"]}),
    Case("an unordered path inside of items", {"a": [{"b": [1, 2]}]}, {"a": [{"b": [2, 1]}]},
         config={"unorderedPaths": ["a[].b"]}),
    Case("an unordered path chooses nothing", {"a": [1], "b": 2}, {"a": [1], "b": 3}, ("b",), total=2,
         config={"unorderedPaths": ["a"]}),
]  # fmt: skip

ARRAYS = [
    Case("ordered at-least: the expected items are a prefix", {"a": [1, 2]}, {"a": [1, 2, 3]}),
    Case("ordered: items have their places", {"a": [1, 2]}, {"a": [2, 1]}, ("a[0]", "a[1]")),
    Case("ordered at-least: a missing item is wrong", {"a": [1, 2]}, {"a": [1]}, ("a[1]",)),
    Case("ordered: an expected null is not checked in its place", {"a": [None, 2]}, {"a": [9, 2]}),
    Case("ordered at-most: the items are a prefix of the expected", {"a": [1, 2, 3]}, {"a": [1, 2]},
         config=rules(a={"items": "at-most"})),
    Case("ordered at-most: an item more is wrong", {"a": [1]}, {"a": [1, 2]}, ("a[1]",),
         config=rules(a={"items": "at-most"})),
    Case("ordered at-most: none is enough", {"a": [1]}, {"a": []}, config=rules(a={"items": "at-most"})),
    Case("ordered exactly: an item more is wrong", {"a": [1]}, {"a": [1, 2]}, ("a[1]",),
         config=rules(a={"items": "exactly"})),
    Case("ordered exactly: an item less is wrong", {"a": [1, 2]}, {"a": [1]}, ("a[1]",),
         config=rules(a={"items": "exactly"})),
    Case("unordered at-least: others may be there", {"a": [1, 2]}, {"a": [3, 2, 1]}, config=rules(a=UNORDERED)),
    Case("unordered: each item is used once", {"a": [1, 1]}, {"a": [1, 2]}, ("a[1]",), config=rules(a=UNORDERED)),
    Case("unordered: no item takes the only one of another", {"a": [{"x": 1}, {"x": 1, "y": 1}]},
         {"a": [{"x": 1, "y": 1}, {"x": 1}]}, config=rules(a=UNORDERED)),
    Case("unordered: pairs are given up for more pairs", {"a": [1, 1.4, 1.8]}, {"a": [1.4, 1.8, 0.6]},
         config=rules(a={**UNORDERED, "numericTolerance": 0.4})),
    Case("unordered at-most: nothing else may be there", {"a": [1, 2, 3]}, {"a": [3, 1]},
         config=rules(a={**UNORDERED, "items": "at-most"})),
    Case("unordered at-most: another item is wrong", {"a": [1, 2, 3]}, {"a": [3, 4]}, ("a[1]",),
         config=rules(a={**UNORDERED, "items": "at-most"})),
    Case("unordered at-most: each expected item is used once", {"a": [1, 2]}, {"a": [1, 1]}, ("a[1]",),
         config=rules(a={**UNORDERED, "items": "at-most"})),
    Case("unordered exactly: the same items", {"a": [1, 2]}, {"a": [2, 1]},
         config=rules(a={**UNORDERED, "items": "exactly"})),
    Case("unordered exactly: one more is wrong", {"a": [1, 2]}, {"a": [2, 5, 1]}, ("a[1]",),
         config=rules(a={**UNORDERED, "items": "exactly"})),
    Case("unordered exactly: one less is wrong", {"a": [1, 2]}, {"a": [2]}, ("a[0]",),
         config=rules(a={**UNORDERED, "items": "exactly"})),
    Case("unordered exactly: an expected null takes any item", {"a": [None, 2]}, {"a": [2, 7]},
         config=rules(a={**UNORDERED, "items": "exactly"})),
    Case("unordered: an expected null needs no item", {"a": [None, 2]}, {"a": [2]}, config=rules(a=UNORDERED)),
]  # fmt: skip

MATCH_BY = [
    Case("matchBy pairs by the value", lines(("A", 1), ("B", 2)), lines(("B", 2), ("C", 3), ("A", 1)),
         config=rules(lines=BY_SKU)),
    Case("matchBy says where a pair differs", lines(("A", 1), ("B", 2)), lines(("B", 2), ("A", 7)),
         ("lines[0].total",), config=rules(lines=BY_SKU)),
    Case("matchBy without such an item is wrong", lines(("A", 1)), lines(("B", 1)), ("lines[0]",),
         config=rules(lines=BY_SKU)),
    Case("matchBy is strict about types", lines(("1", 1)), lines((1, 1)), ("lines[0]",), config=rules(lines=BY_SKU)),
    Case("matchBy takes 1 and 1.0 for one number", lines((1, 1)), lines((1.0, 1)), config=rules(lines=BY_SKU)),
    Case("matchBy does not take true for 1", lines((True, 1)), lines((1, 1)), ("lines[0]",),
         config=rules(lines=BY_SKU)),
    Case("matchBy takes several values together", {"l": [{"a": 1, "b": {"c": 1}, "v": 1}, {"a": 1, "b": {"c": 2}}]},
         {"l": [{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 1}, "v": 1}]},
         config=rules(l={**UNORDERED, "matchBy": ["a", "b.c"]})),
    Case("matchBy at-least: of items with one value one must do", lines(("A", 2)), lines(("A", 1), ("A", 2)),
         config=rules(lines=BY_SKU)),
    Case("matchBy at-most: items must be known", lines(("A", 1), ("B", 2)), lines(("C", 3), ("A", 1)), ("lines[0]",),
         config=rules(lines={**BY_SKU, "items": "at-most"})),
    Case("matchBy at-most: items must be told apart", lines(("A", 1), ("B", 2)), lines(("A", 1), ("A", 1)),
         ("lines[1]",), config=rules(lines={**BY_SKU, "items": "at-most"})),
    Case("matchBy exactly: an item more is wrong", lines(("A", 1)), lines(("B", 2), ("A", 1)), ("lines[0]",),
         config=rules(lines={**BY_SKU, "items": "exactly"})),
    Case("matchBy exactly: an item without the value is wrong", lines(("A", 1)), lines(("A", 1), (None, 2)),
         ("lines[1]",), config=rules(lines={**BY_SKU, "items": "exactly"})),
    Case("matchBy is not inherited", {"l": [{"sku": 1, "m": [1, 2]}]}, {"l": [{"sku": 1, "m": [2, 1]}]},
         config=rules(l=BY_SKU)),
]  # fmt: skip

RULES = [
    Case("an ignored path is not compared", {"a": 1, "b": 2}, {"a": 1, "b": 3}, config=rules(b={"ignore": True})),
    Case("only ignoring rules compare all else", {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 9, "c": 9}, ("c",), total=2,
         config=rules(b={"ignore": True})),
    Case("no rules compare everything", {"a": 1}, {"a": 2}, ("a",), config={"rules": {}}),
    Case("rules that do not ignore choose what is compared", {"a": 1, "b": 2}, {"a": 2, "b": 3}, ("a",),
         config=rules(a={})),
    Case("the rule of the whole compares everything", {"a": 1, "b": 2}, {"a": 1, "b": 3}, ("b",), total=2,
         config=rules(whole={}, a={})),
    Case("an ignored path under a chosen one", {"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}},
         config={"rules": {"a": {}, "a.y": {"ignore": True}}}),
    Case("a chosen path under an ignored one", {"a": {"x": 1, "y": 2}}, {"a": {"x": 9, "y": 3}}, ("a.y",),
         config={"rules": {"a": {"ignore": True}, "a.y": {}}}),
    Case("an ignored field is no extra field", {"a": 1}, {"a": 1, "b": 2},
         config={"rules": {"$": {"allowExtraFields": False}, "b": {"ignore": True}}}),
    Case("deeper rules inherit", {"a": {"b": 1.0}}, {"a": {"b": 1.4}},
         config={"rules": {"$": {"numericTolerance": 0.5}, "a.b": {}}}),
    Case("deeper rules override", {"a": 1.0, "b": 1.0}, {"a": 1.4, "b": 1.4}, ("b",), total=2,
         config={"rules": {"$": {"numericTolerance": 0.5}, "b": {"numericTolerance": 0}}}),
    Case("order is inherited by the arrays below", {"a": [1, 2]}, {"a": [2, 1]}, config=rules(whole=UNORDERED)),
    Case("an array below may be ordered again", {"a": [1, 2], "b": [1, 2]}, {"a": [2, 1], "b": [2, 1]},
         ("b[0]", "b[1]"), total=2, config=rules(whole=UNORDERED, b={"order": "ordered"})),
    Case("order is inherited by a rule that does not say it", {"a": [1, 2]}, {"a": [2, 1]},
         config=rules(whole=UNORDERED, a={"numericTolerance": 0})),
    Case("how many items there are is not compared on the way to a field of theirs", {"a": [{"x": 1, "y": 1}]},
         {"a": [{"x": 1, "y": 2}, {"x": 3}]},
         config={"rules": {"$": {"items": "exactly"}, "a": {"ignore": True}, "a[].x": {}}}),
    Case("items is inherited", {"a": [1]}, {"a": [1, 2]}, ("a[1]",), config=rules(whole={"items": "exactly"})),
    Case("a rule for a field of every item", lines(("A", 1)), lines(("B", 1.2)), config={
        "rules": {"lines[].total": {"numericTolerance": 0.5}}}),
    Case("an ignored field of every item", lines(("A", 1)), lines(("A", 9)), config={
        "rules": {"lines[].total": {"ignore": True}}}),
    Case("extra fields may be allowed in one place", {"a": {"x": 1}, "b": {"x": 1}}, {"a": {"x": 1, "y": 1},
         "b": {"x": 1, "y": 1}}, ("b.y",), total=2,
         config={"rules": {"$": {"allowExtraFields": False}, "a": {"allowExtraFields": True}}}),
    Case("arrays of arrays", {"m": [[1, 2], [3, 4]]}, {"m": [[4, 3], [2, 1]]}, config=rules(m=UNORDERED)),
    Case("a rule for a field that is not expected", {"a": 1}, {"a": 1}, total=0, config=rules(b={})),
    Case("a whole array by a rule for it", [1, 2], [2, 1], config=rules(whole=UNORDERED)),
    Case("a field of every item of a whole array", [{"x": 1, "y": 1}], [{"x": 1, "y": 2}],
         config={"rules": {"$[].x": {}}}),
]  # fmt: skip

EMPTY = [
    Case("must be empty accepts no field", {"a": 1}, {"a": 1}, total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty accepts null", {"a": 1}, {"a": 1, "b": None}, total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty accepts an empty text", {"a": 1}, {"a": 1, "b": ""}, total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty accepts an empty array", {"a": 1}, {"a": 1, "b": []}, total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty accepts an empty object", {"a": 1}, {"a": 1, "b": {}}, total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty refuses a text", {"a": 1}, {"a": 1, "b": "x"}, ("b",), total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty refuses 0", {"a": 1}, {"a": 1, "b": 0}, ("b",), total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty refuses false", {"a": 1}, {"a": 1, "b": False}, ("b",), total=2,
         config={"mustBeEmpty": ["b"]}),
    Case("must be empty checks what an expected null does not", {"a": 1, "b": None}, {"a": 1, "b": "x"}, ("b",),
         total=2, config={"mustBeEmpty": ["b"]}),
    Case("must be empty belongs to its top-level field", {"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, ("a.y",),
         config={"mustBeEmpty": ["a.y"]}),
    Case("must be empty in every item", lines(("A", 1)), {"lines": [{"sku": "A", "total": 1, "note": "x"}]},
         ("lines[0].note",), config={"mustBeEmpty": ["lines[].note"]}),
    Case("must be empty goes with rules", {"a": 1}, {"a": 1, "b": 1}, ("b",), total=2,
         config={"mustBeEmpty": ["b"], "rules": {"a": {}}}),
]  # fmt: skip

CASES = [*PARTIAL, *WILDCARDS, *LEAVES, *CLASSIC, *ARRAYS, *MATCH_BY, *RULES, *EMPTY]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
async def test_the_rule(case: Case) -> None:
    result = await grade(case.expected, case.actual, **case.config)
    wrong_fields = {re.split(r"[.\[]", path)[0] for path in case.wrong}
    matched = case.total - len(wrong_fields)
    assert [mismatch["path"] for mismatch in mismatches(result)] == list(case.wrong)
    assert (result.details["matchedFields"], result.details["totalFields"]) == (matched, case.total)
    assert result.score == (matched / case.total if case.total else None)


def test_each_rule_is_named_once() -> None:
    assert len({case.rule for case in CASES}) == len(CASES) >= 70
