"""When two contents are the same: for everything that is kept, and for what a verdict rests on."""

import hashlib
import json
from typing import Any

from assay.datasets.model import Content


def graded_hash(content: Content) -> str:
    """Hash what a verdict rests on: input, expectation, overrides, and the files' paths and bytes."""
    return _hash(_graded(content))


def content_hash(content: Content) -> str:
    """Hash everything about an example but its name."""
    kept = {
        **_graded(content),
        "metadata": content.metadata,
        "annotation": content.annotation,
        "rowOrder": content.row_order,
        "contentTypes": sorted([file.path, file.content_type] for file in content.files),
    }
    return _hash(kept)


def _graded(content: Content) -> dict[str, Any]:
    return {
        "input": content.input,
        "expected": content.expected,
        "expectedError": content.expected_error,
        "overrides": content.overrides,
        "files": sorted([file.path, file.sha256] for file in content.files),
    }


def _hash(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
