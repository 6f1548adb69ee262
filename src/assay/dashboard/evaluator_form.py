"""Evaluators as a form: fields made of each type's JSON Schema, read back into what `evaluators.yaml` says."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast

from pydantic import JsonValue
from starlette.datastructures import FormData

from assay import evaluators
from assay.errors import InvalidValueError, Issue

Control = Literal["text", "long", "number", "boolean", "enum", "lines", "json"]

_LONG = 1000
_LINE = re.compile(r"^line \d+: ")
_SEVERAL = re.compile(r"evaluators\.(\d+)(?:\.(.*))?")
_OLDER = "passThreshold"
MOST = 100


@dataclass(frozen=True, slots=True)
class ConfigField:
    """A field of a type's configuration; `default` is JSON text, empty where there is none."""

    name: str
    control: Control
    required: bool
    description: str
    options: Sequence[str]
    default: str


@dataclass(frozen=True, slots=True)
class TypeChoice:
    """An evaluator type, as the form offers it."""

    name: str
    summary: str
    documentation: str
    fields: Sequence[ConfigField]


@dataclass(frozen=True, slots=True)
class FormEntry:
    """One evaluator as it stands in the form: texts, whether they mean something or not.

    `config` has the text of each field that is not empty. `wrong` says what is wrong with which field: those of the
    configuration as `config.<name>`, the whole as an empty name.
    """

    name: str
    type_name: str
    description: str
    weight: str
    config: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def type(self) -> TypeChoice | None:
        """Its type, where there is such a one."""
        return _types().get(self.type_name)

    @property
    def shown(self) -> Sequence[ConfigField]:
        """The fields to show: the older way to write a threshold only where it is written."""
        found = self.type
        return () if found is None else [one for one in found.fields if one.name != _OLDER or one.name in self.config]

    @property
    def said(self) -> Sequence[ConfigField]:
        """The fields that are filled in, must be, or are wrong."""
        return [one for one in self.shown if self._stands_out(one)]

    @property
    def unsaid(self) -> Sequence[ConfigField]:
        """The fields that are as usual."""
        return [one for one in self.shown if not self._stands_out(one)]

    def _stands_out(self, field: ConfigField) -> bool:
        return field.required or bool(self.config.get(field.name)) or f"config.{field.name}" in self.wrong

    @property
    def script_language(self) -> str:
        """What a script of it is written in."""
        return self.config.get("language") or "typescript"


@dataclass(frozen=True, slots=True)
class EvaluatorForm:
    """All of the form. `wrong` says what is wrong with `threshold`."""

    entries: Sequence[FormEntry]
    threshold: str
    require_all: bool
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def empty(cls) -> "EvaluatorForm":
        """Return a form of no evaluator."""
        return cls((), "", require_all=False)

    def draft(self) -> evaluators.Draft:
        """Return what the texts mean.

        Raises:
            InvalidValueError: numbers or JSON that are none; all of them at once.
        """
        issues: list[Issue] = []
        threshold = _number(self.threshold, "passThreshold", issues)
        entries = [_entry(one, index, issues) for index, one in enumerate(self.entries)]
        if issues:
            raise InvalidValueError(issues[0].message, field=issues[0].field, issues=issues)
        return evaluators.Draft(entries, threshold, self.require_all)

    def changed(self, verb: str, place: str) -> "EvaluatorForm":
        """Return the form after `add` of a type, or `remove`, `up` or `down` of the evaluator at a place."""
        entries = list(self.entries)
        if verb == "add" and place in _types() and len(entries) < MOST:
            entries.append(_fresh(place, {one.name for one in entries}))
            return replace(self, entries=entries)
        index = int(place) if place.isascii() and place.isdigit() else len(entries)
        if index >= len(entries):
            return self
        one = entries.pop(index)
        if verb == "up":
            entries.insert(max(index - 1, 0), one)
        elif verb == "down":
            entries.insert(index + 1, one)
        elif verb != "remove":
            return self
        return replace(self, entries=entries)

    def reset(self, place: str, draft: "evaluators.Draft | None") -> "EvaluatorForm":
        """Return the form with an evaluator as `draft` has it under its name, else as its type's example has it."""
        index = int(place) if place.isascii() and place.isdigit() else len(self.entries)
        if index >= len(self.entries):
            return self
        entries = list(self.entries)
        one = entries[index]
        known = form_of(draft).entries if draft is not None else ()
        before = next((old for old in known if (old.name, old.type_name) == (one.name, one.type_name)), None)
        if before is None and one.type_name in _types():
            before = replace(_fresh(one.type_name, set()), name=one.name)
        entries[index] = before or one
        return replace(self, entries=entries)

    def with_issues(self, issues: Sequence[Issue]) -> "EvaluatorForm":
        """Return the form with what is wrong said at its fields."""
        wrong: list[dict[str, str]] = [{} for _ in self.entries]
        top: dict[str, str] = {}
        for issue in reversed(issues):
            found = _SEVERAL.match(issue.field)
            said = _LINE.sub("", issue.message)
            if found is None or int(found[1]) >= len(wrong):
                top["threshold" if issue.field == _OLDER else ""] = said
                continue
            parts = (found[2] or "").split(".")
            wrong[int(found[1])][".".join(parts[:2]) if parts[0] == "config" else parts[0]] = said
        entries = [replace(one, wrong=said) for one, said in zip(self.entries, wrong, strict=True)]
        return replace(self, entries=entries, wrong=top)


