"""An invoice that is right, and one that is wrong in everything; the examples of all types judge such."""

from typing import Any

from assay.evaluators import Subject

RIGHT: dict[str, Any] = {
    "number": "R-2026-17",
    "date": "2026-03-04",
    "supplier": {"name": "Nordwind GmbH"},
    "total": 119.0,
    "lineItems": [
        {"sku": "A-1", "description": "Anchor chain, galvanized", "quantity": 10, "total": 100.0},
        {"sku": "B-7", "description": "Shackle", "quantity": 2, "total": 19.0},
    ],
}
WRONG: dict[str, Any] = {
    "number": "17",
    "date": "soon",
    "supplier": {"name": "?"},
    "total": 1.0,
    "lineItems": [{"sku": "?", "description": "?", "quantity": 0, "total": 5.0}],
    "discount": 3,
}


def subject(output: Any, expected: Any = RIGHT) -> Subject:
    return Subject(input={}, output=output, status="completed", has_expected=True, expected=expected)
