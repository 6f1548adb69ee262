"""What an output looks like as a form: labelled fields by type, tables of lines, and the way back to JSON."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import jsonpointer
from pydantic import JsonValue

from assay import jsontext, readings

FieldKind = Literal["text", "long", "number", "choice", "unknown", "json"]

MOST_FIELDS = 3_000
MOST_COLUMNS = 12
MOST_LEVELS = 8
_LONG = 70
_NOTES = frozenset({"_grounding", "_evidence", "_unmatched", "_degraded", "_reason"})
"""What steps say about their values; it is no field of its own."""
_KINDS: Mapping[str, FieldKind] = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "choice",
    "object": "json",
    "array": "json",
}
_NOWHERE: Any = object()


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the document a value stands, and how sure that is; `box` is `x0 y0 x1 y1`, `sheet` `width height`."""

    page: int | None = None
    box: str | None = None
    sheet: str | None = None
    text: str = ""
    confidence: str | None = None
    doubtful: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One value. `text` is how it is written in its control, `was` how the output has it (None: it has no such)."""

    pointer: str
    label: str
    kind: FieldKind
    text: str
    was: str | None
    source: Source | None
    problem: str | None = None
    shape: Literal["field"] = "field"

    @property
    def changed(self) -> bool:
        """Whether it is not what the run put out."""
        return self.text != (self.was or "")


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    pointer: str
    label: str
    children: "Sequence[Node]"
    shape: Literal["group"] = "group"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line; `is_new` where the output has none at this place."""

    pointer: str
    cells: Sequence[Field]
    dropped: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A list of alike objects. `columns` are key, label and kind; `next_row` is where a new one goes."""

    pointer: str
    label: str
    columns: Sequence[tuple[str, str, FieldKind]]
    rows: Sequence[TableRow]
    shape: Literal["table"] = "table"

    @property
    def next_row(self) -> int:
        """How many there are."""
        return len(self.rows)


Node = Field | Group | Table


@dataclass(frozen=True, slots=True)
class Form:
    """An output as a form; `left_out` counts values beyond the first 3,000, which only the JSON has."""

    nodes: Sequence[Node]
    fields: Mapping[str, Field]
    tables: Mapping[str, Table]
    left_out: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """What somebody filled in: texts by pointer, how a value of no known kind is meant, rows to drop, the raw JSON."""

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    meant: Mapping[str, str] = field(default_factory=dict[str, str])
    drops: frozenset[str] = frozenset()
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What the output should have been, or which fields cannot be read, by pointer (`raw` for the JSON)."""

    value: JsonValue = None
    problems: Mapping[str, str] = field(default_factory=dict[str, str])


def form_of(
    shown: JsonValue,
    output: JsonValue,
    schema: Mapping[str, Any] | None = None,
    sources: Mapping[str, Source] | None = None,
    submitted: Submitted | None = None,
    problems: Mapping[str, str] | None = None,
) -> Form:
    """Return `shown` as a form that marks what differs from `output`; `submitted` stands in it where it differs."""
    maker = _Maker(output, sources or {}, submitted or Submitted(), problems or {})
    nodes = maker.nodes("", shown, schema, "Output", 0)
    return Form(nodes, maker.fields, maker.tables, maker.left_out)


