"""Which items of two arrays become pairs so that as many as possible have one: a maximum bipartite matching."""

from collections.abc import Callable, Iterator, Mapping


def maximum_matching(
    rows: int, columns: int, suits: Callable[[int, int], bool], *, known: Mapping[int, int] | None = None
) -> list[int | None]:
    """Give each row a column of its own, for as many rows as can have one; the same question has the same answer.

    `suits` says whether a row and a column may become a pair. It is asked at most once for each, and
    no more than needed: a row takes the first free column that suits; only if there is none are others
    moved. `known` are pairs that suit, each row and column in one at most, to start from.
    """
    matching = _Matching(rows, columns, suits)
    for row, column in (known or {}).items():
        matching.join(row, column)
    for row in range(rows):
        if matching.column_of[row] is None and not matching.take_free(row):
            matching.move_others_for(row)
    return matching.column_of


class _Matching:
    """Pairs so far. Sets of columns are integers, bit n for column n."""

    def __init__(self, rows: int, columns: int, suits: Callable[[int, int], bool]) -> None:
        self.column_of: list[int | None] = [None] * rows
        self._row_of: list[int | None] = [None] * columns
        self._free = (1 << columns) - 1
        self._all = self._free
        self._suits = suits
        self._asked = [0] * rows
        self._suitable = [0] * rows

    def join(self, row: int, column: int) -> None:
        self.column_of[row], self._row_of[column] = column, row
        self._free &= ~(1 << column)

    def take_free(self, row: int) -> bool:
        for column in _bits(self._free & (self._suitable[row] | ~self._asked[row])):
            if self._ask(row, column):
                self.join(row, column)
                return True
        return False

    def move_others_for(self, start: int) -> None:
        """Find a free column, breadth first, by giving other columns to rows that are paired already.

        A row for which there is none now never gets one later, so each row is tried once.
        """
        unvisited = self._all
        reached_from: dict[int, int] = {}
        waiting = [start]
        for row in waiting:
            fresh = self._columns_for(row) & unvisited
            unvisited &= ~fresh
            for column in _bits(fresh):
                reached_from[column] = row
                owner = self._row_of[column]
                if owner is None:
                    self._move(column, start, reached_from)
                    return
                waiting.append(owner)

    def _move(self, column: int, start: int, reached_from: Mapping[int, int]) -> None:
        while True:
            row = reached_from[column]
            given_up = self.column_of[row]
            self.join(row, column)
            if row == start or given_up is None:
                return
            column = given_up

    def _columns_for(self, row: int) -> int:
        for column in _bits(self._all & ~self._asked[row]):
            self._ask(row, column)
        return self._suitable[row]

    def _ask(self, row: int, column: int) -> bool:
        bit = 1 << column
        if not self._asked[row] & bit:
            self._asked[row] |= bit
            if self._suits(row, column):
                self._suitable[row] |= bit
        return bool(self._suitable[row] & bit)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
