"""What a person would read of an HTML page: blocks are lines, cells of a row stay on one line."""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from assay.documents.characters import clean
from assay.documents.marks import BULLET, HEADING, NUMBERED, heading

_UNSEEN: Final = frozenset({"script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object"})
_CELLS: Final = frozenset({"td", "th"})
# fmt: off
_BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
    "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
})
# fmt: on
# No-break spaces are not among them: they stay as they are.
_BLANKS: Final = re.compile(r"[ \t\n\r\f]+")
_AROUND_BREAKS: Final = re.compile(r"[ \t]*\n[ \t\n]*")
_SEVERAL_BLANKS: Final = re.compile(r" {2,}")
_AROUND_CELLS: Final = re.compile(r" *\t *")
_HEADINGS: Final = {f"h{level}": heading(level, "") for level in range(1, 7)}
# The mark of an item or heading belongs to the first text in it, however deep that lies.
_AFTER_MARK: Final = re.compile(rf"(?:({HEADING}\d|{BULLET}|{NUMBERED})\s*)+")


def html_text(source: str, *, marked: bool = False) -> tuple[str, str | None]:
    """Return the visible text of a page and its title; `marked` says what is a heading or an item."""
    parser = LexborHTMLParser(clean(source))
    title = parser.css_first("head > title")
    text = "".join(_pieces(parser.body, marked=marked)) if parser.body else ""
    if marked:
        text = _AFTER_MARK.sub(r"\1", text)
    return _tidy(text), (_BLANKS.sub(" ", title.text()).strip() or None) if title else None


def _pieces(root: LexborNode, *, marked: bool) -> Iterator[str]:
    """Walk without recursion: a page may be nested thousands deep."""
    inside_cells = 0
    node = root.first_child
    while node is not None:
        seen = node.tag not in _UNSEEN
        inside_cells += _is_data_cell(node)
        yield _opening(node, inside_cells) if seen else ""
        if marked and seen and not inside_cells:
            yield _mark(node)
        if seen and node.first_child is not None:
            node = node.first_child
            continue
        inside_cells -= _is_data_cell(node)
        yield _closing(node, inside_cells)
        while node.next is None:
            parent = node.parent
            if parent is None or parent.mem_id == root.mem_id:
                return
            node = parent
            inside_cells -= _is_data_cell(node)
            yield _closing(node, inside_cells)
        node = node.next


def _is_data_cell(node: LexborNode) -> bool:
    """Tell a cell of a row from one that only holds the layout of a page or mail together."""
    if node.tag not in _CELLS or node.css_first("table") is not None:
        return False
    return next(_neighbour_cells(node), None) is not None


def _neighbour_cells(node: LexborNode) -> Iterator[LexborNode]:
    for forward in (True, False):
        sibling = node.next if forward else node.prev
        while sibling is not None and sibling.tag not in _CELLS:
            sibling = sibling.next if forward else sibling.prev
        if sibling is not None:
            yield sibling


def _opening(node: LexborNode, inside_cells: int) -> str:
    if node.tag == "-text":
        return _BLANKS.sub(" ", node.text_content or "")
    return _break(inside_cells) if node.tag in _BLOCKS else ""


def _mark(node: LexborNode) -> str:
    if node.tag == "li":
        return NUMBERED if node.parent is not None and node.parent.tag == "ol" else BULLET
    return _HEADINGS.get(node.tag or "", "")


def _closing(node: LexborNode, inside_cells: int) -> str:
    if node.tag in _CELLS:
        return "\t"
    return _break(inside_cells) if node.tag in _BLOCKS else ""


def _break(inside_cells: int) -> str:
    return " " if inside_cells else "\n"


def _tidy(text: str) -> str:
    rows = _AROUND_BREAKS.sub("\n", _AROUND_CELLS.sub("\t", text))
    return _SEVERAL_BLANKS.sub(" ", rows).strip(" \t\n")
