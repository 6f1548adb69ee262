"""Which tags and filters exist, and how a template is compiled and checked."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, cast

from liquid import BoundTemplate, Environment, Expression, Node, StrictDefaultUndefined, Token, TokenStream
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import (
    BooleanExpression,
    Filter,
    FilteredExpression,
    Identifier,
    KeywordArgument,
    Path,
    PositionalArgument,
    StringLiteral,
)
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.illegal import Illegal
from liquid.builtin.tags.capture_tag import CaptureTag
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.cycle_tag import CycleTag
from liquid.builtin.tags.decrement_tag import DecrementTag
from liquid.builtin.tags.for_tag import BreakTag, ContinueTag
from liquid.builtin.tags.increment_tag import IncrementTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError, UnknownFilterError
from liquid.parser import get_parser
from liquid.tag import Tag
from liquid.token import TOKEN_EOF, TOKEN_EXPRESSION
from pydantic import JsonValue
from typing_extensions import override

from assay.expressions.date_filters import DATE_FILTERS
from assay.expressions.errors import TemplateError, TemplateLimitError, TemplateSyntaxError
from assay.expressions.limits import MAX_NESTING, MAX_TEMPLATE
from assay.expressions.list_filters import EXPRESSION_FILTERS, LIST_FILTERS
from assay.expressions.markup import cut
from assay.expressions.nodes import (
    Lambda,
    LenientCondition,
    ShortRange,
    StrictCaseTag,
    StrictEqual,
    StrictGreater,
    StrictGreaterOrEqual,
    StrictIfTag,
    StrictLess,
    StrictLessOrEqual,
    StrictUnequal,
    StrictUnlessTag,
    ValueAssignTag,
    ValueEchoTag,
    ValueNode,
    ValueOutput,
    WeighedForTag,
    parse_value,
)
from assay.expressions.number_filters import NUMBER_FILTERS
from assay.expressions.text_filters import TEXT_FILTERS
from assay.expressions.tokens import tokenize
from assay.expressions.tree import expressions, within

_FILTERS: Final[dict[str, Callable[..., JsonValue]]] = {
    **TEXT_FILTERS,
    **NUMBER_FILTERS,
    **DATE_FILTERS,
    **LIST_FILTERS,
    **EXPRESSION_FILTERS,
}
_TAGS: Final[tuple[type[Tag], ...]] = (
    BreakTag, CaptureTag, CommentTag, ContinueTag, CycleTag, DecrementTag, Illegal, IncrementTag, InlineCommentTag,
    Literal, StrictCaseTag, StrictIfTag, StrictUnlessTag, ValueAssignTag, ValueEchoTag, ValueOutput, WeighedForTag,
)  # fmt: skip
_BEHAVIOUR: Final[dict[type[Expression], type[Expression]]] = {
    BooleanExpression: LenientCondition,
    EqExpression: StrictEqual,
    GeExpression: StrictGreaterOrEqual,
    GtExpression: StrictGreater,
    LeExpression: StrictLessOrEqual,
    LtExpression: StrictLess,
    NeExpression: StrictUnequal,
    RangeLiteral: ShortRange,
}
_CACHED_TEMPLATES = 512
_CACHED_LENGTH = 4_000


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template.

    `value` is set when the template is exactly one expression, and `names` when that expression is nothing
    but a path of fixed names.
    """

    source: str
    bound: BoundTemplate
    value: Expression | None
    names: tuple[str | int, ...] | None


def is_template(source: str) -> bool:
    """Tell whether a text holds any template markup."""
    return "{{" in source or "{%" in source


def compile_template(source: str) -> Template:
    """Compile a template; a short one that was compiled before is taken from the cache.

    Raises:
        TemplateSyntaxError: it is not written correctly; the first problem is named.
        TemplateLimitError: it is too long or nested too deeply.
    """
    return _compile_cached(source) if len(source) <= _CACHED_LENGTH else _compile(source)


def find_problems(source: str) -> list[TemplateError]:
    """Find everything that is wrong with the grammar of a template, in the order of its text."""
    try:
        compile_template(source)
    except TemplateLimitError as error:
        return [error]
    except TemplateError:
        language = _CollectingLanguage()
        found = _problems(language, source)
        places = {(error.line or 0, error.column or 0): error for error in reversed(found)}
        return [places[place] for place in sorted(places)]
    return []


