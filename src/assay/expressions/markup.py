"""How a template is cut into text, outputs and tags, in linear time.

The library's own pattern for this is cubic: one unclosed tag in 60,000 characters took it more than three minutes.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from liquid.exceptions import LiquidSyntaxError
from liquid.token import TOKEN_CONTENT, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG, Token

_OPENING = re.compile(r"\{[{%]")
_TAG_NAME = re.compile(r"#|\w+")
_RAW_END = re.compile(r"\{%(-?)\s*endraw\s*-?%\}")
_COMMENT_EDGE = re.compile(r"\{%-?\s*(end)?comment\b")


@dataclass(frozen=True, slots=True)
class _Markup:
    """One pair of braces: where it and what it holds begin and end, and whether it takes the blanks around it."""

    start: int
    end: int
    body_start: int
    body: str
    is_output: bool
    trims_before: bool
    trims_after: bool


def cut(source: str) -> Iterator[Token]:
    """Cut a template into the tokens that python-liquid's parser reads.

    Raises:
        LiquidSyntaxError: braces, a raw block or a comment are never closed, or a tag has no name.
    """
    position, trims = 0, False
    while position < len(source):
        found = _OPENING.search(source, position)
        markup = _read(source, found.start()) if found else None
        end = markup.start if markup else len(source)
        yield from _content(source, position, end, trims=(trims, markup is not None and markup.trims_before))
        if markup is None:
            return
        position, trims = markup.end, markup.trims_after
        if markup.is_output:
            yield Token(TOKEN_OUTPUT, source[markup.start : markup.end], markup.start, source)
            yield Token(TOKEN_EXPRESSION, markup.body, markup.body_start, source)
            continue
        name = _tag_name(source, markup)
        if name == "raw":
            position, trims = yield from _raw(source, markup)
            continue
        yield from _tag(source, markup, name)
        if name == "comment":
            position = _comment_end(source, markup)


def _read(source: str, start: int) -> _Markup:
    is_output = source[start + 1] == "{"
    close = source.find("}}" if is_output else "%}", start + 2)
    if close < 0:
        mark = source[start : start + 2]
        raise _unclosed(source, start, f"{mark!r} is never closed")
    body = source[start + 2 : close]
    trims_before = body.startswith("-")
    body = body.removeprefix("-")
    trims_after = body.endswith("-")
    body = body.removesuffix("-").rstrip()
    kept = body.lstrip()
    body_start = start + 2 + trims_before + len(body) - len(kept)
    return _Markup(start, close + 2, body_start, kept, is_output, trims_before, trims_after)


def _content(source: str, start: int, end: int, *, trims: tuple[bool, bool]) -> Iterator[Token]:
    text = source[start:end]
    text = text.lstrip() if trims[0] else text
    text = text.rstrip() if trims[1] else text
    if text:
        yield Token(TOKEN_CONTENT, text, start, source)


def _tag_name(source: str, markup: _Markup) -> str:
    name = _TAG_NAME.match(markup.body)
    if name is None:
        raise _unclosed(source, markup.start, "a tag has no name")
    return name.group()


def _tag(source: str, markup: _Markup, name: str) -> Iterator[Token]:
    yield Token(TOKEN_TAG, name, markup.body_start, source)
    expression = markup.body[len(name) :].lstrip()
    if expression:
        start = markup.body_start + len(markup.body) - len(expression)
        yield Token(TOKEN_EXPRESSION, expression, start, source)


def _raw(source: str, markup: _Markup) -> Generator[Token, None, tuple[int, bool]]:
    end = _RAW_END.search(source, markup.end)
    if end is None:
        raise _unclosed(source, markup.start, "'raw' is never closed")
    yield from _content(source, markup.end, end.start(), trims=(markup.trims_after, bool(end.group(1))))
    return end.end(), end.group().endswith("-%}")


def _comment_end(source: str, markup: _Markup) -> int:
    """Return where the tag begins that ends a comment; comments may hold comments."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(source, markup.end):
        depth += -1 if edge.group(1) else 1
        if depth == 0:
            return edge.start()
    raise _unclosed(source, markup.start, "'comment' is never closed")


def _unclosed(source: str, index: int, message: str) -> LiquidSyntaxError:
    return LiquidSyntaxError(message, token=Token(TOKEN_TAG, source[index : index + 2], index, source))
