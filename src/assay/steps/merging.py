"""How what was found in the parts of a long document becomes one: first values hold, lists follow each other."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue


def merged(parts: Sequence[Mapping[str, JsonValue]]) -> tuple[dict[str, JsonValue], list[dict[str, int]]]:
    """Merge objects; also return for each part, by the path of a list, how many items went before its own."""
    whole: dict[str, JsonValue] = {}
    shifts: list[dict[str, int]] = []
    for part in parts:
        shifts.append({})
        _merge_into(whole, part, "", shifts[-1])
    return whole, shifts


def _merge_into(whole: dict[str, JsonValue], part: Mapping[str, JsonValue], path: str, shifts: dict[str, int]) -> None:
    for name, value in part.items():
        place = f"{path}.{name}" if path else name
        known = whole.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge_into(known, value, place, shifts)
        elif isinstance(known, list) and isinstance(value, list):
            shifts[place] = len(known)
            known.extend(value)
        elif known is None or known == "":
            whole[name] = _copied(value)


def _copied(value: JsonValue) -> JsonValue:
    """Lists and objects are added to later; those of the part stay as they are."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return list(value) if isinstance(value, list) else value
