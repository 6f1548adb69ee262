"""What the filters do that choose, order and group, as in LiquidJS; nothing is changed in place."""

from collections.abc import Callable
from types import EllipsisType

from pydantic import JsonValue

from assay.expressions.limits import require_room
from assay.expressions.number_filters import plus
from assay.expressions.values import equal, is_truthy, member, number, plain, text, to_json, whole

Test = Callable[[JsonValue], JsonValue]
"""The expression of a `…_exp` filter, applied to one item."""

_Wanted = JsonValue | EllipsisType


def _items(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def _property(item: JsonValue, path: JsonValue) -> JsonValue:
    """Read a property of an item by its name or its dotted path; null where there is none."""
    name = text(path)
    if isinstance(item, dict) and name in item:
        return item[name]
    value: object = item
    try:
        for key in name.split("."):
            value = member(value, key)
    except LookupError:
        return None
    return plain(value)


def _property_test(path: JsonValue, wanted: _Wanted) -> Test:
    if isinstance(wanted, EllipsisType):
        return lambda item: _property(item, path)
    return lambda item: equal(_property(item, path), wanted)


def _join(left: JsonValue, separator: JsonValue = " ") -> str:
    parts = [text(item) for item in _items(left)]
    glue = " " if separator is None else text(separator)
    require_room(sum(map(len, parts)) + len(glue) * len(parts), 0)
    return glue.join(parts)


def _first(left: JsonValue) -> JsonValue:
    return _nth(left, 0)


def _last(left: JsonValue) -> JsonValue:
    return _nth(left, -1)


def _nth(left: JsonValue, index: int) -> JsonValue:
    return left[index] if isinstance(left, str | list) and left else None


def _size(left: JsonValue) -> int:
    return len(left) if isinstance(left, str | list | dict) else 0


def _reverse(left: JsonValue) -> list[JsonValue]:
    return _items(left)[::-1]


def _compact(left: JsonValue) -> list[JsonValue]:
    return [item for item in _items(left) if item is not None]


def _concat(left: JsonValue, other: JsonValue) -> list[JsonValue]:
    return [*_items(left), *_items(other)]


def _push(left: JsonValue, item: JsonValue) -> list[JsonValue]:
    return [*_items(left), item]


def _unshift(left: JsonValue, item: JsonValue) -> list[JsonValue]:
    return [item, *_items(left)]


def _pop(left: JsonValue) -> list[JsonValue]:
    return _items(left)[:-1]


def _shift(left: JsonValue) -> list[JsonValue]:
    return _items(left)[1:]


def _slice(left: JsonValue, begin: JsonValue, length: JsonValue = 1) -> JsonValue:
    subject = left if isinstance(left, list) else text(left)
    start = whole(begin)
    start = start + len(subject) if start < 0 else start
    return subject[max(start, 0) : max(start + whole(length), 0)]


def _map(left: JsonValue, path: JsonValue) -> list[JsonValue]:
    return [_property(item, path) for item in _items(left)]


def _sum(left: JsonValue, path: JsonValue = None) -> int | float:
    total: int | float = 0
    for item in _items(left):
        total = plus(total, item if path is None else _property(item, path))
    return number(total)


def _sort(left: JsonValue, path: JsonValue = None) -> list[JsonValue]:
    return sorted(_items(left), key=lambda item: _rank(item if path is None else _property(item, path)))


def _sort_natural(left: JsonValue, path: JsonValue = None) -> list[JsonValue]:
    def folded(item: JsonValue) -> tuple[int, int | float, str]:
        value = item if path is None else _property(item, path)
        return _rank(None if value is None else text(value).lower())

    return sorted(_items(left), key=folded)


def _rank(value: JsonValue) -> tuple[int, int | float, str]:
    """Order numbers before texts, and what cannot be compared, and nil, last."""
    if isinstance(value, int | float):
        return (0, value, "")
    return (1, 0, value) if isinstance(value, str) else (2, 0, "")


def _uniq(left: JsonValue) -> list[JsonValue]:
    firsts: dict[str, JsonValue] = {}
    for item in _items(left):
        firsts.setdefault(to_json(item), item)
    return list(firsts.values())


def _where(left: JsonValue, path: JsonValue, wanted: _Wanted = ...) -> list[JsonValue]:
    return _where_exp(left, _property_test(path, wanted))


def _reject(left: JsonValue, path: JsonValue, wanted: _Wanted = ...) -> list[JsonValue]:
    return _reject_exp(left, _property_test(path, wanted))


def _find(left: JsonValue, path: JsonValue, wanted: _Wanted = ...) -> JsonValue:
    return _find_exp(left, _property_test(path, wanted))


def _find_index(left: JsonValue, path: JsonValue, wanted: _Wanted = ...) -> int | None:
    return _find_index_exp(left, _property_test(path, wanted))


def _has(left: JsonValue, path: JsonValue, wanted: _Wanted = ...) -> bool:
    return _has_exp(left, _property_test(path, wanted))


def _group_by(left: JsonValue, path: JsonValue) -> list[JsonValue]:
    return _group_by_exp(left, lambda item: _property(item, path))


def _where_exp(left: JsonValue, test: Test) -> list[JsonValue]:
    return [item for item in _items(left) if is_truthy(test(item))]


def _reject_exp(left: JsonValue, test: Test) -> list[JsonValue]:
    return [item for item in _items(left) if not is_truthy(test(item))]


def _find_exp(left: JsonValue, test: Test) -> JsonValue:
    return next((item for item in _items(left) if is_truthy(test(item))), None)


def _find_index_exp(left: JsonValue, test: Test) -> int | None:
    return next((index for index, item in enumerate(_items(left)) if is_truthy(test(item))), None)


def _has_exp(left: JsonValue, test: Test) -> bool:
    return _find_index_exp(left, test) is not None


def _group_by_exp(left: JsonValue, test: Test) -> list[JsonValue]:
    groups: dict[str, tuple[JsonValue, list[JsonValue]]] = {}
    for item in _items(left):
        name = test(item)
        groups.setdefault(to_json(name), (name, []))[1].append(item)
    return [{"name": name, "items": items} for name, items in groups.values()]


def _array_to_sentence_string(left: JsonValue, connector: JsonValue = "and") -> str:
    words = [text(item) for item in _items(left)]
    if len(words) < 3:
        return f" {text(connector)} ".join(words)
    return f"{', '.join(words[:-1])}, {text(connector)} {words[-1]}"


def _default(left: JsonValue, fallback: JsonValue = "", *, allow_false: JsonValue = False) -> JsonValue:
    if left is False and allow_false is True:
        return False
    return fallback if left is None or left is False or left in ("", []) else left


def _json(left: JsonValue, indent: JsonValue = None) -> str:
    return to_json(left, max(0, min(whole(indent), 10)) or None)


def _raw(left: JsonValue) -> JsonValue:
    return left


LIST_FILTERS: dict[str, Callable[..., JsonValue]] = {
    "array_to_sentence_string": _array_to_sentence_string,
    "compact": _compact,
    "concat": _concat,
    "default": _default,
    "find": _find,
    "find_index": _find_index,
    "first": _first,
    "group_by": _group_by,
    "has": _has,
    "inspect": _json,
    "join": _join,
    "json": _json,
    "jsonify": _json,
    "last": _last,
    "map": _map,
    "pop": _pop,
    "push": _push,
    "raw": _raw,
    "reject": _reject,
    "reverse": _reverse,
    "shift": _shift,
    "size": _size,
    "slice": _slice,
    "sort": _sort,
    "sort_natural": _sort_natural,
    "sum": _sum,
    "uniq": _uniq,
    "unshift": _unshift,
    "where": _where,
}

EXPRESSION_FILTERS: dict[str, Callable[[JsonValue, Test], JsonValue]] = {
    "find_exp": _find_exp,
    "find_index_exp": _find_index_exp,
    "group_by_exp": _group_by_exp,
    "has_exp": _has_exp,
    "reject_exp": _reject_exp,
    "where_exp": _where_exp,
}
