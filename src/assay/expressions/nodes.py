"""How tags and operators behave where LiquidJS, strictness or the limits ask for more than python-liquid does."""

from typing import TextIO, cast

from liquid import Environment, Expression, Mode, RenderContext, Token
from liquid.ast import BlockNode
from liquid.builtin.expressions import (
    BooleanExpression,
    Filter,
    FilteredExpression,
    Identifier,
    LoopExpression,
    Nil,
    parse_identifier,
)
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
    parse_boolean_primitive,
)
from liquid.builtin.expressions.primitive import Blank, Empty, RangeLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignNode, AssignTag
from liquid.builtin.tags.case_tag import CaseNode, CaseTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.exceptions import ResourceLimitError
from liquid.stream import TokenStream
from liquid.token import TOKEN_ASSIGN, TOKEN_EOF, TOKEN_OUTPUT, TOKEN_PIPE, TOKEN_TAG
from pydantic import JsonValue
from typing_extensions import override

from assay.expressions.limits import MAX_ITERATIONS, TURN_COST, weigh
from assay.expressions.list_filters import Test
from assay.expressions.scope import Scope
from assay.expressions.tree import expressions, walk
from assay.expressions.values import equal, number, plain, text


def parse_value(env: Environment, tokens: TokenStream) -> FilteredExpression:
    """Read a whole expression: operands and operators, then filters on the result.

    Raises:
        LiquidSyntaxError: it is not one.
    """
    left = parse_boolean_primitive(env, tokens)
    filters = Filter.parse(env, tokens, delim=(TOKEN_PIPE,))
    tokens.eat(TOKEN_EOF)
    return FilteredExpression(left.token, left, filters)


class ValueNode(OutputNode):
    """Prints an expression as LiquidJS does."""

    __slots__ = ()

    @override
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(text(cast("Scope", context).present(self.expression.evaluate(context))))


class ValueOutput(Output):
    """`{{ expression }}`."""

    @override
    def parse(self, stream: TokenStream) -> ValueNode:
        token = stream.eat(TOKEN_OUTPUT)
        return ValueNode(token, parse_value(self.env, stream.into_inner(tag=token, eat=False)))


class ValueEchoTag(EchoTag):
    """`{% echo expression %}`."""

    @override
    def parse(self, stream: TokenStream) -> ValueNode:
        token = stream.eat(TOKEN_TAG)
        return ValueNode(token, parse_value(self.env, stream.into_inner(tag=token, eat=False)))


class ValueAssignTag(AssignTag):
    """`{% assign name = expression %}`."""

    @override
    def parse(self, stream: TokenStream) -> AssignNode:
        token = stream.eat(TOKEN_TAG)
        tokens = stream.into_inner(tag=token, eat=False)
        name = parse_identifier(self.env, tokens, allow_trailing_question_mark=False)
        tokens.eat(TOKEN_ASSIGN)
        return AssignNode(token, name=name, expression=parse_value(self.env, tokens))


class StrictIfTag(IfTag):
    """`{% if %}` that finds a condition after `else`, and a second `else`, wrong."""

    mode = Mode.STRICT


class StrictUnlessTag(UnlessTag):
    """`{% unless %}` with the same strictness."""

    mode = Mode.STRICT


class StrictCaseNode(CaseNode):
    """A choice on something that is there."""

    __slots__ = ()

    @override
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        cast("Scope", context).present(self.expression.evaluate(context))
        return super().render_to_output(context, buffer)


class StrictCaseTag(CaseTag):
    """`{% case %}`."""

    node_class = StrictCaseNode


class WeighedForNode(ForNode):
    """A loop that costs what its body holds, turn by turn."""

    __slots__ = ("_weight",)

    def __init__(
        self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None
    ) -> None:
        super().__init__(token, expression, block, default)
        self._weight = sum(1 for _ in walk([block])) + sum(1 for _ in expressions([block]))

    @override
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        cast("Scope", context).turn_weight = self._weight
        return super().render_to_output(context, buffer)


class WeighedForTag(ForTag):
    """`{% for %}`."""

    node_class = WeighedForNode


class ShortRange(RangeLiteral):
    """A range of numbers that is not longer than a loop may be."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> range:
        found = super().evaluate(context)
        if found.stop - found.start > MAX_ITERATIONS:
            msg = f"the range has more than {MAX_ITERATIONS:,} numbers"
            raise ResourceLimitError(msg, token=self.token)
        cast("Scope", context).spend(len(found))
        return found


class StrictEqual(EqExpression):
    """Equality; what is missing may only be compared with nil, empty and blank, unless in a condition."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return _equal(self, cast("Scope", context))


class StrictUnequal(NeExpression):
    """The opposite of `StrictEqual`."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return not _equal(self, cast("Scope", context))


class StrictLess(LtExpression):
    """Order; nil is neither less nor more than anything."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return _order(self, cast("Scope", context)) == -1


class StrictGreater(GtExpression):
    """The same, the other way round."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return _order(self, cast("Scope", context)) == 1


class StrictLessOrEqual(LeExpression):
    """The same, or equal."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return _order(self, cast("Scope", context)) in {-1, 0}


class StrictGreaterOrEqual(GeExpression):
    """The same, the other way round, or equal."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return _order(self, cast("Scope", context)) in {0, 1}


class LenientCondition(BooleanExpression):
    """The condition of a tag, where what is missing counts as nil."""

    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        with cast("Scope", context).leniently():
            return super().evaluate(context)


class Lambda(Expression):
    """The expression of a `…_exp` filter, waiting for an item."""

    __slots__ = ("body", "name")

    def __init__(self, token: Token, name: Identifier, body: Expression) -> None:
        super().__init__(token)
        self.name = name
        self.body = body

    @override
    def evaluate(self, context: RenderContext) -> Test:
        scope = cast("Scope", context)

        def test(item: JsonValue) -> JsonValue:
            scope.spend(TURN_COST)
            with scope.leniently(), scope.extend({self.name: item}):
                return plain(self.body.evaluate(scope))

        return test

    @override
    def children(self) -> list[Expression]:
        return [self.body]

    @override
    def scope(self) -> list[Identifier]:
        return [self.name]


def _equal(comparison: EqExpression | NeExpression, scope: Scope) -> bool:
    left, right = comparison.left.evaluate(scope), comparison.right.evaluate(scope)
    if not asks_for_absence(comparison):
        left, right = scope.present(left), scope.present(right)
    for value in (left, right):
        if isinstance(value, list | dict):
            scope.spend(weigh(cast("object", value)))
    return equal(left, right)


def _order(comparison: LtExpression | GtExpression | LeExpression | GeExpression, scope: Scope) -> int | None:
    """Tell which side is greater: texts by their characters, else as numbers; None where one side is nil."""
    left = plain(scope.present(comparison.left.evaluate(scope)))
    right = plain(scope.present(comparison.right.evaluate(scope)))
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return (number(left) > number(right)) - (number(left) < number(right))


def asks_for_absence(expression: Expression) -> bool:
    """Tell whether it compares with nil, empty or blank: then a side that is missing does not raise."""
    if not isinstance(expression, EqExpression | NeExpression):
        return False
    return isinstance(expression.left, Nil | Empty | Blank) or isinstance(expression.right, Nil | Empty | Blank)
