"""When a workflow file is valid: everything that is wrong with it, found in one pass."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from assay.automations.declarations import read_inputs
from assay.automations.definition import ParsedWorkflow, TriggerDefaults, WorkflowDefinition, WorkflowSettings
from assay.automations.errors import IssueCode
from assay.automations.findings import Findings
from assay.automations.names import precedence, slug_problem
from assay.automations.outputs import output_schema, output_sources
from assay.automations.retries import check_retry, retry_policy
from assay.automations.scoping import Scope, check_template, templates_in
from assay.automations.shape import SettingsShape, TriggerShape, WorkflowShape
from assay.automations.step_building import build_steps
from assay.automations.version_files import FileProblem, check_named
from assay.steps import StepSpec
from assay.yamltext import Path, conforming, did_you_mean, parse_yaml

_TRIGGERS = ("manual", "api", "email", "cron")
_NOT_YET = frozenset({"email", "cron"})
_INERT_SETTINGS = ("retries", "retryDelay")


def parse_workflow(text: str, *, file_problem: FileProblem | None = None) -> ParsedWorkflow:
    """Read a workflow file of up to 1 MiB and check all of it. Needs no server and no database.

    Never raises for bad text. Every issue has its path, code, line and column, in the order of the text; there is a
    definition unless one of them is an error. The same text gives the same result. `file_problem` is asked about each
    file that the workflow names; without it they are taken to be there.
    """
    document, issues = parse_yaml(text)
    if document is None:
        return ParsedWorkflow(None, tuple(issues))
    findings = Findings(document, issues)
    raw = document.value
    if not isinstance(raw, dict):
        findings.report((), "A workflow is a mapping with name and steps.")
        return ParsedWorkflow(None, findings.issues)
    definition, specs = _definition(raw, findings)
    if file_problem is not None:
        check_named(findings, file_problem)
    files = tuple(dict.fromkeys(name for _, name in findings.named_files))
    return ParsedWorkflow(None if findings.has_errors else definition, findings.issues, files, specs)


def _definition(
    raw: Mapping[str, JsonValue], findings: Findings
) -> tuple[WorkflowDefinition | None, tuple[StepSpec, ...]]:
    shape = conforming(WorkflowShape, raw, (), findings)
    _check_name(raw.get("name"), findings)
    _check_version(raw.get("version"), findings)
    triggers = _triggers(_as_list(raw.get("triggerMethods")), findings)
    inputs = read_inputs(_as_list(raw.get("inputs")), findings)
    settings = _settings(raw.get("settings"), findings)
    scope = Scope(None if inputs is None else frozenset(inputs.names))
    specs, scope = build_steps(_as_list(raw.get("steps")), scope, findings)
    _check_output(raw.get("output"), scope, findings)
    if shape is None or inputs is None or settings is None or findings.has_errors:
        return None, specs
    definition = WorkflowDefinition(
        name=shape.name,
        version=shape.version,
        description=shape.description,
        enabled=shape.enabled,
        triggers=triggers,
        steps=specs,
        output=shape.output,
        settings=settings,
        default_model=shape.defaultModel,
        inputs=inputs,
        output_sources=output_sources(shape.output),
        output_schema=output_schema(shape.output, inputs.schema, scope.steps),
        document=raw,
    )
    return definition, specs


def _as_list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else []


def _check_name(name: JsonValue, findings: Findings) -> None:
    problem = slug_problem(name) if isinstance(name, str) else None
    if problem is not None:
        message, hint = problem
        findings.report(("name",), message, IssueCode.INVALID_NAME, hint=hint)


def _check_version(version: JsonValue, findings: Findings) -> None:
    if isinstance(version, str) and precedence(version) is None:
        message = f"{version!r} is not a version of the form MAJOR.MINOR.PATCH."
        hint = "Leave out the v." if precedence(version.lstrip("vV")) else "Write for example 1.0.0."
        findings.report(("version",), message, IssueCode.INVALID_VERSION, hint=hint)


def _triggers(raw_methods: Sequence[JsonValue], findings: Findings) -> TriggerDefaults:
    enabled: dict[str, bool] = {}
    for index, raw in enumerate(raw_methods):
        path: Path = ("triggerMethods", index)
        method = _trigger(raw, path, findings)
        if method is None:
            continue
        if method.type in enabled:
            findings.report(path, f"The trigger {method.type} stands here twice.", IssueCode.DUPLICATE_TRIGGER)
        if method.type in _NOT_YET:
            message = f"The trigger {method.type} starts nothing in this version of assay."
            findings.report(path, message, IssueCode.NO_EFFECT, severity="warning")
        enabled.setdefault(method.type, method.enabled)
    return TriggerDefaults(api=enabled.get("api", False), manual=enabled.get("manual", True))


def _trigger(raw: JsonValue, path: Path, findings: Findings) -> TriggerShape | None:
    if isinstance(raw, dict):
        return conforming(TriggerShape, raw, path, findings)
    if isinstance(raw, str) and raw in _TRIGGERS:
        return TriggerShape.model_validate({"type": raw})
    hint = did_you_mean(raw, _TRIGGERS) if isinstance(raw, str) else None
    findings.report(path, f"A trigger is one of {', '.join(_TRIGGERS)}, or a mapping with its type.", hint=hint)
    return None


def _settings(raw: JsonValue, findings: Findings) -> WorkflowSettings | None:
    if not isinstance(raw, dict):
        return WorkflowSettings()
    check_retry(raw.get("retry"), ("settings", "retry"), findings, may_inherit=False)
    for key in _INERT_SETTINGS:
        if key in raw:
            message = f"{key} has no effect; write retry."
            findings.report(("settings", key), message, IssueCode.NO_EFFECT, severity="warning")
    shape = conforming(SettingsShape, raw, ("settings",), findings)
    return None if shape is None else WorkflowSettings(shape.timeout, retry_policy(raw.get("retry")))


def _check_output(output: JsonValue, scope: Scope, findings: Findings) -> None:
    for path, source in templates_in(output, ("output",)):
        check_template(source, path, scope, findings)
