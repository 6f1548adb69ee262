"""The settings of an automation: triggers, limits, sampling, gate, proof, alerts, archive; each form saves alone."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from fastapi import APIRouter, Request
from pydantic import JsonValue, ValidationError
from starlette.responses import RedirectResponse, Response

from assay import access, automations, db, experiments, jsontext, monitoring, reviews
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError, NotFoundError
from assay.server import Server

router = APIRouter()

_SAVED = {
    "triggers": "The triggers are as you set them.",
    "limits": "The limits are as you set them.",
    "sampling": "The sampling policy is in force.",
    "gate": "The gate policy is in force.",
    "gate-remove": "There is no gate policy any more.",
    "proof": "A miss is proven fixed by as many passes as you set.",
    "alerts": "The alert watches from now on.",
    "alerts-remove": "The alert is removed.",
    "archive": "The automation is archived; it starts no runs.",
    "restore": "The automation is in use again.",
}
_METRICS: Sequence[tuple[str, str]] = (
    ("miss_rate", "Miss rate, lower bound (0 to 1)"),
    ("failure_rate", "Share of failed runs (0 to 1)"),
    ("error_count", "Failed runs"),
    ("latency_p95", "Latency, 95th percentile (ms)"),
    ("open_debt_age", "Age of the oldest open review (hours)"),
    ("queue_age", "Age of the oldest item in the queue (hours)"),
    ("drift", "Inputs have drifted"),
    ("unlike_dataset", "Share of runs of a kind that no example is, lower bound (0 to 1)"),
)


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert as the list shows it."""

    id: str
    label: str
    state: str
    value: float | None


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """What the inputs of all forms show, by their names, as texts; and what is wrong with those of one form."""

    values: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage(AutomationPage):
    """All settings. `saved` says what was just saved; `advice` is the advisor's sentence, `rates` the last changes."""

    template: ClassVar[str] = "automation_settings.html"
    place: ClassVar[str] = "automations"

    form: SettingsForm
    may_change: bool
    saved: str | None
    advice: reviews.Advice
    rates: Sequence[reviews.RateChange]
    sampling_is_default: bool
    has_gate: bool
    alerts: Sequence[AlertLine]
    metrics: Sequence[tuple[str, str]]


@router.get("/automations/{slug}/settings")
async def settings_page(request: Request, slug: str, visitor: SignedIn, server: Here, saved: str = "") -> Response:
    """Show the settings."""
    page = await _page(server, visitor, slug, saved=_SAVED.get(saved))
    return render(request, visitor, page)


@router.post("/automations/{slug}/settings/{part}")
async def save_part(request: Request, slug: str, part: str, visitor: SignedIn, server: Here) -> Response:
    """Save one form; what is wrong with it is shown at its inputs."""
    if part not in _SAVERS:
        raise NotFoundError
    sent = await request.form()
    given = {name: value for name, value in sent.items() if isinstance(value, str)}
    try:
        async with server.database.transaction() as tx:
            await _SAVERS[part](tx, visitor.caller, slug, given)
    except AssayError as error:
        if isinstance(error, NotFoundError):
            raise
        page = await _page(server, visitor, slug, part=part, given=given, error=error)
        return render(request, visitor, page, status_of(error))
    anchor = part.split("-", maxsplit=1)[0].replace("restore", "archive")
    return RedirectResponse(f"/automations/{slug}/settings?saved={part}#{anchor}", 303)


async def _page(
    server: Server,
    visitor: Visitor,
    slug: str,
    *,
    saved: str | None = None,
    part: str | None = None,
    given: Mapping[str, str] | None = None,
    error: AssayError | None = None,
) -> SettingsPage:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        place = organization_id, automation.id
        sampling = await reviews.sampling_of(tx, *place)
        gate = await experiments.policy_of(tx, *place)
        proof = await reviews.required_repeats(tx, *place)
        advice = await reviews.advise(tx, *place, drift=await monitoring.watch_inputs(tx, *place))
        rates, _ = await reviews.rate_changes(tx, *place, limit=5)
        alerts = await monitoring.list_alerts(tx, *place)
    values = _values(automation, sampling.policy, gate, proof)
    problems = {} if error is None else {_INPUTS.get(one.field, one.field): one.message for one in error.issues}
    shown = values if given is None else {**values, **_unchecked(part), **given}
    return SettingsPage(
        title=title_of(automation, "settings"),
        heading=heading_of(automation, "settings"),
        form=SettingsForm(shown, problems, None if error is None else error.message, part),
        may_change=visitor.caller.may("automations:write"),
        saved=saved,
        advice=advice,
        rates=rates,
        sampling_is_default=sampling.updated_at is None,
        has_gate=gate is not None,
        alerts=[_alert(one) for one in alerts],
        metrics=_METRICS,
    )


