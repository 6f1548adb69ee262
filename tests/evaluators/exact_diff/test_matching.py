from collections.abc import Callable, Sequence
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.evaluators.matching import maximum_matching


def suits(masks: Sequence[int]) -> Callable[[int, int], bool]:
    """Rows as sets of columns, bit n for column n."""
    return lambda row, column: bool(masks[row] >> column & 1)


def largest(masks: tuple[int, ...]) -> int:
    """Try everything."""

    @cache
    def best(row: int, taken: int) -> int:
        if row == len(masks):
            return 0
        free = [column for column in range(8) if masks[row] & ~taken & 1 << column]
        return max([best(row + 1, taken), *(1 + best(row + 1, taken | 1 << column) for column in free)])

    return best(0, 0)


graphs = st.lists(st.integers(0, 255), max_size=8)


@given(graphs)
@settings(max_examples=500, deadline=None)
def test_as_many_rows_as_possible_get_a_column_of_their_own(masks: list[int]) -> None:
    pairs = maximum_matching(len(masks), 8, suits(masks))
    found = [(row, column) for row, column in enumerate(pairs) if column is not None]
    assert all(masks[row] & 1 << column for row, column in found)
    assert len({column for _, column in found}) == len(found) == largest(tuple(masks))


@given(graphs)
@settings(max_examples=300, deadline=None)
def test_known_pairs_lose_nothing(masks: list[int]) -> None:
    known: dict[int, int] = {}
    for row, mask in enumerate(masks):
        free = [column for column in range(8) if mask & 1 << column and column not in known.values()]
        if free:
            known[row] = free[-1]
    pairs = maximum_matching(len(masks), 8, suits(masks), known=known)
    assert sum(column is not None for column in pairs) == largest(tuple(masks))


@given(graphs)
def test_a_pair_is_asked_for_at_most_once(masks: list[int]) -> None:
    asked: list[tuple[int, int]] = []

    def answer(row: int, column: int) -> bool:
        asked.append((row, column))
        return suits(masks)(row, column)

    maximum_matching(len(masks), 8, answer)
    assert len(set(asked)) == len(asked)


def test_known_pairs_that_can_stay_are_not_asked_for() -> None:
    def answer(row: int, column: int) -> bool:
        raise AssertionError((row, column))

    assert maximum_matching(3, 3, answer, known={0: 2, 1: 0, 2: 1}) == [2, 0, 1]


def test_a_long_chain_of_moves_is_found() -> None:
    size = 1_000
    chain = [0b11 << row if row < size - 1 else 1 for row in range(size)]
    chain[-1] = 1
    pairs = maximum_matching(size, size, suits(chain))
    assert pairs == [*range(1, size), 0]
