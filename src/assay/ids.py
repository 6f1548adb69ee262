"""Ids: `<prefix>_` and 21 characters that sort by the time they were made.

Nine characters hold milliseconds since 1970 (good until the year 10,000), twelve are random
(71 bits), all in the base-62 alphabet in ASCII order, so that text order is time order.
"""

import hashlib
import secrets
import time
from datetime import datetime
from typing import Literal

Prefix = Literal[
    "org",
    "user",
    "key",
    "wf",
    "wfv",
    "exec",
    "step",
    "file",
    "art",
    "aud",
    "evt",
    "req",
    "prov",
    "evx",
    "evv",
    "evs",
    "evr",
    "evb",
    "rvi",
    "rvh",
    "cor",
    "src",
    "whep",
    "whev",
    "whdl",
    "alr",
    "sess",
]

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_CHARACTERS = 9
_RANDOM_CHARACTERS = 12


def new_id(prefix: Prefix) -> str:
    """Make an id that no other call makes and that sorts after those of earlier milliseconds."""
    return f"{prefix}_{_in_base_62(time.time_ns() // 1_000_000, _TIME_CHARACTERS)}{_random_part()}"


def _random_part() -> str:
    return _in_base_62(secrets.randbelow(62**_RANDOM_CHARACTERS), _RANDOM_CHARACTERS)


def _in_base_62(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def derived_id(prefix: Prefix, moment: datetime, seed: str) -> str:
    """Make the one id that belongs to a seed, sorted as if it had been made at that moment."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()) % 62**_RANDOM_CHARACTERS
    time_part = _in_base_62(int(moment.timestamp() * 1000), _TIME_CHARACTERS)
    return f"{prefix}_{time_part}{_in_base_62(number, _RANDOM_CHARACTERS)}"
