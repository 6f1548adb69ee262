"""How YAML becomes plain JSON that remembers where each value was written, and where reading ends for good."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from ruamel.yaml import YAMLError

from assay.errors import Issue
from assay.yamltext.codes import YamlCode
from assay.yamltext.scalars import plain_value
from assay.yamltext.tokens import Position, Token, tokens

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 50

Path = tuple[str | int, ...]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LITERAL = "|"


@dataclass(frozen=True, slots=True)
class Scalar:
    """How a text value is written, as far as needed to find a place inside it."""

    start: Position
    first_line: int
    raw_lines: tuple[str, ...]
    style: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML document: plain JSON, and the place of each value and key."""

    value: JsonValue
    values: Mapping[Path, Position]
    keys: Mapping[Path, Position]
    scalars: Mapping[Path, Scalar]

    def key_position(self, path: Path) -> Position:
        """Where the key (or list item) at `path` is written; for what is missing, where its parent is."""
        while path not in self.values and path:
            path = path[:-1]
        return self.keys.get(path) or self.values[path]

    def value_position(self, path: Path) -> Position:
        """Where the value at `path` is written; for what is missing, where its parent is."""
        while path not in self.values and path:
            path = path[:-1]
        return self.values[path]

    def position_within(self, path: Path, line: int | None, column: int | None) -> Position:
        """Where line and column of the text value at `path` stand in the file; its start where that is not known."""
        scalar = self.scalars.get(path)
        if scalar is None or line is None or column is None:
            return self.value_position(path)
        value_lines = self._text(path).split("\n")
        is_literal = scalar.style == _LITERAL
        if not is_literal and (len(value_lines) > 1 or len(scalar.raw_lines) > 1):
            return scalar.start
        if not 0 < line <= min(len(value_lines), len(scalar.raw_lines)):
            return scalar.start
        indent = scalar.raw_lines[line - 1].find(value_lines[line - 1])
        if indent < 0:
            return scalar.start
        offset = 0 if is_literal else scalar.start.column - 1
        return Position(scalar.first_line + line - 1, offset + indent + column)

    def _text(self, path: Path) -> str:
        value: Any = self.value
        for part in path:
            value = value[part]
        return str(value)


