"""How much one template may do, and what counts as how much."""

from collections.abc import Mapping, Sequence
from typing import cast

from liquid.exceptions import ResourceLimitError

MAX_TEMPLATE = 64_000
"""Characters of one template."""

MAX_EXPRESSION = 4_000
"""Characters between one pair of braces; the parser's lookups are quadratic in this."""

MAX_OPERATORS = 64
"""Operators and brackets in one expression; each may cost the parser two stack frames."""

MAX_SIZE = 1_000_000
"""Characters of output, characters and items of all local variables, and of what one filter may build."""

MAX_ITERATIONS = 10_000
"""Turns of all loops of one template together, and numbers in one range."""

MAX_NESTING = 20
"""Blocks within blocks, and scopes within scopes."""

MAX_DATA_DEPTH = 100
"""Lists and objects within each other, where a value is walked."""

MAX_WORK = 20_000_000
"""Characters and items read or made by one template; the loop limit alone lets a long body run for minutes."""

TURN_COST = 20
"""Work of one node in one turn of a loop."""

ITEM_COST = 10
"""Work of one item of a list or object in a filter; sorting takes that much longer than copying a character."""

MAX_NUMBER_BITS = 1_024
"""Bits of an integer; the largest double has as many."""


def weigh(value: object) -> int:
    """Count the characters and items of a JSON value, shared parts as often as they occur.

    Raises:
        ResourceLimitError: it is larger than `MAX_SIZE` or nested deeper than `MAX_DATA_DEPTH`; found
            without walking further than that.
    """
    total, depth = 1, 0
    layer: list[object] = [value]
    while layer:
        below: list[object] = []
        for item in layer:
            if isinstance(item, str):
                total += len(item)
            elif isinstance(item, list):
                total += len(cast("Sequence[object]", item))
                below.extend(cast("Sequence[object]", item))
            elif isinstance(item, dict):
                fields = cast("Mapping[str, object]", item)
                total += len(fields) + sum(map(len, fields))
                below.extend(fields.values())
            if total > MAX_SIZE or depth > MAX_DATA_DEPTH:
                msg = f"the value is larger than {MAX_SIZE:,} characters or nested deeper than {MAX_DATA_DEPTH}"
                raise ResourceLimitError(msg, token=None)
        layer, depth = below, depth + 1
    return total


def size(value: object) -> int:
    """Count the characters of a text or the items of a list or object; anything else is 1."""
    return len(value) if isinstance(value, str | list | dict) else 1  # pyright: ignore[reportUnknownArgumentType]  # only the length is taken


def filter_cost(value: object) -> int:
    """Count the work of a value that goes into a filter or comes out of it."""
    return size(value) if isinstance(value, str) else size(value) * ITEM_COST


def require_room(wanted: int, had: int) -> None:
    """Refuse to build a value of `wanted` characters or items from one of `had`.

    Raises:
        ResourceLimitError: it would grow beyond `MAX_SIZE`.
    """
    if wanted > max(MAX_SIZE, had):
        msg = f"a filter would build more than {MAX_SIZE:,} characters or items"
        raise ResourceLimitError(msg, token=None)
