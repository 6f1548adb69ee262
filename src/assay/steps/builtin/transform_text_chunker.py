"""`transform.text-chunker`: cuts a long text into chunks."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.chunking import ChunkSizes, chunk_spans
from assay.steps.patterns import PATTERN_LIMIT, compile_pattern
from assay.steps.source_text import SourceText, source_text

_BOUNDARIES = 1_000_000
_NUMBER = {"type": "integer", "minimum": 0}
_NUMBERS = {"type": "array", "items": _NUMBER}


class TransformTextChunker(Step):
    """Cut a long text into chunks.

    The same text is always cut the same way. A chunk ends where `splitOn` matches, if it can; else after a paragraph,
    a line, a sentence or a word; within a word only where there is no other place. Chunks follow each other without a
    gap: `startOffset` and `endOffset` are characters of the whole text, in which pages are separated by an empty line,
    and a chunk's `text` is what stands between them, after the header where there is one. `pages` are the numbers of
    the pages that a chunk has something of.
    """

    type_name = "transform.text-chunker"
    # Nothing outside is looked at, but a long text takes seconds.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "chunks": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string"},
                        "index": _NUMBER,
                        "total": _NUMBER,
                        "startOffset": _NUMBER,
                        "endOffset": _NUMBER,
                        "pages": _NUMBERS,
                    },
                },
            },
            "summary": {
                "type": "object",
                "properties": {
                    "inputChars": _NUMBER,
                    "totalChunks": _NUMBER,
                    "avgChunkChars": _NUMBER,
                    "maxChunkChars": _NUMBER,
                    "truncated": {"type": "boolean", "description": "Whether `maxChunks` left something out."},
                },
            },
        },
    }
    example: ClassVar[str] = """\
name: contract-in-chunks
version: 1.0.0
inputs:
  - name: text
    type: string
    required: false
    default: |
      # Scope
      The seller delivers forty ropes, free of charge, to the address of the buyer.
      # Price
      The buyer pays 800 euros within thirty days of the delivery.
steps:
  - name: parts
    type: transform.text-chunker
    with:
      input: '{{ input.text }}'
      maxChars: 100
      splitOn: ['^# ']
output:
  parts: '{{ steps.parts.output.chunks | map: "text" }}'
"""

    input: JsonValue = Field(description="A text, the output of `ai.parse`, or a list of pages `{text, pageIndex}`.")
    max_chars: int = Field(
        alias="maxChars",
        ge=100,
        le=100_000,
        description="Characters a chunk should have at most. To end at a match of `splitOn` it may become half as long "
        "again, never longer.",
    )
    overlap: int = Field(
        default=0,
        ge=0,
        description="Characters at the end of a chunk that the next one begins with; less than half of `maxChars`.",
    )
    split_on: tuple[Annotated[str, Field(min_length=1, max_length=PATTERN_LIMIT)], ...] = Field(
        default=(),
        max_length=50,
        alias="splitOn",
        description="JavaScript patterns, without slashes, of what a chunk should begin with, such as `^# ` for a "
        "heading: `^` and `$` stand at the ends of lines. Look-around and back-references are not supported.",
    )
    max_chunks: int = Field(
        default=64,
        ge=1,
        le=1000,
        alias="maxChunks",
        description="How many chunks are made; what follows is left out, and `summary.truncated` says so.",
    )
    preserve_header: int = Field(
        default=0,
        ge=0,
        alias="preserveHeader",
        description="So many characters from the start of the text are repeated at the start of every later chunk, for "
        "a head of a table or letter; less than half of `maxChars`.",
    )
    min_chunk_chars: int = Field(
        default=0,
        ge=0,
        alias="minChunkChars",
        description="Chunks do not end before they have so many characters, and a shorter rest is added to the chunk "
        "before where that stays within one and a half of `maxChars`; less than half of `maxChars`.",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        sizes = {
            "overlap": self.overlap,
            "preserveHeader": self.preserve_header,
            "minChunkChars": self.min_chunk_chars,
        }
        for name, size in sizes.items():
            if size * 2 >= self.max_chars:
                found.append((name, f"{name} must be less than half of maxChars ({self.max_chars}).", "invalid_value"))
        if not found and (self.overlap + self.preserve_header) * 2 >= self.max_chars:
            message = "overlap and preserveHeader together must be less than half of maxChars."
            found.append(("overlap", message, "invalid_value"))
        for position, pattern in enumerate(self.split_on):
            try:
                compile_pattern(pattern, "m")
            except StepError as error:
                message = f"{error.message} {error.hint}" if error.hint else error.message
                found.append((f"splitOn.{position}", message, error.code))
        return found

    @override
    async def run(self, context: StepContext) -> JsonValue:
        for _, message, code in self.problems():
            raise StepError(code, message, category="validation")
        return await asyncio.to_thread(self._chunked, source_text(self.input))

    def _chunked(self, source: SourceText) -> JsonValue:
        sizes = ChunkSizes(self.max_chars, self.overlap, self.min_chunk_chars, self.preserve_header)
        spans = list(islice(chunk_spans(source.text, sizes, self._boundaries(source.text)), self.max_chunks))
        header = source.text[: self.preserve_header]
        texts = [(header if start else "") + source.text[start:end] for start, end in spans]
        chunks: list[JsonValue] = [
            {
                "text": text,
                "index": index,
                "total": len(spans),
                "startOffset": start,
                "endOffset": end,
                "pages": _pages(source, start, end),
            }
            for index, (text, (start, end)) in enumerate(zip(texts, spans, strict=True))
        ]
        lengths = [len(text) for text in texts]
        summary: dict[str, JsonValue] = {
            "inputChars": len(source.text),
            "totalChunks": len(spans),
            "avgChunkChars": round(sum(lengths) / len(lengths)),
            "maxChunkChars": max(lengths),
            "truncated": spans[-1][1] < len(source.text),
        }
        return {"chunks": chunks, "summary": summary}

    def _boundaries(self, text: str) -> Sequence[int]:
        found: set[int] = set()
        for pattern in self.split_on:
            for capture in compile_pattern(pattern, "m").captures(text):
                found.add(capture.start)
                if len(found) > _BOUNDARIES:
                    message = f"splitOn matches more than {_BOUNDARIES:,} times."
                    raise StepError("too_many_matches", message, category="validation")
        return sorted(found)


def _pages(source: SourceText, start: int, end: int) -> list[JsonValue]:
    return [page.index for page in source.pages if page.start < end and start < page.start + len(page.text)]
