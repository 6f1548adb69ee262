"""Where an actual JSON value is not what was expected, under rules, counted by top-level field."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from assay.evaluators.base import EvaluatorError
from assay.evaluators.comparison_rules import EVERY_ITEM, Path, Place, write_path
from assay.evaluators.item_identity import Identity, identity_of, named, places_of
from assay.evaluators.leaf_values import same_leaf
from assay.evaluators.matching import maximum_matching
from assay.evaluators.mismatch import MAX_MISMATCHES, MISSING, Found, Missing, mismatch

WILDCARD: Final = "__any__"

_MOST_ITEMS: Final = 1_000
_MOST_PAIRS: Final = 1_000_000
_MOST_OPERATIONS: Final = 2_000_000
_FEW_PAIRS: Final = 2_500
_DEEPEST: Final = 150
_WHOLE: Final = "$"
_EXPECTED_FILES: Final = "expected/"

Object = dict[str, JsonValue]
Array = list[JsonValue]


class ComparisonTooLargeError(EvaluatorError):
    """The arrays whose items are compared in any order are too large."""

    code = "comparison_too_large"
    hint = "Pair the items by a value with `matchBy`, compare fewer fields, or compare them in order."


class ComparisonTooDeepError(EvaluatorError):
    """The values are nested too deeply to be compared."""

    code = "comparison_too_deep"
    hint = "Compare the upper levels only: ignore what is nested deeper."


class IdentityNotUniqueError(EvaluatorError):
    """The expected items cannot be told apart by `matchBy`."""

    code = "identity_not_unique"
    hint = "Name another path in `matchBy`, or several that are unique together."


class LongComparisonError(Exception):
    """The comparison took more steps than the caller has patience for; it may succeed in more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What each top-level field that was compared came to, and where values differ.

    `mismatches` are `{path, expected, actual, reason?}`, the first 200, long values shortened; what
    is absent is null. A value that is no object is one field, named `$`.
    """

    fields: Mapping[str, bool]
    mismatches: Sequence[JsonValue]


def difference(
    expected: JsonValue,
    actual: JsonValue,
    place: Place,
    *,
    must_be_empty: Sequence[Path] = (),
    patience: int | None = None,
) -> Difference:
    """Compare two values.

    Raises:
        LongComparisonError: it takes more than `patience` steps.
        ComparisonTooLargeError: there are too many items, or pairs of items, to compare in any order.
        ComparisonTooDeepError: the expected value has more than 150 levels.
        IdentityNotUniqueError: expected items have no `matchBy` value, or share one.
    """
    comparison = _Comparison(patience)
    try:
        comparison.compare_whole(expected, actual, place)
    except RecursionError:
        raise ComparisonTooDeepError from None
    for path in must_be_empty:
        comparison.demand_empty(actual, path)
    return Difference(comparison.fields, comparison.mismatches)


def expected_file(value: JsonValue) -> str | None:
    """Return the name of the golden file that a value refers to, without its folder; None if it is no reference."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    reference = value.get("$file")
    if not isinstance(reference, str) or not reference.startswith(_EXPECTED_FILES):
        return None
    return reference.rpartition("/")[2]


def is_checked(expected: JsonValue, place: Place) -> bool:
    """Say whether an expected value asks for anything: null, "" and golden files do not, nor what rules leave out."""
    if expected is None or expected == "" or not place.reached or expected_file(expected) is not None:
        return False
    if place.compared:
        return True
    if isinstance(expected, dict):
        return any(is_checked(value, place.at_field(name)) for name, value in expected.items())
    if isinstance(expected, list):
        return any(is_checked(value, place.at_item(index)) for index, value in enumerate(expected))
    return False


