"""How a JavaScript or TypeScript function's signature is read from its syntax tree."""

from collections.abc import Iterator
from functools import cache
from typing import Final

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from assay.errors import Issue
from assay.sandbox.model import Signature
from assay.sandbox.typescript_types import Types, UnreadableTypeError, text_of

_FUNCTIONS: Final = frozenset(
    {"function_declaration", "generator_function_declaration", "arrow_function", "function_expression"}
)
_DECLARATIONS: Final = frozenset({"lexical_declaration", "variable_declaration"})
_TYPE_SYNTAX: Final = frozenset({"type_annotation", "type_alias_declaration", "interface_declaration", "as_expression"})


def typescript_signature(source: str, function: str, *, typed: bool) -> Signature:
    """Read the signature; where `typed` is False, type syntax is an error, since nobody takes it out."""
    root = _parse(source)
    unread = next((node for node in _walk(root) if node.is_error or node.is_missing), None)
    if unread:
        return _nothing(unread, _unread_message(unread), "script_syntax")
    foreign = None if typed else next((node for node in _walk(root) if node.type in _TYPE_SYNTAX), None)
    if foreign:
        return _nothing(foreign, "Types are TypeScript; this script is JavaScript.", "script_syntax")
    found = _find(root, function)
    if found is None:
        return _nothing(root, f'The script declares no function "{function}".', "script_function_missing", line=None)
    return _read(found, root)


def _parse(source: str) -> Node:
    # Lone surrogates are no text; as question marks they are unreadable or inside a string, and harmless.
    return _parser().parse(source.encode(errors="replace")).root_node


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_typescript.language_typescript()))


def _walk(root: Node) -> Iterator[Node]:
    """Yield all nodes, in the order of the text; without recursion, since depth is the script's choice."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _find(root: Node, name: str) -> Node | None:
    found = None
    for statement in root.named_children:
        if statement.type in _FUNCTIONS and _name(statement) == name:
            found = statement
        if statement.type in _DECLARATIONS:
            for declarator in statement.named_children:
                value = declarator.child_by_field_name("value")
                if _name(declarator) == name and value is not None and value.type in _FUNCTIONS:
                    found = value
    return found


def _name(node: Node) -> str | None:
    name = node.child_by_field_name("name")
    return text_of(name) if name is not None else None


def _read(function: Node, root: Node) -> Signature:
    problems: list[Issue] = []
    if "generator" in function.type or any(child.type in {"async", "*"} for child in function.children):
        message = "The function must be synchronous: neither async nor a generator."
        problems.append(_issue(function, message, "script_asynchronous"))
    parameters = _parameters(function, problems)
    return Signature(parameters, _return_schema(function, root, problems), tuple(problems))


def _parameters(function: Node, problems: list[Issue]) -> tuple[str, ...]:
    single = function.child_by_field_name("parameter")
    if single is not None:
        return (text_of(single),)
    names: list[str] = []
    listed = function.child_by_field_name("parameters")
    for parameter in listed.named_children if listed is not None else ():
        if parameter.type == "comment":
            continue
        pattern = parameter.child_by_field_name("pattern")
        if pattern is None or pattern.type != "identifier":
            message = "Parameters are plain names: no patterns and no rest parameter."
            problems.append(_issue(parameter, message, "script_parameters"))
        elif text_of(pattern) in names:
            problems.append(_issue(parameter, f'"{text_of(pattern)}" comes twice.', "script_parameters"))
        else:
            names.append(text_of(pattern))
    return tuple(names)


def _return_schema(function: Node, root: Node, problems: list[Issue]) -> dict[str, object] | None:
    annotation = function.child_by_field_name("return_type")
    if annotation is None:
        return None
    try:
        return Types(root).schema(annotation.named_children[0])
    except UnreadableTypeError as error:
        problems.append(_issue(error.node, str(error), "script_return_type", warning=True))
        return None


def _unread_message(node: Node) -> str:
    if node.is_missing:
        return f'"{node.type}" is missing.'
    near = text_of(node).split("\n", 1)[0][:40]
    return f"The script cannot be read near: {near}" if near else "The script cannot be read."


def _nothing(node: Node, message: str, code: str, **place: None) -> Signature:
    issue = Issue("<root>", message, code) if place else _issue(node, message, code)
    return Signature((), None, (issue,))


def _issue(node: Node, message: str, code: str, *, warning: bool = False) -> Issue:
    row, column = node.start_point
    severity = "warning" if warning else "error"
    return Issue("<root>", message, code, severity, line=row + 1, column=column + 1)
