"""What a template at some place of a workflow may read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from assay import expressions
from assay.automations.errors import IssueCode
from assay.automations.findings import Findings
from assay.expressions import Reference
from assay.yamltext import Path, did_you_mean

_ROOTS = ("input", "steps", "env")
_STEP_MEMBERS = ("output", "status")
_LANGUAGE_MEMBERS = frozenset({"size", "first", "last"})
_REMARKS = "^_"
"""The pattern under which our own remarks stand beside what a model extracted."""
_SHOWN_NAMES = 20
_MARKERS = re.compile(r"\{\{|\{%")


@dataclass(frozen=True, slots=True)
class KnownStep:
    """What later steps can know of one that ran before them; the schema is None where its output is open."""

    type_name: str
    output_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Names that are known: inputs, steps that ran before, and variables of enclosing blocks.

    `elsewhere` has the names of all steps of the workflow, to tell a step that is out of reach from one that
    does not exist. `inputs` is None when the declarations cannot be read, and then any input is known.
    """

    inputs: frozenset[str] | None
    steps: Mapping[str, KnownStep] = field(default_factory=dict[str, KnownStep])
    variables: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def with_steps(self, steps: Mapping[str, KnownStep]) -> "Scope":
        """Return the scope after more steps."""
        return replace(self, steps={**self.steps, **steps})

    def with_variables(self, names: Iterable[str]) -> "Scope":
        """Return the scope inside a block that brings variables."""
        return replace(self, variables=self.variables | frozenset(names))


def member_schema(schema: Mapping[str, Any] | None, member: str | int) -> Mapping[str, Any] | None:
    """Return what a schema says of a member or an item, or None where it says nothing."""
    if schema is None:
        return None
    found = schema.get("items") if isinstance(member, int) else schema.get("properties", {}).get(member)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def is_template(value: JsonValue) -> bool:
    """Whether a value is a text with template markers."""
    return isinstance(value, str) and _MARKERS.search(value) is not None


def templates_in(value: JsonValue, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every template in a value, with its path."""
    if isinstance(value, str):
        if is_template(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from templates_in(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from templates_in(item, (*path, index))


def check_template(source: str, path: Path, scope: Scope, findings: Findings, *, lenient: bool = False) -> None:
    """Report what is wrong with one template: its grammar, or else what it reads.

    In a lenient place (a condition) an input that is not declared is only worth a warning, as it is before `default`.
    """
    problems = expressions.check(source)
    for problem in problems:
        position = findings.document.position_within(path, problem.line, problem.column)
        findings.report(path, problem.message, problem.code, hint=problem.hint, position=position)
    if problems:
        return
    for reference in expressions.references(source):
        _check_reference(reference, path, scope, findings, lenient=lenient or reference.guarded)


def _check_reference(reference: Reference, path: Path, scope: Scope, findings: Findings, *, lenient: bool) -> None:
    problem = _problem(reference.path, scope)
    if problem is None:
        return
    harmless = problem.uncertain or (lenient and reference.path[0] == "input")
    findings.report(
        path,
        problem.message,
        IssueCode.UNKNOWN_REFERENCE,
        hint=problem.hint,
        severity="warning" if harmless else "error",
        position=findings.document.position_within(path, reference.line, reference.column),
    )


class _Problem(NamedTuple):
    message: str
    hint: str | None
    uncertain: bool = False
    """It may be there in a run all the same."""


def _problem(path: Path, scope: Scope) -> _Problem | None:
    root = path[0]
    if root == "input":
        return _input_problem(path, scope)
    if root == "steps":
        return _step_problem(path, scope)
    if root in scope.variables or root == "env":
        return None
    names = (*_ROOTS, *scope.variables)
    message = f"{root!r} is not a name here."
    if root in scope.steps:
        return _Problem(message, f"Write steps.{root}.output.")
    if root in (scope.inputs or ()):
        return _Problem(message, f"Write input.{root}.")
    return _Problem(message, did_you_mean(str(root), names) or _known(names))


def _input_problem(path: Path, scope: Scope) -> _Problem | None:
    if len(path) == 1 or scope.inputs is None or path[1] in scope.inputs:
        return None
    hint = did_you_mean(str(path[1]), scope.inputs) or "Declare it under inputs."
    return _Problem(f"There is no input {str(path[1])!r}.", hint)


def _step_problem(path: Path, scope: Scope) -> _Problem | None:
    if len(path) == 1:
        return None
    name = str(path[1])
    if name not in scope.steps:
        if name in scope.elsewhere:
            hint = "Only steps above, outside of isolated blocks, can be read."
            return _Problem(f"The step {name!r} has not run here.", hint)
        return _Problem(f"There is no step {name!r}.", did_you_mean(name, scope.steps))
    if len(path) == 2:
        return None
    if path[2] not in _STEP_MEMBERS:
        return _Problem(f"A step has no {str(path[2])!r}.", f"Write steps.{name}.output.{path[2]}.")
    if path[2] == "status":
        return None
    return _output_problem(name, scope.steps[name], path[3:])


def _output_problem(name: str, step: KnownStep, members: Path) -> _Problem | None:
    schema = step.output_schema
    for member in members:
        if schema is None:
            return None
        if isinstance(member, str) and _is_missing(member, schema):
            properties: Mapping[str, Any] = schema["properties"]
            message = f"The output of {name!r} ({step.type_name}) has no {member!r}."
            hint = did_you_mean(member, properties) or _known(properties)
            return _Problem(message, hint, uncertain=schema.get("additionalProperties") is not False)
        schema = member_schema(schema, member)
    return None


def _is_missing(member: str, schema: Mapping[str, Any]) -> bool:
    """Whether an object lists its properties, and this is none; what combines schemas is not looked into."""
    properties = schema.get("properties", {})
    if not properties or member in properties or member in _LANGUAGE_MEMBERS or schema.get("additionalProperties"):
        return False
    patterns: Mapping[str, Any] = schema.get("patternProperties", {})
    if not patterns.keys() <= {_REMARKS} or (patterns and member.startswith("_")):
        return False
    return not schema.keys() & {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not"}


def _known(names: Iterable[str]) -> str:
    listed = list(names)
    more = ", …" if len(listed) > _SHOWN_NAMES else ""
    return f"Known are {', '.join(listed[:_SHOWN_NAMES])}{more}."