class _Comparison:
    """One comparison. A path of None means that only the answer matters: the first difference ends it."""

    def __init__(self, patience: int | None) -> None:
        self.fields: dict[str, bool] = {}
        self.mismatches: list[JsonValue] = []
        self._patience = patience
        self._steps = 0
        self._operations = 0
        self._pairs = 0

    def compare_whole(self, expected: JsonValue, actual: JsonValue, place: Place) -> None:
        if not isinstance(expected, dict) or _is_wildcard(expected):
            if is_checked(expected, place):
                self.fields[_WHOLE] = self._same(expected, actual, place, _WHOLE, 0)
            return
        given: Object = actual if isinstance(actual, dict) else {}
        for name, value in expected.items():
            below = place.at_field(name)
            if is_checked(value, below):
                self.fields[name] = self._same(value, given.get(name, MISSING), below, name, 1)
        for name in self._extra_fields(expected, given, place):
            self.fields[name] = self._differ(name, MISSING, given[name], "not expected")

    def demand_empty(self, actual: JsonValue, path: Path) -> None:
        name = path[0] if path and isinstance(path[0], str) else _WHOLE
        self.fields.setdefault(name, True)
        for where, value in _values_at(actual, path, ()):
            if value not in (None, "", [], {}):
                self.fields[name] = self._differ(write_path(where), None, value, "must be empty")

    def _same(self, expected: JsonValue, actual: Found, place: Place, path: str | None, level: int) -> bool:
        self._count(is_trial=path is None)
        if level > _DEEPEST:
            raise ComparisonTooDeepError
        if _is_wildcard(expected):
            return not isinstance(actual, Missing) or self._differ(path, expected, actual)
        if isinstance(expected, dict):
            if not isinstance(actual, dict):
                return self._differ(path, expected, actual)
            return self._same_objects(expected, actual, place, path, level)
        if isinstance(expected, list):
            if not isinstance(actual, list):
                return self._differ(path, expected, actual)
            return self._same_arrays(expected, actual, place, path, level)
        return same_leaf(expected, actual, place.tolerance) or self._differ(path, expected, actual)

    def _same_objects(self, expected: Object, actual: Object, place: Place, path: str | None, level: int) -> bool:
        same = True
        for name, value in expected.items():
            below = place.at_field(name)
            if not is_checked(value, below):
                continue
            if not self._same(value, actual.get(name, MISSING), below, _field_path(path, name), level + 1):
                if path is None:
                    return False
                same = False
        for name in self._extra_fields(expected, actual, place):
            same = self._differ(_field_path(path, name), MISSING, actual[name], "not expected")
        return same

    def _extra_fields(self, expected: Object, actual: Object, place: Place) -> Iterator[str]:
        if not place.compared or place.allow_extra_fields:
            return
        for name in actual:
            if name not in expected and place.at_field(name).compared:
                yield name

    def _same_arrays(self, expected: Array, actual: Array, place: Place, path: str | None, level: int) -> bool:
        arrays = _Arrays(expected, actual, place, path, level + 1)
        if place.order == "ordered":
            return self._same_in_order(arrays)
        if place.identity:
            return self._same_by_identity(arrays)
        return self._same_in_any_order(arrays)

    def _same_in_order(self, arrays: "_Arrays") -> bool:
        same = True
        for index in range(min(len(arrays.expected), len(arrays.actual))):
            if arrays.asks_for[index] and not self._same_items(arrays, index, index):
                if arrays.path is None:
                    return False
                same = False
        if arrays.items != "at-most":
            for index in range(len(arrays.actual), len(arrays.expected)):
                if arrays.items == "exactly" or arrays.asks_for[index]:
                    same = self._differ(arrays.item_path(index), arrays.expected[index], MISSING)
        if arrays.items != "at-least":
            for index in range(len(arrays.expected), len(arrays.actual)):
                same = self._differ(arrays.item_path(index), MISSING, arrays.actual[index], "not expected")
        return same

    def _same_in_any_order(self, arrays: "_Arrays") -> bool:
        """Pair as many items as can be paired, each with one of its own."""
        self._count_pairs(len(arrays.expected), len(arrays.actual))
        if arrays.items == "at-most":
            return self._each_given_has_a_pair(arrays)
        wanted = [index for index in range(len(arrays.expected)) if arrays.items == "exactly" or arrays.asks_for[index]]
        if arrays.path is None and len(wanted) > len(arrays.actual):
            return False

        def suits(row: int, column: int) -> bool:
            return self._suits(arrays, wanted[row], column)

        known = self._equal_pairs(arrays, wanted)
        pairs = maximum_matching(len(wanted), len(arrays.actual), suits, known=known)
        same = True
        for row, column in enumerate(pairs):
            if column is None:
                index = wanted[row]
                no_pair = "no other item of the output matches"
                same = self._differ(arrays.item_path(index), arrays.expected[index], MISSING, no_pair)
        if arrays.items == "exactly":
            for column in sorted(set(range(len(arrays.actual))).difference(pairs)):
                same = self._differ(arrays.item_path(column), MISSING, arrays.actual[column], "not expected")
        return same

    def _each_given_has_a_pair(self, arrays: "_Arrays") -> bool:
        def suits(row: int, column: int) -> bool:
            return self._suits(arrays, column, row)

        known = {row: column for column, row in self._equal_pairs(arrays, range(len(arrays.expected))).items()}
        pairs = maximum_matching(len(arrays.actual), len(arrays.expected), suits, known=known)
        same = True
        for row, column in enumerate(pairs):
            if column is None:
                same = self._differ(arrays.item_path(row), MISSING, arrays.actual[row], "not expected")
        return same

    def _equal_pairs(self, arrays: "_Arrays", wanted: Sequence[int]) -> dict[int, int]:
        """Pair items that are written alike: (place in `wanted`) -> actual. In small arrays that saves nothing."""
        if arrays.path is None or len(wanted) * len(arrays.actual) <= _FEW_PAIRS:
            return {}
        if self._patience is not None:
            raise LongComparisonError  # writing large items is no step that is counted
        places: dict[str, list[int]] = {}
        for index in reversed(range(len(arrays.actual))):
            places.setdefault(_written(arrays.actual[index]), []).append(index)
        pairs: dict[int, int] = {}
        for row, index in enumerate(wanted):
            alike = places.get(_written(arrays.expected[index]))
            if alike and self._suits(arrays, index, alike[-1]):
                pairs[row] = alike.pop()
        return pairs

    def _suits(self, arrays: "_Arrays", expected: int, actual: int) -> bool:
        if not arrays.asks_for[expected]:
            return True
        place = arrays.place.at_item(expected)
        return self._same(arrays.expected[expected], arrays.actual[actual], place, None, arrays.level)

    def _same_by_identity(self, arrays: "_Arrays") -> bool:
        expected = [identity_of(item, arrays.place.identity) for item in arrays.expected]
        actual = [identity_of(item, arrays.place.identity) for item in arrays.actual]
        if arrays.items == "at-most":
            paired = self._pair_given(arrays, expected, actual)
            return self._unique(arrays, actual) and paired
        self._refuse_ambiguous(arrays, expected)
        places = places_of(actual)
        same = True
        for index, identity in enumerate(expected):
            if identity is not None and (arrays.items == "exactly" or arrays.asks_for[index]):
                candidates = [(index, place) for place in places.get(identity, ())]
                same = self._one_suits(arrays, candidates, arrays.item_path(index), arrays.expected[index]) and same
                if not same and arrays.path is None:
                    return False
        if arrays.items == "exactly":
            known = set(expected)
            for index, identity in enumerate(actual):
                if identity is not None and identity not in known:
                    same = self._differ(arrays.item_path(index), MISSING, arrays.actual[index], "not expected")
            return self._unique(arrays, actual) and same
        return same

    def _pair_given(
        self, arrays: "_Arrays", expected: Sequence[Identity | None], actual: Sequence[Identity | None]
    ) -> bool:
        places = places_of(expected)
        same = True
        for index, identity in enumerate(actual):
            if identity is None:
                continue
            candidates = [(place, index) for place in places.get(identity, ())]
            if not candidates:
                same = self._differ(arrays.item_path(index), MISSING, arrays.actual[index], "not expected")
            elif not self._one_suits(arrays, candidates, arrays.item_path(index), MISSING):
                same = False
        return same

    def _one_suits(
        self, arrays: "_Arrays", candidates: Sequence[tuple[int, int]], path: str | None, expected: Found
    ) -> bool:
        """Compare the items that share an identity; where none suits, the first says how it differs."""
        if not candidates:
            return self._differ(path, expected, MISSING, f"no item has this {named(arrays.place.identity)}")
        if len(candidates) > 1 and any(self._suits(arrays, *candidate) for candidate in candidates):
            return True
        index, place = candidates[0]
        return not arrays.asks_for[index] or self._same_items(arrays, index, place)

    def _refuse_ambiguous(self, arrays: "_Arrays", identities: Sequence[Identity | None]) -> None:
        paths = named(arrays.place.identity)
        seen: dict[Identity, int] = {}
        for index, identity in enumerate(identities):
            if identity is None:
                if arrays.items == "exactly" or arrays.asks_for[index]:
                    message = f"Item {index} of an expected array has no {paths}, by which `matchBy` pairs its items."
                    raise IdentityNotUniqueError(message)
                continue
            if identity in seen:
                message = f"Items {seen[identity]} and {index} of an expected array have the same {paths}."
                raise IdentityNotUniqueError(message)
            seen[identity] = index

    def _unique(self, arrays: "_Arrays", identities: Sequence[Identity | None]) -> bool:
        paths = named(arrays.place.identity)
        unique = True
        seen: set[Identity] = set()
        for index, identity in enumerate(identities):
            if identity is not None and identity not in seen:
                seen.add(identity)
                continue
            reason = f"has no {paths}" if identity is None else f"has the same {paths} as an item before"
            unique = self._differ(arrays.item_path(index), MISSING, arrays.actual[index], reason)
        return unique

    def _same_items(self, arrays: "_Arrays", expected: int, actual: int) -> bool:
        return self._same(
            arrays.expected[expected],
            arrays.actual[actual],
            arrays.place.at_item(expected),
            arrays.item_path(expected),
            arrays.level,
        )

    def _differ(self, path: str | None, expected: Found, actual: Found, reason: str | None = None) -> bool:
        if path is not None and len(self.mismatches) < MAX_MISMATCHES:
            self.mismatches.append(mismatch(path, expected, actual, reason))
        return False

    def _count(self, *, is_trial: bool) -> None:
        self._steps += 1
        if self._patience is not None and self._steps > self._patience:
            raise LongComparisonError
        if is_trial:
            self._operations += 1
            if self._operations > _MOST_OPERATIONS:
                raise ComparisonTooLargeError(
                    f"Finding the pairs of unordered items takes more than {_MOST_OPERATIONS:,} comparisons."
                )

    def _count_pairs(self, expected: int, actual: int) -> None:
        if max(expected, actual) > _MOST_ITEMS:
            raise ComparisonTooLargeError(
                f"An unordered array has {max(expected, actual):,} items; up to {_MOST_ITEMS:,} are compared."
            )
        self._pairs += expected * actual
        if self._pairs > _MOST_PAIRS:
            raise ComparisonTooLargeError(f"The unordered arrays have more than {_MOST_PAIRS:,} pairs of items.")


