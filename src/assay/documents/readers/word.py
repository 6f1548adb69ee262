"""What a Word document is as text: paragraphs are lines, a table row is one line with tabs."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import docx
from docx.blkcntnr import BlockItemContainer
from docx.document import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from assay.documents.characters import clean
from assay.documents.errors import DocumentUnreadableError
from assay.documents.marks import BULLET, NUMBERED, heading

_NUMBERING: Final = f"{qn('w:pPr')}/{qn('w:numPr')}"
_HEADING: Final = re.compile(r"Heading ([1-6])|Title")
_DAMAGED_DOCX: Final = (
    AttributeError,  # a part that is no Word part at all
    IndexError,
    KeyError,
    OSError,
    PackageNotFoundError,
    SyntaxError,  # what lxml raises for XML that is none
    ValueError,
    zipfile.BadZipFile,
)


def read_docx(path: Path, *, marked: bool = False) -> str:
    """Return the text of a Word document: header, body, footer; `marked` says what is a heading or an item.

    Raises:
        DocumentUnreadableError: It is damaged or nested too deeply.
    """
    try:
        document = docx.Document(str(path))
        text = "\n".join(_docx_lines(document, marked=marked))
    except RecursionError as error:
        raise DocumentUnreadableError("The tables of the Word document are nested too deeply.") from error
    except _DAMAGED_DOCX as error:
        raise DocumentUnreadableError("The Word document is damaged.") from error
    return text.strip("\n")


def _docx_lines(document: Document, *, marked: bool) -> Iterator[str]:
    first = document.sections[0] if len(document.sections) else None
    if first:
        yield from _block_lines(first.header.iter_inner_content())
    yield from _block_lines(document.iter_inner_content(), marked=marked)
    if first:
        yield from _block_lines(first.footer.iter_inner_content())


def _block_lines(blocks: Iterable[Paragraph | Table], *, marked: bool = False) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Table):
            yield from _table_lines(block)
        else:
            text = clean(block.text)
            yield _marked(block, text) if marked and text.strip() else text


def _marked(paragraph: Paragraph, text: str) -> str:
    style = (paragraph.style.name if paragraph.style else None) or ""
    found = _HEADING.fullmatch(style)
    if found:
        return heading(int(found[1] or 1), text.replace("\n", " "))
    if style.startswith("List Number"):
        return NUMBERED + text.replace("\n", " ")
    # The library knows no other way to what makes a paragraph an item.
    if style.startswith("List ") or paragraph._p.find(_NUMBERING) is not None:  # noqa: SLF001
        return BULLET + text.replace("\n", " ")
    return text


def _table_lines(table: Table) -> Iterator[str]:
    for row in table.rows:
        # A cell that spans columns is listed once for each of them.
        cells = {id(cell._tc): cell for cell in row.cells}.values()  # noqa: SLF001 - the only identity it has
        yield "\t".join(_cell_text(cell) for cell in cells)


def _cell_text(cell: BlockItemContainer) -> str:
    lines = (line for block in _block_lines(cell.iter_inner_content()) for line in block.splitlines())
    return clean(" ".join(line for line in lines if line))
