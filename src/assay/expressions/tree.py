"""How the parse tree of a template is walked: every node, every expression in it."""

from collections.abc import Iterable, Iterator

from liquid import BoundTemplate, Environment, Expression, Node, RenderContext

# A node asks for a context to find the files it includes; no node here includes any.
_NO_CONTEXT = RenderContext(BoundTemplate(Environment(), []))


def children(node: Node) -> Iterable[Node]:
    """Return the nodes directly within a node."""
    return node.children(_NO_CONTEXT)


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """Go through nodes and all nodes within them, in the order of the source."""
    for node in nodes:
        yield node
        yield from walk(children(node))


def within(expression: Expression) -> Iterator[Expression]:
    """Go through an expression and all expressions within it, in the order of the source."""
    yield expression
    for child in expression.children():
        yield from within(child)


def expressions(nodes: Iterable[Node]) -> Iterator[Expression]:
    """Go through all expressions in nodes and in all nodes within them."""
    for node in walk(nodes):
        for expression in node.expressions():
            yield from within(expression)
