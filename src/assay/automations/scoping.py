"""What a template at some place of a workflow may read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from assay import expressions, steps
from assay.automations.errors import IssueCode
from assay.automations.findings import Findings
from assay.expressions import Reference
from assay.yamltext import Path, did_you_mean

_ROOTS = ("input", "steps", "env")
_STEP_MEMBERS = ("output", "status")
_MARKERS = re.compile(r"\{\{|\{%")


@dataclass(frozen=True, slots=True)
class Scope:
    """Names that are known: inputs, steps that ran before (with their types), and variables of enclosing blocks.

    `elsewhere` has the names of all steps of the workflow, to tell a step that is out of reach from one that
    does not exist. `inputs` is None when the declarations cannot be read, and then any input is known.
    """

    inputs: frozenset[str] | None
    steps: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def with_steps(self, steps: Mapping[str, str]) -> "Scope":
        """Return the scope after more steps."""
        return replace(self, steps={**self.steps, **steps})

    def with_variables(self, names: Iterable[str]) -> "Scope":
        """Return the scope inside a block that brings variables."""
        return replace(self, variables=self.variables | frozenset(names))


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
    message, hint = problem
    harmless = lenient and reference.path[0] == "input"
    findings.report(
        path,
        message,
        IssueCode.UNKNOWN_REFERENCE,
        hint=hint,
        severity="warning" if harmless else "error",
        position=findings.document.position_within(path, reference.line, reference.column),
    )


def _problem(path: Path, scope: Scope) -> tuple[str, str | None] | None:
    root = path[0]
    if root == "input":
        return _input_problem(path, scope)
    if root == "steps":
        return _step_problem(path, scope)
    if root in scope.variables or root == "env":
        return None
    names = (*_ROOTS, *scope.variables)
    if root in scope.steps:
        return f"{root!r} is not a name here.", f"Write steps.{root}.output."
    if root in (scope.inputs or ()):
        return f"{root!r} is not a name here.", f"Write input.{root}."
    return f"{root!r} is not a name here.", did_you_mean(str(root), names) or f"Known are {', '.join(names)}."


def _input_problem(path: Path, scope: Scope) -> tuple[str, str | None] | None:
    if len(path) == 1 or scope.inputs is None or path[1] in scope.inputs:
        return None
    hint = did_you_mean(str(path[1]), scope.inputs) or "Declare it under inputs."
    return f"There is no input {str(path[1])!r}.", hint


def _step_problem(path: Path, scope: Scope) -> tuple[str, str | None] | None:
    if len(path) == 1:
        return None
    name = str(path[1])
    if name not in scope.steps:
        if name in scope.elsewhere:
            return f"The step {name!r} has not run here.", "Only steps above, outside of isolated blocks, can be read."
        return f"There is no step {name!r}.", did_you_mean(name, scope.steps)
    if len(path) == 2:
        return None
    if path[2] not in _STEP_MEMBERS:
        return f"A step has no {str(path[2])!r}.", f"Write steps.{name}.output.{path[2]}."
    if path[2] == "status":
        return None
    return _output_problem(name, scope.steps[name], path[3:])


def _output_problem(step_name: str, type_name: str, members: Path) -> tuple[str, str | None] | None:
    step_type = steps.catalogue().get(type_name)
    schema: Mapping[str, Any] | None = step_type.output_schema if step_type else None
    for member in members:
        if schema is None:
            return None
        properties: Mapping[str, Any] = schema.get("properties", {})
        if schema.get("additionalProperties") is False and isinstance(member, str) and member not in properties:
            hint = did_you_mean(member, properties) or f"Known are {', '.join(properties)}."
            return f"The output of {step_name!r} ({type_name}) has no {member!r}.", hint
        schema = schema.get("items") if isinstance(member, int) else properties.get(member)
    return None
