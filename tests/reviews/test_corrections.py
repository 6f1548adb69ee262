"""Corrections of single fields: wherever they point, that place changes and nothing else does."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.reviews import corrections
from assay.reviews.errors import InvalidFeedbackError

KEYS = st.text(max_size=4) | st.sampled_from(["a/b", "m~n", "~1", "", "0", "-"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def _places(document: Any, pointer: str = "") -> list[tuple[str, Any]]:
    found = [(pointer, document)]
    if isinstance(document, dict):
        for key, value in document.items():
            found += _places(value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += _places(value, f"{pointer}/{index}")
    return found


def _checked(*given_ones: Any, output: Any = None) -> Any:
    return corrections.checked(given_ones, (), output)


@given(document=DOCUMENTS, value=DOCUMENTS, data=st.data())
def test_the_place_holds_the_value_and_all_others_what_they_held(document: Any, value: Any, data: st.DataObject):
    pointer, was = data.draw(st.sampled_from(_places(document)))
    before = copy.deepcopy(document)
    kept = _checked({"kind": "field", "path": pointer, "correctedValue": value}, output=document)
    assert kept[0]["originalValue"] == was
    after = dict(_places(corrections.applied(kept, document)))
    assert after[pointer] == value
    outside = {
        place: held
        for place, held in _places(before)
        if not place.startswith(f"{pointer}/") and not pointer.startswith(f"{place}/") and place not in ("", pointer)
    }
    assert {place: after[place] for place in outside} == outside
    assert document == before


def test_later_ones_see_what_earlier_ones_did():
    kept = _checked(
        {"kind": "field", "path": "/lines/-", "correctedValue": {"amount": 1}},
        {"kind": "field", "path": "/lines/0/amount", "correctedValue": 2},
        output={"lines": []},
    )
    assert corrections.applied(kept, {"lines": []}) == {"lines": [{"amount": 2}]}


@pytest.mark.parametrize("path", ["/a/b", "/list/2", "/list/x", "/list/01", "/text/0", "/list/-/x", "/none/x"])
def test_a_place_that_cannot_be_is_named(path: str):
    output: Any = {"list": [1], "text": "t", "none": None}
    kept = _checked({"kind": "field", "path": path, "correctedValue": 1}, output=output)
    with pytest.raises(InvalidFeedbackError) as caught:
        corrections.applied(kept, output)
    assert [(issue.field, issue.code) for issue in caught.value.issues] == [("corrections[0].path", "no_such_place")]


def test_every_correction_that_is_none_is_told_at_once():
    with pytest.raises(InvalidFeedbackError) as caught:
        _checked({"kind": "page", "path": "/a"}, {"kind": "field", "path": "a"}, {"kind": "field", "path": "/~2"}, 7)
    assert [issue.field.partition(".")[0] for issue in caught.value.issues] == [
        f"corrections[{index}]" for index in range(4)
    ]
    with pytest.raises(InvalidFeedbackError):
        _checked(*[{"kind": "field", "path": "/a"}] * 501)


@pytest.mark.parametrize(
    ("output", "expected", "paths"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2]}, []),
        ({"a": 1, "b/c": {"d": 1}}, {"a": True, "b/c": {"d": 2}}, ["/a", "/b~1c/d"]),
        ({"lines": [1, 2]}, {"lines": [2]}, ["/lines"]),
        ({"a": 1}, {"a": 1, "new": None}, ["/new"]),
        ({"a": {"gone": 1, "kept": 2}}, {"a": {"kept": 2}}, ["/a"]),
        (None, {"a": 1}, [""]),
        ([0] * 501, [1] * 501, [""]),
    ],
)
def test_the_corrections_between_two_outputs_make_one_of_the_other(output: Any, expected: Any, paths: list[str]):
    found = corrections.between(output, expected)
    assert [one["path"] for one in found] == paths
    assert corrections.applied(corrections.checked(found, (), output), output) == expected
