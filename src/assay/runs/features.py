"""What is cheaply known of a run's input, and into which classes each of it falls: the one place that says so.

Coverage asks by these classes whether the dataset has an example like a run; drift asks whether their shares move. So
a class must never mean something else later: figures of before and after would be compared as if they were the same.

| feature | classes |
| --- | --- |
| `type` | media type of the first input file (by path); `application/json` for a run without files |
| `size` | of that file, else of the input's JSON: below 10 kB, 100 kB, 1 MB, 10 MB, or more |
| `pages` | of the first parsed document: 1, 2-5, 6-20, 21-100, or more; null where nothing was parsed |
| `language` | of that document's text, else of the longest text in the input; null where that is not plain |
| `source` | what the caller says as `metadata.source`, else how the run was started (`api`, `cli`, `eval`…) |
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal, cast

from pydantic import JsonValue

from assay import engine, jsontext
from assay.runs.language import MIN_CHARACTERS, language_of

_KILO = 1_000
_SIZES = ("< 10 kB", "10-100 kB", "100 kB-1 MB", "1-10 MB", ">= 10 MB")
_SIZE_LIMITS = (10 * _KILO, 100 * _KILO, _KILO**2, 10 * _KILO**2)
_PAGES = ("1", "2-5", "6-20", "21-100", "> 100")
_PAGE_LIMITS = (2, 6, 21, 101)
_SAME_TYPES = {
    "text/xml": "application/xml",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "application/x-pdf": "application/pdf",
}
_PARSING_TYPE = "ai.parse"
Confidence = Literal["low", "medium", "high"]
_CONFIDENCES: Sequence[Confidence] = ("low", "medium", "high")
MAX_SOURCE_CHARACTERS = 100
MAX_LOOKED_AT = 1_000
"""Values of an input among which its longest text is looked for."""


@dataclass(frozen=True, slots=True)
class Features:
    """The class of each feature; None where it is not known. An example whose source may be any has None."""

    type: str
    size: str
    pages: str | None
    language: str | None
    source: str | None

    @classmethod
    def load(cls, text: str) -> "Features":
        """Read what `dump` wrote."""
        return _loaded(text)

    def dump(self) -> str:
        """Write JSON text: the same features give the same text."""
        return jsontext.dump({field.name: getattr(self, field.name) for field in fields(self)})


@lru_cache(maxsize=1_000)
def _loaded(text: str) -> Features:
    # Thousands of examples have a handful of different features.
    values = jsontext.load(text)
    return Features(**{field.name: values.get(field.name) for field in fields(Features)})


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Runs that have the same features, and the newest of them; None: those of which none were kept."""

    features: Features | None
    runs: int
    run_ids: Sequence[str]


@dataclass(slots=True)
class DocumentSeen:
    """The first document that a run parsed, once it has, and the least sure of the values that were read from any."""

    pages: int | None = None
    text: str = ""
    confidence: Confidence | None = None

    def notice(self, step_type: str, output: JsonValue) -> None:
        """Look at the output of a step that ended; the first one that parsed a document counts."""
        if not isinstance(output, dict):
            return
        if "_grounding" in output:
            self.confidence = _lower(self.confidence, output["_grounding"])
        if step_type != _PARSING_TYPE or self.pages is not None:
            return
        pages, text = output.get("pageCount"), output.get("text")
        if isinstance(pages, int) and isinstance(text, str):
            self.pages, self.text = pages, text


def features_of(claim: engine.Claim, seen: DocumentSeen) -> Features:
    """Return the features of a run at its end, from what its worker holds anyway."""
    declared = claim.file_type or "application/json"
    size = claim.input_size if claim.file_type is None else claim.file_size
    text = seen.text if seen.pages is not None else _longest_text(claim.input)
    return Features(
        type=_SAME_TYPES.get(declared, declared),
        size=_SIZES[bisect_right(_SIZE_LIMITS, size)],
        pages=_PAGES[bisect_right(_PAGE_LIMITS, seen.pages)] if seen.pages else None,
        language=language_of(text),
        source=source_in(claim.metadata) or claim.trigger_type,
    )


def source_in(metadata: JsonValue | Mapping[str, JsonValue]) -> str | None:
    """Return the source that metadata names; None where it names none."""
    source = metadata.get("source") if isinstance(metadata, Mapping) else None
    return source[:MAX_SOURCE_CHARACTERS] if isinstance(source, str) and source else None


def _lower(known: Confidence | None, grounding: JsonValue) -> Confidence | None:
    entries = grounding.values() if isinstance(grounding, dict) else ()
    said = [entry.get("confidence") for entry in entries if isinstance(entry, dict)]
    return next((level for level in _CONFIDENCES if level in said or level == known), None)


def _longest_text(value: JsonValue) -> str:
    longest, layer, left = "", [value], MAX_LOOKED_AT
    while layer and left > 0:
        left -= len(layer)
        for node in layer:
            if isinstance(node, str) and len(node) > max(len(longest), MIN_CHARACTERS - 1):
                longest = node
        layer = [inner for node in layer for inner in _inside(node)][:left]
    return longest


def _inside(node: JsonValue) -> list[JsonValue]:
    if isinstance(node, dict):
        return list(cast("dict[str, JsonValue]", node).values())
    return node if isinstance(node, list) else []
