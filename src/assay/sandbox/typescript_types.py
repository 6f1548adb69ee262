"""Which JSON Schema a TypeScript type stands for."""

import json
from collections.abc import Callable
from typing import Any, Final

from tree_sitter import Node

_DEPTH: Final = 20
_PARTS: Final = 2000
_PREDEFINED: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "any": {},
    "unknown": {},
}
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_LISTS: Final = frozenset({"Array", "ReadonlyArray"})

Schema = dict[str, Any]


class UnreadableTypeError(Exception):
    """A type that has no JSON Schema, and why."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(f"The return type cannot be read: {reason}.")
        self.node = node


def text_of(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode(errors="replace")


class Types:
    """Reads types of one script, its top-level aliases and interfaces among them."""

    def __init__(self, root: Node) -> None:
        self._declared: dict[str, Node] = {}
        for statement in root.named_children:
            name = statement.child_by_field_name("name")
            if statement.type in {"type_alias_declaration", "interface_declaration"} and name is not None:
                self._declared[text_of(name)] = statement
        self._open: list[str] = []
        self._depth = 0
        self._parts = 0
        self._readers: dict[str, Callable[[Node], Schema]] = {
            "predefined_type": self._predefined,
            "literal_type": self._literal,
            "parenthesized_type": lambda node: self.schema(node.named_children[0]),
            "readonly_type": lambda node: self.schema(node.named_children[0]),
            "array_type": lambda node: {"type": "array", "items": self.schema(node.named_children[0])},
            "tuple_type": self._tuple,
            "object_type": self._object,
            "interface_body": self._object,
            "union_type": self._union,
            "intersection_type": lambda node: {"allOf": [self.schema(part) for part in _parts(node)]},
            "generic_type": self._generic,
            "type_identifier": self._reference,
        }

    def schema(self, node: Node) -> Schema:
        """Return the schema.

        Raises:
            UnreadableTypeError: It has none.
        """
        reader = self._readers.get(node.type)
        if reader is None:
            raise UnreadableTypeError(node, f"{text_of(node)[:40]} is not a shape of JSON")
        if self._depth >= _DEPTH:
            raise UnreadableTypeError(node, "it is nested too deeply")
        # Every use of a declared type is written out, so that a few lines can stand for billions of parts.
        self._parts += 1
        if self._parts > _PARTS:
            raise UnreadableTypeError(node, f"written out it has more than {_PARTS:,} parts")
        self._depth += 1
        try:
            return reader(node)
        finally:
            self._depth -= 1

    def _predefined(self, node: Node) -> Schema:
        name = text_of(node)
        if name not in _PREDEFINED:
            raise UnreadableTypeError(node, f"{name} is not JSON")
        return dict(_PREDEFINED[name])

    def _literal(self, node: Node) -> Schema:
        value = _constant(node)
        return {"type": "null"} if value is None else {"const": value}

    def _tuple(self, node: Node) -> Schema:
        items = [self.schema(item) for item in _without_comments(node)]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _object(self, node: Node) -> Schema:
        schema: Schema = {"type": "object"}
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for member in _without_comments(node):
            if member.type == "index_signature":
                schema["additionalProperties"] = self._annotated(member)
                continue
            if member.type != "property_signature":
                raise UnreadableTypeError(member, "it has a method")
            name, optional = _property_name(member), any(child.type == "?" for child in member.children)
            annotation = member.child_by_field_name("type")
            if annotation is not None:
                parts = _parts(annotation.named_children[0])
                defined = [part for part in parts if text_of(part) != "undefined"]
                optional = optional or len(defined) < len(parts)
                properties[name] = self._alternatives(annotation.named_children[0], defined)
            else:
                properties[name] = {}
            if not optional:
                required.append(name)
        if properties:
            schema["properties"] = properties
        if required:
            schema["required"] = required
        return schema

    def _annotated(self, member: Node) -> Schema:
        annotation = member.child_by_field_name("type")
        return {} if annotation is None else self.schema(annotation.named_children[0])

    def _union(self, node: Node) -> Schema:
        return self._alternatives(node, _parts(node))

    def _alternatives(self, whole: Node, parts: list[Node]) -> Schema:
        if not parts:
            raise UnreadableTypeError(whole, "undefined is not JSON")
        if len(parts) == 1:
            return self.schema(parts[0])
        if all(part.type == "literal_type" for part in parts):
            return {"enum": [_constant(part) for part in parts]}
        return {"anyOf": [self.schema(part) for part in parts]}

    def _generic(self, node: Node) -> Schema:
        name = node.child_by_field_name("name")
        listed = node.child_by_field_name("type_arguments")
        called, arguments = text_of(name) if name is not None else "", listed.named_children if listed else []
        if called in _LISTS and len(arguments) == 1:
            return {"type": "array", "items": self.schema(arguments[0])}
        if called == "Record" and len(arguments) == 2:
            return self._record(arguments[0], arguments[1])
        if called == "Readonly" and len(arguments) == 1:
            return self.schema(arguments[0])
        if called == "Partial" and len(arguments) == 1:
            return {key: value for key, value in self.schema(arguments[0]).items() if key != "required"}
        if called == "Promise":
            raise UnreadableTypeError(node, "scripts are synchronous")
        raise UnreadableTypeError(node, f"{called} is not known here")

    def _record(self, keys: Node, values: Node) -> Schema:
        if text_of(keys) in {"string", "number"}:
            return {"type": "object", "additionalProperties": self.schema(values)}
        names = [_constant(part) for part in _parts(keys)]
        value = self.schema(values)
        return {"type": "object", "properties": {str(name): value for name in names}, "required": names}

    def _reference(self, node: Node) -> Schema:
        name = text_of(node)
        if name == "Date":
            return {"type": "string", "format": "date-time"}
        declared = self._declared.get(name)
        if declared is None or declared.child_by_field_name("type_parameters") is not None:
            raise UnreadableTypeError(node, f"{name} is not known here")
        if name in self._open:
            raise UnreadableTypeError(node, f"{name} contains itself")
        self._open.append(name)
        try:
            return self._declaration(declared)
        finally:
            self._open.pop()

    def _declaration(self, declared: Node) -> Schema:
        value = declared.child_by_field_name("value")
        if value is not None:
            return self.schema(value)
        body = declared.child_by_field_name("body")
        assert body is not None
        extended = [
            self.schema(base)
            for clause in declared.named_children
            if clause.type == "extends_type_clause"
            for base in clause.named_children
        ]
        own = self.schema(body)
        return {"allOf": [*extended, own]} if extended else own


def _parts(node: Node) -> list[Node]:
    """Return the members of a union or intersection, which the grammar nests to the left, in their order."""
    parts: list[Node] = []
    kind = node.type if node.type in {"union_type", "intersection_type"} else None
    while node.type == kind and len(_without_comments(node)) == 2:
        node, last = _without_comments(node)
        parts.append(last)
    parts.append(_without_comments(node)[0] if node.type == kind else node)
    return parts[::-1]


def _without_comments(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _property_name(member: Node) -> str:
    name = member.child_by_field_name("name")
    if name is None or name.type == "computed_property_name":
        raise UnreadableTypeError(member, "it has a computed name")
    return _unquoted(name) if name.type == "string" else text_of(name)


def _constant(node: Node) -> str | float | bool | None:
    inner = node.named_children[0] if node.type == "literal_type" and node.named_children else node
    text = text_of(inner)
    if inner.type == "string":
        return _unquoted(inner)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        number = json.loads(text.replace("_", "").replace(" ", ""))
    except ValueError:
        number = None
    if isinstance(number, (int, float)):
        return number
    raise UnreadableTypeError(node, f"{text[:40]} is not a value of JSON")


def _unquoted(node: Node) -> str:
    text = text_of(node)[1:-1]
    if "\\" in text:
        raise UnreadableTypeError(node, "it has a name or value with an escape")
    return text
