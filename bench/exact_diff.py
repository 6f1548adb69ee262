"""What comparing an output with the expected one costs: an invoice of 40 fields and 20 lines."""

import random
import time
from typing import Any

from pydantic import JsonValue

from assay.evaluators.builtin.exact_diff import ExactDiff
from assay.evaluators.json_difference import difference
from bench.report import Measure, percentile

AREA = "exact-diff"
_CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "in order": {},
    "lines in any order": {"unorderedPaths": ["lines"]},
    "lines by matchBy": {"rules": {"$": {}, "lines": {"order": "unordered", "matchBy": "sku"}}},
}


def measure(rounds: int) -> list[Measure]:
    """Compare again and again; the output has one more field in each line, and other lines first where it may."""
    found: list[Measure] = []
    for name, config in _CONFIGURATIONS.items():
        expected, actual = _invoice(), _invoice(note="not expected")
        if config:
            random.Random(1).shuffle(actual["lines"])
        found.append(
            Measure(AREA, f"an invoice, {name}", percentile(_times(config, expected, actual, rounds), 50), "µs")
        )
    return found


def _times(config: dict[str, Any], expected: JsonValue, actual: JsonValue, rounds: int) -> list[float]:
    place = ExactDiff.model_validate(config).place
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        compared = difference(expected, actual, place)
        times.append((time.perf_counter() - start) * 1e6)
        assert all(compared.fields.values())
    return times


def _invoice(**more: JsonValue) -> dict[str, Any]:
    texts = {f"text{index}": f"value {index}" for index in range(30)}
    amounts = {f"amount{index}": index * 1.5 for index in range(9)}
    lines = [
        {"sku": f"S{index}", "text": f"item {index}", "count": index, "price": 2.5, "total": index * 2.5, **more}
        for index in range(20)
    ]
    return {**texts, **amounts, "lines": lines}
