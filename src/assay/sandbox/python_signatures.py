"""How a Python function's signature is read from its syntax tree, and which JSON Schema its annotation stands for."""

import ast
import warnings
from typing import Any, Final

from assay.errors import Issue
from assay.sandbox.model import Signature

Schema = dict[str, Any]

_DEPTH: Final = 20
_PLAIN: Final[dict[str, Schema]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
    "tuple": {"type": "array"},
    "Any": {},
    "object": {},
}


class _UnreadableAnnotationError(Exception):
    def __init__(self, node: ast.expr) -> None:
        super().__init__(f"The return annotation cannot be read: {ast.unparse(node)[:40]} is not a shape of JSON.")
        self.node = node


def python_signature(source: str, function: str) -> Signature:
    """Read the signature; what Monty's Python lacks beyond that (inheritance, yield…) shows when it runs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(source)
    except SyntaxError as error:
        issue = Issue("<root>", error.msg, "script_syntax", line=error.lineno or 1, column=error.offset or 1)
        return Signature((), None, (issue,))
    except (ValueError, RecursionError, MemoryError):
        return Signature((), None, (Issue("<root>", "The script cannot be read.", "script_syntax"),))
    found = [
        statement
        for statement in module.body
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == function
    ]
    if not found:
        message = f'The script declares no function "{function}".'
        return Signature((), None, (Issue("<root>", message, "script_function_missing"),))
    return _read(found[-1])


def _read(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    problems: list[Issue] = []
    if isinstance(function, ast.AsyncFunctionDef):
        problems.append(_issue(function, "The function must be synchronous.", "script_asynchronous"))
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        message = "Parameters are plain names: no *args, **kwargs and no keyword-only ones."
        problems.append(_issue(function, message, "script_parameters"))
    parameters = tuple(argument.arg for argument in (*arguments.posonlyargs, *arguments.args))
    schema = None
    if function.returns is not None:
        try:
            schema = _schema(function.returns)
        except _UnreadableAnnotationError as error:
            problems.append(_issue(error.node, str(error), "script_return_type", warning=True))
    return Signature(parameters, schema, tuple(problems))


def _schema(node: ast.expr, depth: int = 0) -> Schema:
    if depth > _DEPTH:
        raise _UnreadableAnnotationError(node)
    if isinstance(node, ast.Constant) and node.value is None:
        return dict(_PLAIN["None"])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _any_of([_schema(side, depth + 1) for side in (node.left, node.right)])
    if isinstance(node, ast.Subscript):
        return _subscript(node, depth)
    name = _name(node)
    if name not in _PLAIN:
        raise _UnreadableAnnotationError(node)
    return dict(_PLAIN[name])


def _subscript(node: ast.Subscript, depth: int) -> Schema:
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    name = _name(node.value)
    if name == "Literal":
        return {"enum": [_constant(argument) for argument in arguments]}
    if name == "tuple":
        return _tuple(arguments, depth)
    inner = [_schema(argument, depth + 1) for argument in arguments]
    if name in {"list", "List"} and len(inner) == 1:
        return {"type": "array", "items": inner[0]}
    if name in {"dict", "Dict"} and len(inner) == 2 and inner[0] == _PLAIN["str"]:
        return {"type": "object", "additionalProperties": inner[1]}
    if name == "Optional" and len(inner) == 1:
        return _any_of([inner[0], _PLAIN["None"]])
    if name == "Union":
        return _any_of(inner)
    raise _UnreadableAnnotationError(node)


def _tuple(arguments: list[ast.expr], depth: int) -> Schema:
    if len(arguments) == 2 and isinstance(arguments[1], ast.Constant) and arguments[1].value is ...:
        return {"type": "array", "items": _schema(arguments[0], depth + 1)}
    items = [_schema(argument, depth + 1) for argument in arguments]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _any_of(parts: list[Schema]) -> Schema:
    flat: list[Schema] = []
    for part in parts:
        flat.extend(part["anyOf"] if set(part) == {"anyOf"} else [part])
    return {"anyOf": flat}


def _constant(node: ast.expr) -> str | int | bool | None:
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (str, int))):
        return node.value
    raise _UnreadableAnnotationError(node)


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "typing":
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _issue(node: ast.expr | ast.stmt, message: str, code: str, *, warning: bool = False) -> Issue:
    severity = "warning" if warning else "error"
    return Issue("<root>", message, code, severity, line=node.lineno, column=node.col_offset + 1)
