"""How an expression is cut into words: LiquidJS's lexical rules, for python-liquid's parser.

The library's own rules take `input.limit` for a keyword, know no escapes in strings, take `(a == "..")` for a range,
and look ahead in quadratic time.
"""

import re
from collections.abc import Iterator

from liquid.exceptions import LiquidSyntaxError, ResourceLimitError
from liquid.token import (
    TOKEN_AND,
    TOKEN_BLANK,
    TOKEN_COLON,
    TOKEN_COMMA,
    TOKEN_CONTAINS,
    TOKEN_CONTINUE,
    TOKEN_DOT,
    TOKEN_EMPTY,
    TOKEN_FALSE,
    TOKEN_FLOAT,
    TOKEN_IDENTINDEX,
    TOKEN_IDENTSTRING,
    TOKEN_IN,
    TOKEN_INTEGER,
    TOKEN_LBRACKET,
    TOKEN_LIMIT,
    TOKEN_LPAREN,
    TOKEN_NIL,
    TOKEN_NOT,
    TOKEN_NULL,
    TOKEN_OFFSET,
    TOKEN_OR,
    TOKEN_PIPE,
    TOKEN_RANGE,
    TOKEN_RANGE_LITERAL,
    TOKEN_RBRACKET,
    TOKEN_REVERSED,
    TOKEN_RPAREN,
    TOKEN_STRING,
    TOKEN_TRUE,
    TOKEN_WORD,
    Token,
    operators,
)

from assay.expressions.limits import MAX_EXPRESSION, MAX_OPERATORS

_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_OPERATOR = "operator"
_BLANK = "blanks"
_RULES = (
    (TOKEN_IDENTINDEX, r"\[\s*-?\d+\s*\]"),
    (TOKEN_IDENTSTRING, rf"\[\s*(?:{_QUOTED})\s*\]"),
    (TOKEN_STRING, _QUOTED),
    (TOKEN_RANGE, r"\.\."),
    (TOKEN_FLOAT, r"-?\d+\.\d+"),
    (TOKEN_INTEGER, r"-?\d+(?![\w-])"),
    (TOKEN_DOT, r"\."),
    (TOKEN_WORD, r"\w[\w-]*\??"),
    (TOKEN_LPAREN, r"\("),
    (TOKEN_RPAREN, r"\)"),
    (TOKEN_LBRACKET, r"\["),
    (TOKEN_RBRACKET, r"\]"),
    (TOKEN_COLON, ":"),
    (TOKEN_COMMA, ","),
    (TOKEN_PIPE, r"\|"),
    (_OPERATOR, "[!=<>]{1,2}"),
    (_BLANK, r"\s+"),
)
_NEXT = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES), re.DOTALL)
_MEMBER = re.compile(rf"\s*(?P<{TOKEN_WORD}>[\w-]+\??)")
_KEYWORDS = frozenset({
    TOKEN_AND, TOKEN_BLANK, TOKEN_CONTAINS, TOKEN_CONTINUE, TOKEN_EMPTY, TOKEN_FALSE, TOKEN_IN, TOKEN_LIMIT, TOKEN_NIL,
    TOKEN_NOT, TOKEN_NULL, TOKEN_OFFSET, TOKEN_OR, TOKEN_REVERSED, TOKEN_TRUE,
})  # fmt: skip
_DEEPENING = frozenset({TOKEN_AND, TOKEN_CONTAINS, TOKEN_LBRACKET, TOKEN_LPAREN, TOKEN_NOT, TOKEN_OR})
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def tokenize(source: str, start: int, template: str) -> list[Token]:
    """Cut an expression that begins at `start` of `template` into tokens.

    Raises:
        LiquidSyntaxError: there is something that cannot stand in an expression.
        ResourceLimitError: the expression is too long or has too many operators.
    """
    if len(source) > MAX_EXPRESSION:
        msg = f"an expression is longer than {MAX_EXPRESSION:,} characters"
        raise ResourceLimitError(msg, token=Token(TOKEN_WORD, "", start, template))
    tokens = list(_tokens(source, start, template))
    if sum(token.kind in _DEEPENING or token.kind in _COMPARISONS for token in tokens) > MAX_OPERATORS:
        msg = f"an expression has more than {MAX_OPERATORS} operators and brackets"
        raise ResourceLimitError(msg, token=tokens[0])
    return _with_ranges(tokens)


def _tokens(source: str, start: int, template: str) -> Iterator[Token]:
    position, previous = 0, ""
    while position < len(source):
        match = _MEMBER.match(source, position) if previous == TOKEN_DOT else None
        match = match or _NEXT.match(source, position)
        at = start + position
        if match is None or match.lastgroup is None:
            found = source[position]
            msg = "a quote is never closed" if found in "\"'" else f"unexpected {found!r}"
            raise LiquidSyntaxError(msg, token=Token(TOKEN_WORD, found, at, template))
        kind, value, position = match.lastgroup, match.group(match.lastgroup), match.end()
        if kind == _BLANK:
            continue
        if kind == TOKEN_WORD and value in _KEYWORDS and previous != TOKEN_DOT:
            kind = value
        elif kind == _OPERATOR:
            kind = _operator(value, at, template)
        previous = kind
        yield Token(kind, _content(kind, value), at, template)


def _operator(value: str, at: int, template: str) -> str:
    if value not in operators:
        msg = f"unknown operator {value!r}"
        raise LiquidSyntaxError(msg, token=Token(TOKEN_WORD, value, at, template))
    return operators[value]


def _content(kind: str, value: str) -> str:
    if kind == TOKEN_IDENTINDEX:
        return value[1:-1].strip()
    if kind == TOKEN_IDENTSTRING:
        return _unescaped(value[1:-1].strip()[1:-1])
    return _unescaped(value[1:-1]) if kind == TOKEN_STRING else value


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _character(match.group(1)), value)


def _character(escape: str) -> str:
    if len(escape) == 5:
        code = int(escape[1:], 16)
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)
    return _ESCAPED.get(escape, escape)


def _with_ranges(tokens: list[Token]) -> list[Token]:
    """Mark the brackets that open a range (`(1..3)`), which the parser tells from groups by their kind."""
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == TOKEN_LPAREN:
            opened.append(index)
        elif token.kind == TOKEN_RANGE and opened:
            tokens[opened[-1]] = tokens[opened[-1]]._replace(kind=TOKEN_RANGE_LITERAL)
        elif token.kind == TOKEN_RPAREN and opened:
            opened.pop()
    return tokens


_COMPARISONS = frozenset(operators[sign] for sign in ("==", "!=", "<>", "<", ">", "<=", ">="))