def raw_text(value: JsonValue) -> str:
    """Write a value as JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def corrected(shown: JsonValue, form: Form, submitted: Submitted) -> Corrected:
    """Apply what was filled in to what was shown: the JSON where that was changed, then the fields that were."""
    problems: dict[str, str] = {}
    value = copy.deepcopy(shown)
    if submitted.raw is not None and _lines(submitted.raw).strip() != raw_text(shown).strip():
        try:
            value = _json(submitted.raw)
        except ValueError as error:
            return Corrected(problems={"raw": f"This is no JSON: {error}."})
    added: dict[tuple[str, int], dict[str, JsonValue]] = {}
    for pointer, text in submitted.texts.items():
        known = form.fields.get(pointer)
        if known is None:
            _add(added, form, pointer, text, problems)
        elif _lines(text) != _lines(known.text):
            try:
                given = _read(known.kind, _lines(text), submitted.meant.get(pointer))
                value = _put(value, pointer, given)
            except ValueError as error:
                problems[pointer] = str(error)
    for (table, _), row in sorted(added.items(), key=lambda item: item[0]):
        rows = jsonpointer.JsonPointer(table).resolve(value, None)
        if isinstance(rows, list):
            cast("list[JsonValue]", rows).append(cast("JsonValue", row))
    for pointer in sorted(submitted.drops, key=_place, reverse=True):
        _drop(value, pointer)
    return Corrected(value, problems)


def own_changes(form: Form, output: JsonValue, submitted: Submitted) -> Submitted:
    """Return what differs from what the run put out: what somebody changed himself, whatever others did meanwhile."""
    known = {pointer: _lines(one.was or "") for pointer, one in form.fields.items()}
    texts = {pointer: text for pointer, text in submitted.texts.items() if _lines(text) != known.get(pointer)}
    is_raw_changed = submitted.raw is not None and _lines(submitted.raw).strip() != raw_text(output).strip()
    return replace(submitted, texts=texts, raw=submitted.raw if is_raw_changed else None)


@dataclass
class _Maker:
    output: JsonValue
    sources: Mapping[str, Source]
    submitted: Submitted
    problems: Mapping[str, str]
    fields: dict[str, Field] = field(default_factory=dict[str, Field])
    tables: dict[str, Table] = field(default_factory=dict[str, Table])
    left_out: int = 0

    def nodes(
        self, pointer: str, value: JsonValue, schema: Mapping[str, Any] | None, label: str, level: int
    ) -> list[Node]:
        """Return what a value consists of."""
        if isinstance(value, dict) and value and level < MOST_LEVELS:
            known = _properties(schema)
            return [
                node
                for name, inner in value.items()
                if name not in _NOTES
                for node in self._named(_below(pointer, name), inner, known.get(name), _label(name, known), level)
            ]
        if isinstance(value, list) and value and level < MOST_LEVELS:
            return self._list(pointer, value, schema, label, level)
        made = self._field(pointer, label, _kind(value, schema), _text(value))
        return [made] if made else []

    def _named(
        self, pointer: str, value: JsonValue, schema: Mapping[str, Any] | None, label: str, level: int
    ) -> list[Node]:
        inner = self.nodes(pointer, value, schema, label, level + 1)
        if len(inner) == 1 and inner[0].pointer == pointer:
            return inner
        return [Group(pointer, label, inner)] if inner else []

    def _list(
        self, pointer: str, value: Sequence[JsonValue], schema: Mapping[str, Any] | None, label: str, level: int
    ) -> list[Node]:
        of_item = _items(schema)
        columns = _columns(value, of_item)
        if columns:
            return [self._table(pointer, label, columns, value)]
        return [
            node
            for place, inner in enumerate(value)
            for node in self._named(f"{pointer}/{place}", inner, of_item, f"{label} {place + 1}", level)
        ]

    def _table(
        self,
        pointer: str,
        label: str,
        columns: Sequence[tuple[str, str, FieldKind]],
        value: Sequence[JsonValue],
    ) -> Table:
        rows: list[TableRow] = []
        for place, row in enumerate(value):
            of_row = f"{pointer}/{place}"
            cells: list[Field] = []
            for key, name, kind in columns:
                held = cast("dict[str, JsonValue]", row).get(key)
                own = _kind(held, None) if held is not None else kind
                made = self._field(_below(of_row, key), f"{name}, line {place + 1}", own, _text(held))
                if made is None:
                    break
                cells.append(made)
            if len(cells) < len(columns):
                self.left_out += (len(value) - place - 1) * len(columns)
                break
            is_new = _at(self.output, of_row) is _NOWHERE
            rows.append(TableRow(of_row, cells, of_row in self.submitted.drops, is_new))
        table = Table(pointer, label, columns, rows)
        self.tables[pointer] = table
        return table

    def _field(self, pointer: str, label: str, kind: FieldKind, text: str) -> Field | None:
        if len(self.fields) >= MOST_FIELDS:
            self.left_out += 1
            return None
        was = _at(self.output, pointer)
        made = Field(
            pointer=pointer,
            label=label,
            kind=kind,
            text=self.submitted.texts.get(pointer, text),
            was=None if was is _NOWHERE else _text(was),
            source=self.sources.get(pointer),
            problem=self.problems.get(pointer),
        )
        self.fields[pointer] = made
        return made


def _columns(value: Sequence[JsonValue], schema: Mapping[str, Any] | None) -> list[tuple[str, str, FieldKind]]:
    names: dict[str, FieldKind] = {}
    known = _properties(schema)
    for row in value:
        if not isinstance(row, dict) or not row:
            return []
        for name, inner in row.items():
            if name in _NOTES:
                continue
            if isinstance(inner, (dict, list)):
                return []
            kind = _kind(inner, known.get(name))
            if names.get(name, "unknown") == "unknown" or kind == "long":
                names[name] = kind
    if not 0 < len(names) <= MOST_COLUMNS:
        return []
    return [(name, _label(name, known), "text" if kind == "unknown" else kind) for name, kind in names.items()]


def _kind(value: JsonValue, schema: Mapping[str, Any] | None) -> FieldKind:
    if isinstance(value, bool):
        return "choice"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "long" if len(value) > _LONG or "\n" in value or "\r" in value else "text"
    if value is not None:
        return "json"
    said = (schema or {}).get("type")
    types = [said] if isinstance(said, str) else cast("list[str]", said) if isinstance(said, list) else []
    known: list[FieldKind] = [_KINDS[one] for one in types if one in _KINDS]
    return known[0] if known else "unknown"


def _text(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else jsontext.write(value)


def _read(kind: FieldKind, text: str, meant: str | None) -> JsonValue:
    if kind == "unknown" and meant in {"number", "choice"}:
        return _read(cast("FieldKind", meant), text, None)
    if not text.strip():
        return None
    if kind == "choice":
        if text not in {"true", "false"}:
            message = "Choose yes, no or nothing."
            raise ValueError(message)
        return text == "true"
    if kind == "number":
        return _number(text)
    if kind == "json":
        try:
            return _json(text)
        except ValueError as error:
            message = f"This is no JSON: {error}."
            raise ValueError(message) from error
    return text


def _number(text: str) -> JsonValue:
    plain = text.strip()
    if re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?", plain):
        return float(plain) if re.search(r"[.eE]", plain) else int(plain)
    found = readings.number(plain)
    if found is None:
        message = "This is no number."
        raise ValueError(message)
    return found


def _json(text: str) -> JsonValue:
    value: JsonValue = json.loads(text, parse_constant=_refused)
    # What cannot be kept is refused here, where it can still be mended.
    jsontext.dump(value)
    return value


def _refused(name: str) -> JsonValue:
    message = f"{name} is no JSON number"
    raise ValueError(message)


def _put(document: JsonValue, pointer: str, value: JsonValue) -> JsonValue:
    found = jsonpointer.JsonPointer(pointer)
    if not found.parts:
        return value
    try:
        return found.set(document, value)
    except jsonpointer.JsonPointerException as error:
        message = "The JSON has no such place any more."
        raise ValueError(message) from error


def _drop(document: JsonValue, pointer: str) -> None:
    parent, _, last = pointer.rpartition("/")
    try:
        rows = jsonpointer.JsonPointer(parent).resolve(document, None)
    except jsonpointer.JsonPointerException:
        return
    if isinstance(rows, list) and last.isascii() and last.isdecimal() and int(last) < len(cast("list[Any]", rows)):
        del rows[int(last)]


def _add(
    added: dict[tuple[str, int], dict[str, JsonValue]],
    form: Form,
    pointer: str,
    text: str,
    problems: dict[str, str],
) -> None:
    """Take a value of a row that was added to a table; rows without any value are none."""
    of_row, _, key = pointer.rpartition("/")
    of_table, _, place = of_row.rpartition("/")
    table = form.tables.get(of_table)
    if table is None or not text.strip() or not (place.isascii() and place.isdecimal() and len(place) < 7):
        return
    kinds: Mapping[str, tuple[str, FieldKind]] = {_escaped(name): (name, kind) for name, _, kind in table.columns}
    if key not in kinds:
        return
    row = added.setdefault((of_table, int(place)), {name: None for name, _, _ in table.columns})
    name, kind = kinds[key]
    try:
        row[name] = _read(kind, _lines(text), None)
    except ValueError as error:
        problems[pointer] = str(error)


def _at(document: JsonValue, pointer: str) -> Any:
    try:
        found: Any = jsonpointer.JsonPointer(pointer).resolve(document, _NOWHERE)
    except jsonpointer.JsonPointerException:
        return _NOWHERE
    return found


def _place(pointer: str) -> tuple[str, int]:
    parent, _, last = pointer.rpartition("/")
    return parent, int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else 0


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{_escaped(name)}"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _label(name: str, known: Mapping[str, Any]) -> str:
    title = known.get(name, {}).get("title")
    if isinstance(title, str) and title:
        return title
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"[_\-]+", " ", name)).strip()
    return words[:1].upper() + words[1:] if words else name or "(no name)"


def _properties(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (schema or {}).get("properties")
    if not isinstance(found, dict):
        return {}
    return {name: inner for name, inner in cast("dict[str, Any]", found).items() if isinstance(inner, dict)}


def _items(schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    found = (schema or {}).get("items")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
