"""How a DOCX template is filled in, and how missing values are highlighted in it."""

import copy
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from docx.enum.text import WD_COLOR_INDEX
from docx.oxml import OxmlElement, parse_xml
from docxtpl import DocxTemplate
from lxml import etree

from assay.documents.writers.placeholders import BEGIN, END, Placeholders, invalid

_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_KEEP_BLANKS: Final = "{http://www.w3.org/XML/1998/namespace}space"


def fill_word(path: Path, placeholders: Placeholders, data: Mapping[str, Any], *, highlight: bool) -> bytes:
    """Return the document with its placeholders filled in, in body, headers, footers, footnotes and properties.

    Raises:
        FormInvalidError: They are not well written, or do what they may not.
    """
    template = cast("Any", DocxTemplate(str(path)))
    try:
        template.render(dict(data), placeholders, autoescape=True)
    except Exception as error:
        raise invalid(error) from error
    filled = io.BytesIO()
    template.save(filled)
    return _without_marks(filled, highlight=highlight)


def _without_marks(filled: io.BytesIO, *, highlight: bool) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(filled) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename.endswith(".xml"):
                content = _part_without_marks(content, highlight=highlight)
            target.writestr(member, content)
    return result.getvalue()


def _part_without_marks(content: bytes, *, highlight: bool) -> bytes:
    # lxml writes what is not ASCII as references where a part declares no encoding.
    marked = BEGIN.encode() in content or f"&#{ord(BEGIN)};".encode() in content
    if not marked:
        return content
    root = cast("Any", parse_xml(content))
    if highlight:
        for run in list(root.iter(f"{_WORD}r")):
            if any(BEGIN in (text.text or "") for text in run.iterchildren(f"{_WORD}t")):
                _highlight(run)
    plain = etree.tostring(root, encoding="unicode").replace(BEGIN, "").replace(END, "")
    return b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + plain.encode()


def _highlight(run: Any) -> None:
    """Put each missing value of a run into a run of its own, which looks the same but for its background."""
    for child, is_missing in list(_pieces(run)):
        piece = cast("Any", OxmlElement("w:r"))
        run.addprevious(piece)
        if run.rPr is not None:
            piece.append(copy.deepcopy(run.rPr))
        piece.append(child)
        if is_missing:
            piece.get_or_add_rPr().highlight_val = WD_COLOR_INDEX.YELLOW
    run.getparent().remove(run)


def _pieces(run: Any) -> Iterator[tuple[Any, bool]]:
    for child in list(run):
        if child.tag == f"{_WORD}rPr":
            continue
        if child.tag != f"{_WORD}t" or BEGIN not in (child.text or ""):
            yield child, False
            continue
        before, *marked = child.text.split(BEGIN)
        yield from _texts(child, before, is_missing=False)
        for part in marked:
            missing, _, after = part.partition(END)
            yield from _texts(child, missing, is_missing=True)
            yield from _texts(child, after, is_missing=False)


def _texts(like: Any, text: str, *, is_missing: bool) -> Iterator[tuple[Any, bool]]:
    if text:
        piece = copy.copy(like)
        piece.text = text
        piece.set(_KEEP_BLANKS, "preserve")
        yield piece, is_missing
