"""What the parser and its children say to each other over pipes.

A request is one line of JSON. A reply is two lengths, a JSON head, and a body of texts, word
boxes and content back to back, so that the parser never decodes what it only passes on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from struct import Struct
from typing import Any, Final, Literal

from assay.documents.errors import DocumentTooLargeError
from assay.documents.making import MakingTask
from assay.documents.model import DocumentKind, Limits, ParseMode, TextForm

LENGTHS: Final = Struct(">QQ")
HEAD_BYTES: Final = 4 << 20
OUT_OF_MEMORY: Final = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Request:
    """Read a document natively, or (`page` is given) one page of it by OCR, or do another task with it.

    `form` is that of the text, with `figures` it has places for them. `scale` (1 is 72 dpi; images keep their pixels)
    and `quality` (1 to 100) are those of a picture of one `page`, or of the `box` in it (left, top, right, bottom).
    `arguments` is the JSON that a task of `making` needs.
    """

    path: str
    filename: str
    content_type: str | None
    mode: ParseMode
    limits: Limits
    page: int | None = None
    kind: DocumentKind | None = None
    task: Literal["parse", "einvoice", "picture"] | MakingTask = "parse"
    scale: float = 2.0
    quality: int = 85
    arguments: str = ""
    form: TextForm = "plain"
    figures: bool = False
    box: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class PageReading:
    """What one child found on one page; `words` is the ready JSON of the page's boxes, or empty.

    `figures` are boxes in the order of their places in the text; `figures_left_out` counts those beyond them.
    """

    index: int
    text: str
    name: str | None = None
    confidence: float | None = None
    needs_ocr: bool = False
    words: bytes = b""
    figures: Sequence[Sequence[float]] = ()
    figures_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one child found in one document; `content` is what a task other than parsing came to."""

    kind: DocumentKind
    pages: Sequence[PageReading]
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a child gave up: the code of an error, or OUT_OF_MEMORY."""

    code: str
    message: str


def encode_request(request: Request) -> bytes:
    """Write a request as one line."""
    return json.dumps(asdict(request)).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """Read back what `encode_request` wrote."""
    fields: dict[str, Any] = json.loads(line)
    limits = Limits(**fields.pop("limits"))
    return Request(limits=limits, **fields)


def encode_reply(reply: Reading | Refusal | None) -> bytes:
    """Write a reply; None says that the child is ready for work.

    Raises:
        DocumentTooLargeError: The head alone would be larger than a parser accepts.
    """
    if reply is None:
        return _frame({}, b"")
    if isinstance(reply, Refusal):
        return _frame({"refusal": asdict(reply)}, b"")
    chunks: list[bytes] = []
    pages: list[dict[str, object]] = []
    for page in reply.pages:
        text = page.text.encode()
        chunks += [text, page.words]
        pages.append(
            {
                "index": page.index,
                "name": page.name,
                "confidence": page.confidence,
                "needs_ocr": page.needs_ocr,
                "figures": page.figures,
                "figures_left_out": page.figures_left_out,
                "lengths": [len(text), len(page.words)],
            }
        )
    head = {"kind": reply.kind, "metadata": reply.metadata, "pages": pages}
    return _frame(head, b"".join([*chunks, reply.content]))


def decode_reply(head: bytes, body: bytes) -> Reading | Refusal | None:
    """Read back what `encode_reply` wrote."""
    fields: dict[str, Any] = json.loads(head)
    if not fields:
        return None
    if "refusal" in fields:
        return Refusal(**fields["refusal"])
    pages: list[PageReading] = []
    start = 0
    for page in fields["pages"]:
        text_length, words_length = page.pop("lengths")
        words_start = start + text_length
        end = words_start + words_length
        pages.append(PageReading(text=body[start:words_start].decode(), words=body[words_start:end], **page))
        start = end
    return Reading(kind=fields["kind"], pages=pages, metadata=fields["metadata"], content=body[start:])


def _frame(head: Mapping[str, object], body: bytes) -> bytes:
    encoded = json.dumps(head).encode()
    if len(encoded) > HEAD_BYTES:
        raise DocumentTooLargeError("The document has too many pages, headers or attachments.")
    return LENGTHS.pack(len(encoded), len(body)) + encoded + body
