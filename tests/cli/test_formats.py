"""How numbers, moments and foreign text are written."""

import time
from datetime import date

import pytest

from assay.cli import formats


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, ""),
        (0, "0.0 ms"),
        (9.94, "9.9 ms"),
        (412, "412 ms"),
        (3210, "3.2 s"),
        (125_000, "2 min 05 s"),
        (11_400_000, "3 h 10 min"),
    ],
)
def test_a_duration_is_written_in_the_unit_that_fits(milliseconds: float | None, text: str) -> None:
    assert formats.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (2523, "2.5 kB"),
        (45_000, "45 kB"),
        (999_700, "1.0 MB"),
        (5_000_000_000_000, "5,000 GB"),
    ],
)
def test_a_size_is_written_in_the_unit_that_fits(size: int | None, text: str) -> None:
    assert formats.size(size) == text


def test_a_moment_in_a_table_is_as_long_as_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert formats.short_moment("2026-11-24T08:35:07.123Z", date(2026, 11, 24)) == "08:35:07"
    assert formats.short_moment("2026-11-23T08:35:07.123Z", date(2026, 11, 24)) == "23 Nov 08:35"
    assert formats.short_moment("2025-11-24T08:35:07.123Z", date(2026, 11, 24)) == "2025-11-24"
    assert formats.short_moment(None, date(2026, 11, 24)) == ""


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    assert formats.visible("a\x1b[31mb\x9bc\x07\td\ne\ud800") == "a\\x1b[31mb\\x9bc\\x07\td\ne\\ud800"


def test_a_cell_is_one_line() -> None:
    assert formats.one_line("a\tb\r\nc  d") == "a b c d"