def parse_yaml(text: str) -> tuple[Document | None, list[Issue]]:
    """Read one YAML document of up to 1 MiB, 20,000 values and 50 levels.

    Never raises for bad text: without a document, the issues say why; with one, they name what was passed over:
    keys that stand twice (the first counts), tags, and values that are not JSON.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"The file has {size:,} bytes; {MAX_BYTES:,} are allowed."
        return None, [Issue("<root>", message, YamlCode.YAML_LIMIT, line=1, column=1)]
    builder = _Builder(text)
    try:
        value = builder.document()
    except _RefusedError as refusal:
        return None, [*builder.issues, refusal.issue]
    except YAMLError as error:
        return None, [*builder.issues, _syntax_issue(error, text)]
    return Document(value, builder.values, builder.keys, builder.scalars), builder.issues


def dotted(path: Path) -> str:
    """Write a path as issues name it: `steps.2.with.pattern`, `<root>` for the whole."""
    return ".".join(str(part) for part in path) or "<root>"


class _RefusedError(Exception):
    def __init__(self, message: str, code: YamlCode, position: Position, hint: str | None = None) -> None:
        super().__init__(message)
        self.issue = Issue("<root>", message, code, hint=hint, line=position.line, column=position.column)


class _Builder:
    """Builds one document, and gives up at the first token that breaks a limit."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: dict[Path, Position] = {}
        self.keys: dict[Path, Position] = {}
        self.scalars: dict[Path, Scalar] = {}
        self.issues: list[Issue] = []
        self._anchors: dict[str, list[Token]] = {}
        self._recordings: list[list[Token]] = []
        self._replaying = False
        self._count = 0

    def document(self) -> JsonValue:
        stream = self._recorded(tokens(self.text))
        first = next((token for token in stream if token.kind != "document"), None)
        if first is None:
            message = "The file is empty."
            raise _RefusedError(message, YamlCode.YAML_SYNTAX, Position(1, 1))
        value = self._value(first, stream, ())
        for token in stream:
            message = "The file holds more than one document."
            raise _RefusedError(message, YamlCode.YAML_SYNTAX, token.position, "Remove the line `---`.")
        return value

    def _recorded(self, stream: Iterator[Token]) -> Iterator[Token]:
        for token in stream:
            for recording in self._recordings:
                recording.append(token)
            yield token

    def _value(self, token: Token, stream: Iterator[Token], path: Path) -> JsonValue:
        self.values[path] = token.position
        self._count_value(token, len(path))
        if token.kind == "alias":
            return self._alias(token, path)
        if token.anchor is None or self._replaying:
            return self._content(token, stream, path)
        self._anchors.pop(token.anchor, None)
        recording = [token]
        self._recordings.append(recording)
        value = self._content(token, stream, path)
        self._recordings.pop()
        self._anchors[token.anchor] = recording
        return value

    def _alias(self, token: Token, path: Path) -> JsonValue:
        anchored = self._anchors.get(token.anchor or "")
        if anchored is None:
            message = f"There is no complete anchor &{token.anchor} before this alias."
            raise _RefusedError(message, YamlCode.YAML_SYNTAX, token.position)
        replayed = iter(anchored)
        self._replaying = True
        value = self._content(next(replayed), replayed, path)
        self._replaying = False
        for recording in self._recordings:
            recording[-1:] = anchored
        return value

    def _content(self, token: Token, stream: Iterator[Token], path: Path) -> JsonValue:
        if token.tag is not None:
            tag = token.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._report(f"Tags such as {tag} are not allowed.", YamlCode.YAML_TAG, path, token)
        if token.kind == "scalar":
            return self._scalar(token, path)
        return self._mapping(stream, path) if token.kind == "mapping" else self._sequence(stream, path)

    def _mapping(self, stream: Iterator[Token], path: Path) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        for token in stream:
            if token.kind == "end":
                break
            key = self._key(token)
            inner = (*path, key)
            if key in mapping:
                self._report(f"The key {key!r} stands here twice.", YamlCode.DUPLICATE_KEY, inner, token)
                self._pass_over(stream, len(inner))
                continue
            self.keys[inner] = token.position
            mapping[key] = self._value(next(stream), stream, inner)
        return mapping

    def _key(self, token: Token) -> str:
        if token.kind != "scalar":
            message = "A key must be a plain word."
            raise _RefusedError(message, YamlCode.YAML_SYNTAX, token.position)
        if _UNSTORABLE.search(token.value):
            message = "A key holds a character that cannot be stored (NUL or half of a surrogate pair)."
            raise _RefusedError(message, YamlCode.INVALID_VALUE, token.position)
        return token.value

    def _sequence(self, stream: Iterator[Token], path: Path) -> JsonValue:
        sequence: list[JsonValue] = []
        for token in stream:
            if token.kind == "end":
                break
            sequence.append(self._value(token, stream, (*path, len(sequence))))
        return sequence

    def _pass_over(self, stream: Iterator[Token], outer: int) -> None:
        depth = 0
        for token in stream:
            self._count_value(token, outer + depth)
            if token.kind in {"mapping", "sequence"}:
                depth += 1
            elif token.kind == "end":
                depth -= 1
            if depth == 0:
                return

    def _scalar(self, token: Token, path: Path) -> JsonValue:
        value: JsonValue = token.value
        if token.style is None:
            try:
                value = plain_value(token.value)
            except ValueError as error:
                self._report(str(error), YamlCode.INVALID_VALUE, path, token)
                return None
        if isinstance(value, str):
            self.scalars[path] = self._written(token)
            if _UNSTORABLE.search(value):
                message = "The text holds a character that cannot be stored (NUL or half of a surrogate pair)."
                self._report(message, YamlCode.INVALID_VALUE, path, token)
        return value

    def _written(self, token: Token) -> Scalar:
        begin, first_line = token.begin, token.position.line
        if token.style == _LITERAL:
            # The mark is at the indicator, or behind it where a comment follows; the text begins on the next line.
            begin = self.text.find("\n", max(0, token.begin - 1)) + 1
            first_line += self.text.count("\n", token.begin, begin)
        return Scalar(token.position, first_line, tuple(self.text[begin : token.end].split("\n")), token.style)

    def _count_value(self, token: Token, depth: int) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            message = f"The file holds more than {MAX_VALUES:,} values, aliases counted as often as they are used."
            raise _RefusedError(message, YamlCode.YAML_LIMIT, token.position)
        if depth > MAX_DEPTH:
            message = f"The file is nested deeper than {MAX_DEPTH} levels."
            raise _RefusedError(message, YamlCode.YAML_LIMIT, token.position)

    def _report(self, message: str, code: YamlCode, path: Path, token: Token) -> None:
        line, column = token.position
        self.issues.append(Issue(dotted(path), message, code, line=line, column=column))


def _syntax_issue(error: YAMLError, text: str) -> Issue:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        position = Position(mark.line + 1, mark.column + 1)
    else:
        position = _position_of(getattr(error, "position", 0), text)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML"
    context = getattr(error, "context", None)
    message = f"{problem} ({context})" if context else str(problem)
    hint = "Indent with blanks." if "\\t" in message else None
    return Issue("<root>", message, YamlCode.YAML_SYNTAX, hint=hint, line=position.line, column=position.column)


def _position_of(offset: int, text: str) -> Position:
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
