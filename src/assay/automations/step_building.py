"""How raw steps become checked ones, and which steps see which."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from assay import steps
from assay.automations.errors import IssueCode
from assay.automations.findings import Findings
from assay.automations.names import step_name_problem
from assay.automations.partial_steps import PartialStep, partial_step
from assay.automations.retries import check_retry, retry_policy
from assay.automations.scoping import KnownStep, Scope, check_template, is_template, templates_in
from assay.automations.shape import StepShape
from assay.steps import Block, BlockShape, Step, StepSpec
from assay.yamltext import Path, conforming, did_you_mean, existing_path, value_at

_BESIDE = frozenset({"type", "name", "description", "if", "timeout"})
_LEAF_KEYS = (*_BESIDE, "retry", "with")
_TRUTHS = frozenset({"true", "false"})

RawSteps = Sequence[tuple[Path, JsonValue]]


def build_steps(raw_steps: Sequence[JsonValue], scope: Scope, findings: Findings) -> tuple[tuple[StepSpec, ...], Scope]:
    """Check all steps of a workflow, nested ones too, and return them with what is in scope after the last.

    Steps that cannot be understood are left out of what is returned, and there is an issue for each.
    """
    at_top: list[tuple[Path, JsonValue]] = [(("steps", index), raw) for index, raw in enumerate(raw_steps)]
    everywhere = list(_walk(at_top))
    _check_names(everywhere, findings)
    names = frozenset(name for _, raw in everywhere if isinstance(name := raw.get("name"), str))
    inner = Scope(scope.inputs, scope.steps, scope.variables, names)
    return _build_all(at_top, inner, findings)


def _walk(raw_steps: RawSteps) -> Iterator[tuple[Path, Mapping[str, JsonValue]]]:
    for path, raw in raw_steps:
        if isinstance(raw, dict):
            yield path, raw
            for _, inner in _blocks(path, raw):
                yield from _walk(inner)


def _blocks(path: Path, raw: Mapping[str, JsonValue]) -> Iterator[tuple[BlockShape, RawSteps]]:
    step_type = _type_of(raw)
    if step_type is None:
        return
    config, base = _configuration(step_type, path, raw)
    for shape in _shapes(step_type, config):
        steps = value_at(config, shape.path)
        if isinstance(steps, list):
            yield shape, [((*base, *shape.path, index), item) for index, item in enumerate(steps)]


def _shapes(step_type: type[Step], config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
    try:
        return [shape for shape in step_type.blocks(config) if _exists(config, shape.path)]
    except (TypeError, KeyError, AttributeError, IndexError, ValueError):
        return ()  # the configuration is not of the type's form, and its class reports that


def _exists(config: Mapping[str, JsonValue], path: Path) -> bool:
    try:
        value_at(config, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _type_of(raw: Mapping[str, JsonValue]) -> type[Step] | None:
    name = raw.get("type")
    return steps.catalogue().get(name) if isinstance(name, str) else None


def _configuration(
    step_type: type[Step], path: Path, raw: Mapping[str, JsonValue]
) -> tuple[dict[str, JsonValue], Path]:
    if step_type.config_beside_type:
        return {key: value for key, value in raw.items() if key not in _BESIDE}, path
    config = raw.get("with")
    return (config if isinstance(config, dict) else {}), (*path, "with")


def _check_names(everywhere: Sequence[tuple[Path, Mapping[str, JsonValue]]], findings: Findings) -> None:
    first_lines: dict[str, int] = {}
    for path, raw in everywhere:
        name = raw.get("name")
        if not isinstance(name, str):
            continue
        place = (*path, "name")
        problem = step_name_problem(name)
        if problem is not None:
            findings.report(place, problem, IssueCode.INVALID_NAME)
        if name in first_lines:
            message = f"Another step is named {name!r} (line {first_lines[name]})."
            findings.report(
                place, message, IssueCode.DUPLICATE_STEP_NAME, hint="Names are unique in the whole workflow."
            )
        first_lines.setdefault(name, findings.document.value_position(place).line)


def _build_all(raw_steps: RawSteps, scope: Scope, findings: Findings) -> tuple[tuple[StepSpec, ...], Scope]:
    specs: list[StepSpec] = []
    for path, raw in raw_steps:
        if not isinstance(raw, dict):
            findings.report(path, "A step must be a mapping with type and name.")
            continue
        spec, left = _build(path, raw, scope, findings)
        scope = scope.with_steps(left)
        specs.extend([spec] if spec else [])
    return tuple(specs), scope


def _build(
    path: Path, raw: Mapping[str, JsonValue], scope: Scope, findings: Findings
) -> tuple[StepSpec | None, Mapping[str, KnownStep]]:
    """Check one step; return it with the steps that later ones can read because of it."""
    step_type = _type_of(raw)
    shape = _shape(path, raw, step_type, findings)
    _check_condition((*path, "if"), raw.get("if"), scope, findings)
    if step_type is None:
        _report_type(path, raw, findings)
        return None, _named(raw, None)
    config, base = _configuration(step_type, path, raw)
    if isinstance(raw.get("with"), dict | None) or step_type.config_beside_type:
        _check_configuration(step_type, config, base, scope, findings)
    left: dict[str, KnownStep] = {}
    blocks: dict[str, Block] = {}
    for block_shape, inner in _blocks(path, raw):
        specs, after = _build_all(inner, scope.with_variables(block_shape.variables), findings)
        blocks[block_shape.name] = Block(block_shape, specs)
        if not block_shape.isolated:
            left |= after.steps
    left |= _named(raw, step_type.output_schema_of(config))
    if shape is None:
        return None, left
    retry = retry_policy(raw.get("retry"))
    return StepSpec(shape.name, shape.type, config, shape.condition, shape.timeout, blocks, retry), left


def _named(raw: Mapping[str, JsonValue], output_schema: Mapping[str, Any] | None) -> Mapping[str, KnownStep]:
    name = raw.get("name")
    return {name: KnownStep(str(raw.get("type")), output_schema)} if isinstance(name, str) else {}


def _shape(
    path: Path, raw: Mapping[str, JsonValue], step_type: type[Step] | None, findings: Findings
) -> StepShape | None:
    beside = step_type is not None and step_type.config_beside_type
    own = {key: value for key, value in raw.items() if key in _BESIDE} if beside else dict(raw)
    fields = step_type.model_fields if step_type and not beside else {}
    for key in [key for key in own if key not in _LEAF_KEYS]:
        hint = "Write it under `with`." if key in fields else did_you_mean(key, _LEAF_KEYS)
        findings.report((*path, key), f"A step has no key {key!r}.", IssueCode.UNKNOWN_KEY, hint=hint)
        del own[key]
    check_retry(own.get("retry"), (*path, "retry"), findings, may_inherit=True)
    return conforming(StepShape, own, path, findings)


def _report_type(path: Path, raw: Mapping[str, JsonValue], findings: Findings) -> None:
    name = raw.get("type")
    if isinstance(name, str):
        hint = did_you_mean(name, steps.catalogue()) or f"Known types are {', '.join(steps.catalogue())}."
        findings.report((*path, "type"), f"There is no step type {name!r}.", IssueCode.STEP_TYPE_UNKNOWN, hint=hint)


def _check_condition(path: Path, source: JsonValue, scope: Scope, findings: Findings) -> None:
    if source is None or isinstance(source, bool):
        return
    if not isinstance(source, str):
        findings.report(path, "A condition must be true, false or a template.")
    elif is_template(source):
        check_template(source, path, scope, findings, lenient=True)
    elif source.strip() not in _TRUTHS:
        findings.report(path, "A condition must be true, false or a template.", hint="Write {{ … }} around it.")


def _check_configuration(
    step_type: type[Step], config: Mapping[str, JsonValue], base: Path, scope: Scope, findings: Findings
) -> None:
    block_paths = [shape.path for shape in _shapes(step_type, config)]

    def is_inner(path: Path) -> bool:
        return any(path[: len(block)] == block and len(path) > len(block) for block in block_paths)

    def is_exempt(path: Path, value: JsonValue) -> bool:
        if is_inner(path):
            return True
        if len(path) == 1 and path[0] in step_type.conditions:
            return value is not None
        return is_template(value) and not (path and path[0] in step_type.literals)

    for where, name in step_type.named_files(config):
        findings.named_files.append(((*base, where), name))
    step = conforming(step_type, config, base, findings, exempt=is_exempt)
    for name in step_type.conditions & config.keys():
        _check_condition((*base, name), config[name], scope, findings)
    unresolved = step_type.conditions | step_type.literals
    for path, source in templates_in({key: value for key, value in config.items() if key not in unresolved}):
        if not is_inner(path):
            check_template(source, (*base, *path), scope, findings)
    asked = PartialStep(step, frozenset()) if step is not None else partial_step(step_type, config)
    if asked is not None:
        _report_problems(asked, config, base, findings)


def _report_problems(asked: PartialStep, config: Mapping[str, JsonValue], base: Path, findings: Findings) -> None:
    for where, message, code in asked.step.problems():
        path = existing_path(config, where)
        is_partial = any(left_out[: len(path)] == path for left_out in asked.left_out)
        is_literal = path[:1] and path[0] in asked.step.literals
        if is_literal or not (is_partial or any(True for _ in templates_in(value_at(config, path)))) or not path:
            findings.report((*base, *path), message, code)
