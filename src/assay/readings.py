"""How a date or an amount is read the way documents write it, in English, German or French."""

import re
import unicodedata
from contextlib import suppress
from datetime import date
from functools import cache

_LENGTH_LIMIT = 64
_DIGIT_LIMIT = 30

_TIME = r"(?:(?:T|,?\s+)[0-9]{1,2}:[0-9]{2}.*)?"
_YEAR_FIRST = re.compile(rf"(?P<y>[0-9]{{4}})(?P<sep>[-/.])(?P<m>[0-9]{{1,2}})(?P=sep)(?P<d>[0-9]{{1,2}}){_TIME}")
_COMPACT = re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})")
_YEAR_LAST = re.compile(
    rf"(?P<d>[0-9]{{1,2}})\s?(?P<sep>[-/.])\s?(?P<m>[0-9]{{1,2}})\s?(?P=sep)\s?(?P<y>[0-9]{{4}}|[0-9]{{2}}){_TIME}"
)
_NAMED_MONTH = re.compile(
    rf"(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th|er)?[\s.-]*(?:of\s+)?(?P<name>[^\W\d_]+)[\s.,-]*(?P<y>[0-9]{{4}}|[0-9]{{2}}){_TIME}",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"(?P<name>[^\W\d_]+)[\s.]*(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?[\s,]+(?P<y>[0-9]{{4}}){_TIME}", re.IGNORECASE
)

_MINUS = "[-\u2212\u2010\u2013]"
_CURRENCY = r"(?:[A-Za-z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf]|[A-Z]{3}|RM|S?Fr\.|Rs\.?|kr\.?|K\u010d|z\u0142|Ft|lei)"
_AMOUNT = re.compile(
    rf"(?P<open>\()?\s*(?P<before>{_MINUS}|\+)?\s*(?:{_CURRENCY}\s*)?(?P<within>{_MINUS}|\+)?\s*"
    r"(?P<digits>[.,]?[0-9](?:[0-9.,'\s]*[0-9])?)(?:[.,]-{1,2})?"
    rf"\s*(?P<after>{_MINUS})?\s*(?:{_CURRENCY}|%)?\s*(?P<last>{_MINUS})?\s*(?P<close>\))?"
)
# Digits alone, in groups of three, or in the groups of two and then three that India uses.
_WHOLE = re.compile(r"[0-9]*|[0-9]{1,3}([.,' ])[0-9]{3}(?:\1[0-9]{3})*|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
_ONE_GROUP = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


def iso_date(text: str) -> str | None:
    """Read a date and write it as `yyyy-mm-dd`; None when the text is not one date of the calendar.

    A four-digit number in front is the year, then month and day. Otherwise the day comes first: `03/04/2024` is
    3 April. Only where that is no date, and never with dots, the month is read first: `04/13/2024` is 13 April. Month
    names may be English, German or French, whole or abbreviated. Years of two digits are 1969 to 2068. A time that
    follows is dropped.
    """
    text = text.strip(" \t\r\n\u00a0.,;")
    if len(text) > _LENGTH_LIMIT:
        return None
    if found := _COMPACT.fullmatch(text) or _YEAR_FIRST.fullmatch(text):
        return _on(found["y"], int(found["m"]), int(found["d"]))
    if found := _YEAR_LAST.fullmatch(text):
        first, second = int(found["d"]), int(found["m"])
        day_first = _on(found["y"], second, first)
        return day_first if day_first or found["sep"] == "." else _on(found["y"], first, second)
    if found := _NAMED_MONTH.fullmatch(text) or _MONTH_FIRST.fullmatch(text):
        month = _month_numbers().get(_plain(found["name"]))
        return _on(found["y"], month, int(found["d"])) if month else None
    return None


def _on(year: str, month: int, day: int) -> str | None:
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= 69 else 2000
    with suppress(ValueError):
        return date(number, month, day).isoformat()
    return None


@cache
def _month_numbers() -> dict[str, int]:
    """Month names without accents and dots, in lower case."""
    from babel import Locale  # noqa: PLC0415 # 70 ms that only a month's name is worth

    numbers = {"maerz": 3, "mrz": 3, "jaenner": 1, "sept": 9}
    for language in ("en", "de", "de_AT", "fr"):
        months = Locale.parse(language).months
        for form in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                numbers |= {_plain(str(name)): number for number, name in months[form][width].items()}
    return numbers


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in letters if letter.isalpha())


def number(text: str) -> int | float | None:
    """Read an amount; None when the text is not one number of at most 30 digits.

    `1.234,50`, `1,234.50`, `1 234,50` and `1'234.50` are the same. A point or comma that stands once, with exactly
    three digits behind it and one to three before it that do not start with 0, separates thousands: `1.234` is 1234,
    `0.125` and `12.50` are decimals. Amounts in parentheses or with a minus in front or behind are negative. A currency
    sign or code and a percent sign are dropped. Whole numbers written without decimals come back as integers.
    """
    text = text.strip().replace("\u2019", "'")
    if len(text) > _LENGTH_LIMIT:
        return None
    found = _AMOUNT.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    value = _magnitude(re.sub(r"\s", " ", found["digits"]))
    if value is None:
        return None
    signs = [found[group] for group in ("before", "within", "after", "last") if found[group]]
    if len(signs) + bool(found["open"]) > 1:
        return None
    negative = bool(found["open"]) or (bool(signs) and signs != ["+"])
    return -value if negative and value else value


def _magnitude(digits: str) -> int | float | None:
    whole, decimals = _split_decimals(digits)
    if _WHOLE.fullmatch(whole) is None or not (decimals or "0").isdigit():
        return None
    bare = re.sub(r"[.,' ]", "", whole)
    if len(bare) + len(decimals or "") > _DIGIT_LIMIT:
        return None
    return int(bare) if decimals is None else float(f"{bare or '0'}.{decimals}")


def _split_decimals(digits: str) -> tuple[str, str | None]:
    """Cut at the decimal separator, if there is one."""
    at = max(digits.rfind("."), digits.rfind(","))
    if at < 0 or digits.count(digits[at]) > 1 or _ONE_GROUP.fullmatch(digits):
        return digits, None
    return digits[:at], digits[at + 1 :]