def type_choices() -> Sequence[TypeChoice]:
    """Return all evaluator types."""
    return list(_types().values())


def form_of(draft: evaluators.Draft) -> EvaluatorForm:
    """Write a set of evaluators into a form."""
    return EvaluatorForm(
        [_form_entry(one) for one in draft.entries],
        "" if draft.pass_threshold is None else _plain(draft.pass_threshold),
        draft.require_all,
    )


def read_form(fields: FormData) -> EvaluatorForm:
    """Read a form as it was sent."""

    def text(name: str) -> str:
        value = fields.get(name)
        return value.replace("\r\n", "\n") if isinstance(value, str) else ""

    count = text("count")
    entries: list[FormEntry] = []
    for index in range(min(int(count), MOST) if count.isascii() and count.isdigit() else 0):
        config = {
            one.name: found
            for one in (_types()[text(f"e{index}.type")].fields if text(f"e{index}.type") in _types() else ())
            if (found := text(f"e{index}.config.{one.name}")).strip()
        }
        entries.append(
            FormEntry(
                text(f"e{index}.name").strip(),
                text(f"e{index}.type"),
                text(f"e{index}.description").strip(),
                text(f"e{index}.weight").strip(),
                config,
            )
        )
    return EvaluatorForm(entries, text("threshold").strip(), text("require") == "all")


@cache
def _types() -> Mapping[str, TypeChoice]:
    described = [evaluators.describe(one) for one in evaluators.catalogue().values()]
    return {
        about.type_name: TypeChoice(about.type_name, about.summary, about.documentation, _fields(about.config_schema))
        for about in described
    }


def _fields(schema: Mapping[str, Any]) -> Sequence[ConfigField]:
    required = set(schema.get("required", ()))
    return [
        ConfigField(
            name,
            _control(about),
            name in required,
            str(about.get("description", "")),
            [str(one) for one in _unwrapped(about).get("enum", ())],
            "" if about.get("default") is None else json.dumps(about["default"], ensure_ascii=False),
        )
        for name, about in cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {})).items()
    ]


def _unwrapped(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave the null out of a type that may be none."""
    choices = [one for one in about.get("anyOf", ()) if one.get("type") != "null"]
    return choices[0] if len(choices) == 1 else about


def _control(about: Mapping[str, Any]) -> Control:
    inner = _unwrapped(about)
    kind = inner.get("type")
    if "enum" in inner:
        return "enum"
    if kind == "string":
        return "text" if inner.get("maxLength", _LONG + 1) <= _LONG else "long"
    if kind == "array" and cast("Mapping[str, Any]", inner.get("items", {})).get("type") == "string":
        return "lines"
    controls: Mapping[Any, Control] = {"number": "number", "integer": "number", "boolean": "boolean"}
    return controls.get(kind, "json")


def _fresh(type_name: str, taken: set[str]) -> FormEntry:
    """Return an evaluator of a type as the type's own example has it, under a name that is free."""
    example = evaluators.draft_of(evaluators.parse(evaluators.catalogue()[type_name].example))
    one = _form_entry(example.entries[0])
    names = (one.name if number == 1 else f"{one.name}-{number}" for number in range(1, MOST + 2))
    return replace(one, name=next(name for name in names if name not in taken))


def _form_entry(draft: evaluators.DraftEntry) -> FormEntry:
    known: dict[str, Control] = {one.name: one.control for one in _types()[draft.type_name].fields}
    config = {name: _text(known.get(name, "json"), value) for name, value in draft.config.items()}
    return FormEntry(draft.name, draft.type_name, draft.description or "", _plain(draft.weight), config)


def _text(control: Control, value: JsonValue) -> str:
    if control == "lines" and isinstance(value, list):
        return "\n".join(str(one) for one in value)
    if isinstance(value, str) and control != "json":
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if control == "json" else None)


def _entry(one: FormEntry, index: int, issues: list[Issue]) -> evaluators.DraftEntry:
    place = f"evaluators.{index}"
    weight = _number(one.weight, f"{place}.weight", issues)
    config: dict[str, JsonValue] = {}
    found = one.type
    for known in () if found is None else found.fields:
        if known.name in one.config:
            where = f"{place}.config.{known.name}"
            config[known.name] = _value(known.control, one.config[known.name], where, issues)
    return evaluators.DraftEntry(
        one.name, one.type_name, one.description or None, 1 if weight is None else weight, config
    )


def _value(control: Control, text: str, where: str, issues: list[Issue]) -> JsonValue:
    if control in {"text", "enum"}:
        return text.strip()
    if control == "long":
        return text
    if control == "lines":
        return [line.strip() for line in text.split("\n") if line.strip()]
    if control == "number":
        return _number(text, where, issues)
    try:
        return cast("JsonValue", json.loads(text))
    except (ValueError, RecursionError) as error:
        issues.append(Issue(where, f"This is no JSON: {error}.", "malformed_json"))
        return None


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _number(text: str, where: str, issues: list[Issue]) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        issues.append(Issue(where, f"{text[:40]!r} is no number.", "invalid_value"))
        return None
    return int(value) if value.is_integer() else value
