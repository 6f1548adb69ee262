"""Ids are unique, and sort by the time they were made."""

import re
import threading

import pytest

from assay import ids


def test_an_id_is_a_prefix_and_21_characters() -> None:
    assert re.fullmatch(r"exec_[0-9A-Za-z]{21}", ids.new_id("exec"))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [(0, 1), (61, 62), (62**2 - 1, 62**2), (1_764_000_000_000, 1_764_000_000_001), (9**14, 253_402_300_799_999)],
)
def test_ids_sort_as_the_milliseconds_they_were_made_in(
    monkeypatch: pytest.MonkeyPatch, earlier: int, later: int
) -> None:
    made: list[list[str]] = []
    for milliseconds in (earlier, later):
        monkeypatch.setattr(ids.time, "time_ns", lambda at=milliseconds: at * 1_000_000)
        made.append([ids.new_id("exec") for _ in range(50)])
    assert max(made[0]) < min(made[1])
    assert {len(one) for one in made[0] + made[1]} == {26}


def test_no_two_ids_are_the_same_whoever_makes_them() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend(ids.new_id("step") for _ in range(20_000))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 80_000