def place(source: str, index: int) -> tuple[int, int]:
    """Return line and column of a character, both counted from 1."""
    before = source[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


class _Stream(TokenStream):
    """Tokens of a template, whose expressions are cut by LiquidJS's rules."""

    @override
    def into_inner(self, *, tag: Token | None = None, eat: bool = True) -> TokenStream:
        token = self.current
        if token.kind != TOKEN_EXPRESSION:
            msg = "an expression is missing"
            raise LiquidSyntaxError(msg, token=tag or token)
        if eat:
            next(self)
        return expression_tokens(token.value, token.start_index, token.source)


class _Language(Environment):
    """LiquidJS without files, dates of today and chance."""

    block_nesting_limit = MAX_NESTING
    context_depth_limit = MAX_NESTING
    suppress_blank_control_flow_blocks = False
    logical_not_operator = True
    logical_parentheses = True

    def __init__(self) -> None:
        super().__init__(undefined=StrictDefaultUndefined)

    @override
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in _TAGS:
            self.add_tag(tag)
        self.filters.update(_FILTERS)

    def nodes(self, source: str) -> list[Node]:
        """Parse a template."""
        stream = _Stream(cut(source))
        stream.eof = Token(TOKEN_EOF, TOKEN_EOF, max(len(source) - 1, 0), source)
        return get_parser(self).parse(stream)


class _CollectingLanguage(_Language):
    """The same language, which reads on after an error."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[LiquidError] = []

    @override
    def error(self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None) -> None:
        error = exc if isinstance(exc, LiquidError) else exc(msg, token=token)
        error.token = error.token or token
        self.errors.append(error)


_LANGUAGE = _Language()


def expression_tokens(source: str, start: int, template: str) -> TokenStream:
    """Cut an expression that begins at `start` of `template` into a stream for the parser."""
    stream = TokenStream(iter(tokenize(source, start, template)))
    stream.eof = Token(TOKEN_EOF, TOKEN_EOF, min(start + len(source), len(template) - 1), template)
    return stream


def _compile(source: str) -> Template:
    if len(source) > MAX_TEMPLATE:
        msg = f"the template is longer than {MAX_TEMPLATE:,} characters"
        raise TemplateLimitError(msg, expression=source[:200])
    try:
        nodes = _LANGUAGE.nodes(source)
        for error in _prepare(expressions(nodes)):
            raise error
    except (LiquidError, RecursionError) as error:
        raise _located(error, source) from error
    value = _only_expression(nodes)
    return Template(source, BoundTemplate(_LANGUAGE, nodes), value, _fixed_names(value))


_compile_cached = lru_cache(maxsize=_CACHED_TEMPLATES)(_compile)


def _problems(language: _CollectingLanguage, source: str) -> list[TemplateError]:
    nodes: list[Node] = []
    try:
        nodes = language.nodes(source)
    except (LiquidError, RecursionError) as error:
        return [_located(found, source) for found in (*language.errors, error)]
    return [_located(error, source) for error in (*language.errors, *_prepare(expressions(nodes)))]


def _prepare(found: Iterable[Expression]) -> Iterator[LiquidError]:
    """Give the library's expressions our behaviour, and yield what is wrong with their filters."""
    for expression in list(found):
        behaviour = _BEHAVIOUR.get(type(expression))
        if behaviour is not None:
            # The parser's functions name their classes, so that there is no earlier place to choose ours.
            expression.__class__ = behaviour
        if isinstance(expression, FilteredExpression):
            yield from _check_filters(expression.filters or ())


def _check_filters(filters: Sequence[Filter]) -> Iterator[LiquidError]:
    for called in filters:
        try:
            _check_filter(called)
        except LiquidError as error:
            error.token = error.token or called.token
            yield error


def _check_filter(called: Filter) -> None:
    if called.name not in _FILTERS:
        msg = f"there is no filter {called.name!r}"
        raise UnknownFilterError(msg, token=called.token)
    if called.name in EXPRESSION_FILTERS:
        called.args[:] = [PositionalArgument(_read_lambda(called))]
    options = {arg.name: None for arg in called.args if isinstance(arg, KeywordArgument)}
    try:
        _signature(called.name).bind(*(None for _ in range(1 + len(called.args) - len(options))), **options)
    except TypeError as error:
        msg = f"filter {called.name!r}: {error}"
        raise LiquidSyntaxError(msg, token=called.token) from error


@cache
def _signature(name: str) -> inspect.Signature:
    return inspect.signature(_FILTERS[name])


def _read_lambda(called: Filter) -> Lambda:
    """Compile the expression of a `…_exp` filter, which must stand in the template: data is not evaluated."""
    values = [arg.value for arg in called.args if isinstance(arg, PositionalArgument)]
    match values:
        case [StringLiteral() as name, StringLiteral() as body]:
            start = body.token.start_index + 1
            tokens = expression_tokens(body.value, start, body.token.source)
            expression = parse_value(_LANGUAGE, tokens)
            for error in _prepare([*within(expression)]):
                raise error
            return Lambda(called.token, Identifier(name.value, token=name.token), expression)
        case _:
            msg = f"filter {called.name!r} needs a name and an expression, both in quotes"
            raise LiquidSyntaxError(msg, token=called.token)


def _located(error: LiquidError | RecursionError, source: str) -> TemplateError:
    if isinstance(error, RecursionError):
        return TemplateLimitError("the template is nested too deeply", expression=source[:200])
    token = error.token
    line, column = place(source, token.start_index) if token and token.start_index >= 0 else (None, None)
    kind = TemplateLimitError if isinstance(error, ResourceLimitError) else TemplateSyntaxError
    message = str(error.message).replace(TOKEN_EOF, "the end")
    return kind(message, expression=snippet(source, error), line=line, column=column)


def snippet(source: str, error: LiquidError) -> str:
    """Return the tag or expression of the template in which an error happened, else the template, at most 200 long."""
    if error.token is None or error.token.start_index < 0:
        return source.strip()[:200]
    index = error.token.start_index
    start = max(source.rfind("{{", 0, index + 2), source.rfind("{%", 0, index + 2), 0)
    ends = [end for mark in ("}}", "%}") if (end := source.find(mark, index)) >= 0]
    return source[start : min(ends, default=len(source)) + 2][:200]


def _only_expression(nodes: Sequence[Node]) -> Expression | None:
    written = [node for node in nodes if not (isinstance(node, ContentNode) and node.text.isspace())]
    match written:
        case [ValueNode() as only] if isinstance(only.expression, FilteredExpression):
            bare = not only.expression.filters
            return only.expression.left if bare else only.expression
        case _:
            return None


def _fixed_names(value: Expression | None) -> tuple[str | int, ...] | None:
    if not isinstance(value, Path) or any(isinstance(key, Path) for key in value.path):
        return None
    return cast("tuple[str | int, ...]", tuple(value.path))
