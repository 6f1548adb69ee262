"""How an organization gets, changes and loses endpoints, and what is checked and recorded on the way."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import JsonValue

from assay import access, automations, clock, db, ids, outbox
from assay.errors import InvalidValueError, Issue
from assay.webhooks import signing, store
from assay.webhooks.errors import EventUnknownError, WebhookNotFoundError, WebhookUrlError
from assay.webhooks.model import Endpoint, NewSecret

MAX_ENDPOINTS = 50
MAX_URL_CHARACTERS = 2000
MAX_DESCRIPTION_CHARACTERS = 500
OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants of an endpoint. `automation` is an id or an address; None: all automations."""

    url: str
    description: str | None = None
    events: Sequence[str] = ("*",)
    automation: str | None = None
    enabled: bool = True


async def add(tx: db.Transaction, caller: access.Caller, wanted: Wanted, *, secret: str) -> NewSecret:
    """Add an endpoint; the answer holds its signing secret, which is kept encrypted with `secret`.

    Its address is looked up, and checked, whenever something is sent to it.

    Raises:
        InvalidValueError: something about it is not acceptable.
        AutomationNotFoundError: the organization has no such automation.
    """
    _check(wanted)
    await store.lock_organization(tx, caller.organization_id)
    if len(await store.list_endpoints(tx, caller.organization_id)) >= MAX_ENDPOINTS:
        message = f"An organization has at most {MAX_ENDPOINTS} webhook endpoints."
        raise InvalidValueError(message)
    endpoint_id, signing_secret = ids.new_id("whep"), signing.new_secret()
    endpoint = Endpoint(
        id=endpoint_id,
        organization_id=caller.organization_id,
        url=wanted.url,
        description=wanted.description,
        events=tuple(dict.fromkeys(wanted.events)),
        automation_id=await _automation_id(tx, caller.organization_id, wanted.automation),
        enabled=wanted.enabled,
        disabled_reason=None,
        failures=0,
        failing_since=None,
        encrypted_secret=signing.sealed(signing_secret, endpoint_id, secret=secret),
        encrypted_old_secret=None,
        old_secret_until=None,
        created_by=caller.user_id,
        created_at=clock.now(),
        updated_at=None,
    )
    await store.insert(tx, endpoint)
    await _record(tx, caller, "webhook.added", endpoint)
    return NewSecret(endpoint, signing_secret)


async def list_endpoints(tx: db.Transaction, organization_id: str) -> list[Endpoint]:
    """Return the endpoints of an organization, the oldest first."""
    return await store.list_endpoints(tx, organization_id)


async def get(tx: db.Transaction, organization_id: str, endpoint_id: str) -> Endpoint:
    """Return an endpoint.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
    """
    found = await store.get(tx, organization_id, endpoint_id)
    if found is None:
        raise WebhookNotFoundError
    return found


async def change(tx: db.Transaction, caller: access.Caller, endpoint_id: str, wanted: Wanted) -> Endpoint:
    """Let an endpoint be as wanted; what waits for it goes to its new address. A second call changes nothing.

    One that becomes enabled has a clean record, and gets what was left waiting when it was disabled.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
        InvalidValueError: something about it is not acceptable.
        AutomationNotFoundError: the organization has no such automation.
    """
    before = await _locked(tx, caller.organization_id, endpoint_id)
    _check(wanted)
    changed = replace(
        before,
        url=wanted.url,
        description=wanted.description,
        events=tuple(dict.fromkeys(wanted.events)),
        automation_id=await _automation_id(tx, caller.organization_id, wanted.automation),
        enabled=wanted.enabled,
    )
    if changed.enabled and not before.enabled:
        changed = replace(changed, disabled_reason=None, failures=0, failing_since=None)
    if changed == before:
        return before
    changed = replace(changed, updated_at=clock.now())
    await store.update(tx, changed)
    await _record(tx, caller, "webhook.changed", changed)
    return changed


async def remove(tx: db.Transaction, caller: access.Caller, endpoint_id: str) -> Endpoint:
    """Remove an endpoint, with its secrets and deliveries; what is being sent still arrives.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
    """
    removed = await _locked(tx, caller.organization_id, endpoint_id)
    await store.delete(tx, caller.organization_id, endpoint_id)
    await _record(tx, caller, "webhook.removed", removed)
    return removed


async def rotate(
    tx: db.Transaction, caller: access.Caller, endpoint_id: str, overlap_seconds: int, *, secret: str
) -> NewSecret:
    """Give an endpoint a new signing secret; for so many seconds the one before it signs too.

    Every call makes another, and only the last before it is kept.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
        InvalidValueError: the overlap is longer than a week.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        message = f"The old secret signs for up to {MAX_OVERLAP_SECONDS} seconds."
        raise InvalidValueError(message, field="overlapSeconds")
    before = await _locked(tx, caller.organization_id, endpoint_id)
    signing_secret, now = signing.new_secret(), clock.now()
    rotated = replace(
        before,
        encrypted_secret=signing.sealed(signing_secret, before.id, secret=secret),
        encrypted_old_secret=before.encrypted_secret if overlap_seconds else None,
        old_secret_until=now + timedelta(seconds=overlap_seconds) if overlap_seconds else None,
        updated_at=now,
    )
    await store.update(tx, rotated)
    await _record(tx, caller, "webhook.secret_rotated", rotated)
    return NewSecret(rotated, signing_secret)


async def _locked(tx: db.Transaction, organization_id: str, endpoint_id: str) -> Endpoint:
    found = await store.get(tx, organization_id, endpoint_id, lock=True)
    if found is None:
        raise WebhookNotFoundError
    return found


async def _automation_id(tx: db.Transaction, organization_id: str, automation: str | None) -> str | None:
    return None if automation is None else (await automations.get(tx, organization_id, automation)).id


def _check(wanted: Wanted) -> None:
    _check_url(wanted.url)
    if wanted.description is not None and len(wanted.description) > MAX_DESCRIPTION_CHARACTERS:
        message = f"A description has up to {MAX_DESCRIPTION_CHARACTERS} characters."
        raise InvalidValueError(message, field="description")
    issues = [
        Issue(f"events.{index}", f"There are no events {event[:80]!r}.", EventUnknownError.code)
        for index, event in enumerate(wanted.events)
        if not outbox.is_known(event)
    ]
    if issues or not wanted.events:
        message = issues[0].message if issues else "An endpoint wants events; * is all of them."
        hint = f"There are {', '.join(outbox.EVENTS)}; a family as in run.*, and * for all."
        raise EventUnknownError(message, field="events", hint=hint, issues=issues)


def _check_url(url: str) -> None:
    # Names and passwords would come back in every answer; a signature says who is calling.
    try:
        parts = urlsplit(url)
        acceptable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
        acceptable = acceptable and (parts.port is None or parts.port > 0)
    except ValueError:
        acceptable = False
    if not acceptable or len(url) > MAX_URL_CHARACTERS or not re.fullmatch(r"[!-~]+", url):
        raise WebhookUrlError(field="url")


async def _record(tx: db.Transaction, caller: access.Caller, action: str, endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.url)
    detail: dict[str, JsonValue] = {
        # What follows the host may be a secret of the receiver's.
        "host": f"{parts.scheme}://{parts.netloc}",
        "events": list(endpoint.events),
        "automationId": endpoint.automation_id,
        "enabled": endpoint.enabled,
    }
    await access.record_by(tx, caller, action, endpoint.id, detail)
