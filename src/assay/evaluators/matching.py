"""Which items of two arrays become pairs so that as many as possible have one: a maximum bipartite matching."""

from collections.abc import Callable, Iterator, Mapping


def maximum_matching(
    rows: int, columns: int, neighbours: Callable[[int], int], *, known: Mapping[int, int] | None = None
) -> list[int | None]:
    """Give each row a column of its own, for as many rows as can have one; the same question has the same answer.

    `neighbours` answers the columns that suit a row, bit n for column n. It is asked at most once for
    a row, and not for those whose pair in `known` need not be given up: so pairs that are easy to
    find, each row and column in one at most, save most of the work.
    """
    column_of: list[int | None] = [None] * rows
    row_of: list[int | None] = [None] * columns
    suitable: list[int | None] = [None] * rows
    for row, column in (known or {}).items():
        column_of[row], row_of[column] = column, row

    def columns_for(row: int) -> int:
        mask = suitable[row]
        if mask is None:
            mask = suitable[row] = neighbours(row)
        return mask

    for row in range(rows):
        if column_of[row] is None:
            _augment(row, column_of, row_of, columns_for)
    return column_of


def _augment(
    start: int, column_of: list[int | None], row_of: list[int | None], columns_for: Callable[[int], int]
) -> None:
    """Find a free column for a row, breadth first, by moving rows that are paired already.

    A row for which there is none now never gets one later, so each row is tried once.
    """
    unvisited = (1 << len(row_of)) - 1
    reached_from: dict[int, int] = {}
    waiting = [start]
    for row in waiting:
        fresh = columns_for(row) & unvisited
        unvisited &= ~fresh
        for column in _bits(fresh):
            reached_from[column] = row
            owner = row_of[column]
            if owner is None:
                _move(column, start, reached_from, column_of, row_of)
                return
            waiting.append(owner)


def _move(
    column: int,
    start: int,
    reached_from: Mapping[int, int],
    column_of: list[int | None],
    row_of: list[int | None],
) -> None:
    while True:
        row = reached_from[column]
        given_up = column_of[row]
        column_of[row], row_of[column] = column, row
        if row == start or given_up is None:
            return
        column = given_up


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
