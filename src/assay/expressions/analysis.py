"""What can be told about a template without data: what it reads, and whether it is written correctly."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

from liquid import Expression, Node
from liquid.builtin.expressions import FilteredExpression, Path

from assay.errors import Issue
from assay.expressions.language import compile_template, find_problems, is_template, place
from assay.expressions.nodes import LenientCondition, asks_for_absence
from assay.expressions.tree import children


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where a template reads data.

    `path` is the name and its members as far as they are fixed (`a[b].c` is `("a",)`, and `b` a reference of its own);
    `line` and `column` count from 1 within the template; `guarded` is true where it does not matter if it is
    missing: before `default`, in a comparison with nil, empty or blank, or in the condition of a tag or filter.
    """

    path: tuple[str | int, ...]
    line: int
    column: int
    guarded: bool


def references(source: str) -> tuple[Reference, ...]:
    """List what a template reads, in the order of its text; names the template makes itself are left out.

    Raises:
        TemplateSyntaxError: the template is not written correctly.
        TemplateLimitError: it is too large.
    """
    if not is_template(source):
        return ()
    found = _in_nodes(compile_template(source).bound.nodes, set(), frozenset())
    return tuple(Reference(_fixed(path), *place(source, path.token.start_index), guarded) for path, guarded in found)


def check(source: str) -> list[Issue]:
    """List everything that is wrong with the grammar of a template: unclosed, unknown, misplaced, too much.

    Returns an empty list for a correct template and for text without markup. Line and column count from 1
    within the template.
    """
    if not is_template(source):
        return []
    return [issue for problem in find_problems(source) for issue in problem.issues]


_Found = Iterator[tuple[Path, bool]]


def _in_nodes(nodes: Iterable[Node], assigned: set[str], local: Set[str]) -> _Found:
    """Go through nodes; `assigned` grows with the names that the template sets from there on."""
    for node in nodes:
        for expression in node.expressions():
            yield from _in_expression(expression, assigned | local, guarded=False)
        assigned.update(node.template_scope())
        yield from _in_nodes(children(node), assigned, local | set(node.block_scope()))


def _in_expression(expression: Expression, known: Set[str], *, guarded: bool) -> _Found:
    if isinstance(expression, Path) and expression.path[0] not in known:
        yield expression, guarded
    inner = guarded or isinstance(expression, LenientCondition) or asks_for_absence(expression)
    own = set(expression.scope())
    for index, child in enumerate(expression.children()):
        safe = inner or bool(own) or (index == 0 and _has_default(expression))
        yield from _in_expression(child, known | own, guarded=safe and not isinstance(expression, Path))


def _has_default(expression: Expression) -> bool:
    return isinstance(expression, FilteredExpression) and bool(
        expression.filters and expression.filters[0].name == "default"
    )


def _fixed(path: Path) -> tuple[str | int, ...]:
    return cast("tuple[str | int, ...]", tuple(takewhile(lambda key: not isinstance(key, Path), path.path)))