# What is saved.


async def _save_triggers(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    await automations.set_triggers(tx, caller, automation=slug, api="api" in given, manual="manual" in given)


async def _save_limits(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    await automations.set_limits(
        tx,
        caller,
        automation=slug,
        concurrency_limit=_whole(given, "concurrency_limit"),
        retention_days=_whole(given, "retention_days"),
    )


async def _save_sampling(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    policy: dict[str, JsonValue] = {
        "rate": _share(given, "rate"),
        "floor": _share(given, "floor"),
        "strata": _json(given, "strata") or [],
        "doubleReviewShare": _share(given, "double_review_share"),
        "judgeShare": _share(given, "judge_share"),
        "minimumPerDay": _whole(given, "minimum_per_day") or 0,
        "auto": "auto" in given,
        "limits": {"lowest": _share(given, "lowest"), "highest": _share(given, "highest")},
        "toleratedMissRate": _share(given, "tolerated_miss_rate"),
    }
    await reviews.set_sampling(tx, caller, slug, policy, reason=given.get("reason", "").strip() or None)


async def _save_gate(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    required = given.get("must_pass", "promoted")
    names: list[JsonValue] = [name.strip() for name in given.get("must_pass_names", "").splitlines() if name.strip()]
    policy: dict[str, JsonValue] = {
        "mustPass": names if required == "names" else required,
        "minPassRate": _share(given, "min_pass_rate", empty=None),
        "nonInferiorityMargin": _share(given, "margin", empty=None),
        "minExamples": _whole(given, "min_examples") or 1,
        "allowFlaky": "allow_flaky" in given,
    }
    await experiments.set_policy(tx, caller, slug, policy)


async def _remove_gate(tx: db.Transaction, caller: access.Caller, slug: str, _given: Mapping[str, str]) -> None:
    await experiments.remove_policy(tx, caller, slug)


async def _save_proof(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    await reviews.require_repeats(
        tx,
        caller,
        slug,
        repeats=_whole(given, "repeats") or 0,
        with_model=_whole(given, "repeats_with_model") or 0,
    )


async def _add_alert(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    values: dict[str, JsonValue] = {"metric": given.get("metric", "")}
    if given.get("metric") != "drift":
        values["threshold"] = _number(given, "threshold")
    if given.get("window_minutes", "").strip():
        values["windowMinutes"] = _whole(given, "window_minutes")
    try:
        rule = monitoring.AlertRule.model_validate(values)
    except ValidationError as error:
        worst = error.errors(include_url=False)[0]
        name = str(worst["loc"][0]) if worst["loc"] else "metric"
        raise InvalidValueError(worst["msg"], field=name) from error
    await monitoring.add_alert(tx, caller, slug, rule)


async def _remove_alert(tx: db.Transaction, caller: access.Caller, slug: str, given: Mapping[str, str]) -> None:
    await monitoring.remove_alert(tx, caller, slug, given.get("alert", ""))


async def _archive(tx: db.Transaction, caller: access.Caller, slug: str, _given: Mapping[str, str]) -> None:
    await automations.set_archived(tx, caller, automation=slug, archived=True)


async def _restore(tx: db.Transaction, caller: access.Caller, slug: str, _given: Mapping[str, str]) -> None:
    await automations.set_archived(tx, caller, automation=slug, archived=False)


_SAVERS: Mapping[str, Callable[[db.Transaction, access.Caller, str, Mapping[str, str]], Awaitable[None]]] = {
    "triggers": _save_triggers,
    "limits": _save_limits,
    "sampling": _save_sampling,
    "gate": _save_gate,
    "gate-remove": _remove_gate,
    "proof": _save_proof,
    "alerts": _add_alert,
    "alerts-remove": _remove_alert,
    "archive": _archive,
    "restore": _restore,
}


# What is shown.


_INPUTS: Mapping[str, str] = {
    "concurrencyLimit": "concurrency_limit",
    "retentionDays": "retention_days",
    "doubleReviewShare": "double_review_share",
    "judgeShare": "judge_share",
    "minimumPerDay": "minimum_per_day",
    "toleratedMissRate": "tolerated_miss_rate",
    "limits": "lowest",
    "limits.lowest": "lowest",
    "limits.highest": "highest",
    "mustPass": "must_pass",
    "minPassRate": "min_pass_rate",
    "nonInferiorityMargin": "margin",
    "minExamples": "min_examples",
    "repeatsWithModel": "repeats_with_model",
    "windowMinutes": "window_minutes",
}
"""Where an issue of the API's field is shown."""


def _values(
    automation: automations.Automation,
    sampling: reviews.SamplingPolicy,
    gate: experiments.StoredPolicy | None,
    proof: reviews.RequiredRepeats,
) -> dict[str, str]:
    policy = experiments.read_policy({}) if gate is None else gate.policy
    names = policy.must_pass if isinstance(policy.must_pass, tuple) else ()
    return {
        "api": "on" if automation.triggers.api else "",
        "manual": "on" if automation.triggers.manual else "",
        "concurrency_limit": _text(automation.concurrency_limit),
        "retention_days": _text(automation.retention_days),
        "rate": _percent(sampling.rate),
        "floor": _percent(sampling.floor),
        "strata": _strata(sampling),
        "double_review_share": _percent(sampling.double_review_share),
        "judge_share": _percent(sampling.judge_share),
        "minimum_per_day": str(sampling.minimum_per_day),
        "auto": "on" if sampling.auto else "",
        "lowest": _percent(sampling.limits.lowest),
        "highest": _percent(sampling.limits.highest),
        "tolerated_miss_rate": _percent(sampling.tolerated_miss_rate),
        "reason": "",
        "must_pass": policy.must_pass if isinstance(policy.must_pass, str) else "names",
        "must_pass_names": "\n".join(names),
        "min_pass_rate": "" if policy.min_pass_rate is None else _percent(policy.min_pass_rate),
        "margin": "" if policy.non_inferiority_margin is None else _percent(policy.non_inferiority_margin),
        "min_examples": str(policy.min_examples),
        "allow_flaky": "on" if policy.allow_flaky else "",
        "repeats": str(proof.repeats),
        "repeats_with_model": str(proof.with_model),
        "metric": "miss_rate",
        "threshold": "0.05",
        "window_minutes": "",
    }


def _unchecked(part: str | None) -> Mapping[str, str]:
    """What a form leaves out when it is sent: its boxes that are not ticked."""
    boxes = {"triggers": ("api", "manual"), "sampling": ("auto",), "gate": ("allow_flaky",)}
    return dict.fromkeys(boxes.get(part or "", ()), "")


def _alert(found: monitoring.Alert) -> AlertLine:
    label = found.rule.name or dict(_METRICS)[found.rule.metric]
    above = "" if found.rule.metric == "drift" else f" above {found.rule.threshold:g}"
    return AlertLine(found.id, f"{label}{above}", found.standing.state, found.last_value)


def _strata(sampling: reviews.SamplingPolicy) -> str:
    strata = [one.model_dump(mode="json", by_alias=True) for one in sampling.strata]
    return json.dumps(strata, ensure_ascii=False, indent=2) if strata else ""


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _percent(share: float) -> str:
    return f"{share * 100:.10g}"


# What is read.


def _share(given: Mapping[str, str], name: str, *, empty: float | None = 0.0) -> float | None:
    if not given.get(name, "").strip():
        return empty
    return round(_number(given, name) / 100, 12)


def _number(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "").strip().replace(",", ".").rstrip("%").strip()
    try:
        return float(text)
    except ValueError as error:
        message = "This is not a number."
        raise InvalidValueError(message, field=name) from error


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        message = "This is not a whole number."
        raise InvalidValueError(message, field=name)
    return int(text)


def _json(given: Mapping[str, str], name: str) -> JsonValue:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        return cast("JsonValue", jsontext.load(text))
    except ValueError as error:
        message = f"This is not JSON: {error}"
        raise InvalidValueError(message, field=name) from error