class _Arrays:
    """Two arrays at one place; `level` is that of their items, `asks_for` as `is_checked` says of each expected one."""

    __slots__ = ("actual", "asks_for", "expected", "items", "level", "path", "place")

    def __init__(self, expected: Array, actual: Array, place: Place, path: str | None, level: int) -> None:
        self.expected = expected
        self.actual = actual
        self.place = place
        self.path = path
        self.level = level
        # How many items there are is compared where the array is, not on the way to a field of its items.
        self.items = place.items if place.compared else "at-least"
        self.asks_for = [is_checked(value, place.at_item(index)) for index, value in enumerate(expected)]

    def item_path(self, index: int) -> str | None:
        return None if self.path is None else f"{self.path}[{index}]"


def _is_wildcard(expected: JsonValue) -> bool:
    if isinstance(expected, dict):
        return len(expected) == 1 and expected.get("fileId") == WILDCARD
    return expected == WILDCARD


def _field_path(path: str | None, name: str) -> str | None:
    return None if path is None else f"{path}.{name}"


def _written(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


def _values_at(value: JsonValue, path: Path, before: Path) -> Iterator[tuple[Path, JsonValue]]:
    if not path:
        yield before, value
        return
    segment, rest = path[0], path[1:]
    if isinstance(segment, str):
        if isinstance(value, dict) and segment in value:
            yield from _values_at(value[segment], rest, (*before, segment))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if segment is EVERY_ITEM or segment == index:
                yield from _values_at(item, rest, (*before, index))
