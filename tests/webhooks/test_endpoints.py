"""What an endpoint may be, and who sees what of it."""

import contextlib
from datetime import timedelta

import pytest
from tests.webhooks.conftest import SECRET, Organization

from assay import clock, outbox, sealing, webhooks
from assay.errors import InvalidValueError, NotFoundError
from assay.webhooks.errors import EventUnknownError, WebhookUrlError


@pytest.mark.parametrize(
    "url",
    [
        "",
        "receiver.example",
        "ftp://receiver.example/",
        "http://",
        "http://a:b@receiver.example/",
        "http://[::1",
        "h p:",
        "http://receiver.example/\n",
        "http://receiver.example:0/",
        "http://receiver.example:99999/",
        "http://\xe4.example/",
        f"http://receiver.example/{'x' * 2000}",
    ],
)
async def test_what_is_no_address_is_refused(organization: Organization, url: str):
    with pytest.raises(WebhookUrlError):
        await organization.add(url)


@pytest.mark.parametrize("event", ["run", "run.finished", "*.*", "", "RUN.*", "webhook.test"])
async def test_an_event_that_never_happens_is_refused(organization: Organization, event: str):
    with pytest.raises(EventUnknownError) as caught:
        await organization.add("http://receiver.example/", "run.*", event)
    assert [issue.field for issue in caught.value.issues] == ["events.1"]


async def test_an_endpoint_gets_what_it_asked_for_and_nothing_else(organization: Organization):
    wanting = {
        events: (await organization.add("http://receiver.example/", *events)).endpoint
        for events in (("*",), ("feedback.*",), ("feedback.cleared", "run.created"), ("alert.*",))
    }
    for event in ("feedback.updated", "feedback.cleared", "resolution.regressed"):
        await organization.emit(event)
    got = {
        events: {one.event_type for one in await organization.deliveries(found)} for events, found in wanting.items()
    }
    assert got == {
        ("*",): {"feedback.updated", "feedback.cleared", "resolution.regressed"},
        ("feedback.*",): {"feedback.updated", "feedback.cleared"},
        ("feedback.cleared", "run.created"): {"feedback.cleared"},
        ("alert.*",): set(),
    }


async def test_an_event_that_is_rolled_back_is_told_to_nobody(organization: Organization):
    made = await organization.add("http://receiver.example/")
    with contextlib.suppress(ZeroDivisionError):
        async with organization.database.transaction() as tx:
            await outbox.emit(tx, organization.id, None, "feedback.updated", {})
            _ = 1 / 0
    assert await organization.deliveries(made.endpoint) == []


async def test_secrets_are_kept_encrypted_and_open_for_their_own_endpoint_only(organization: Organization):
    made, other = [await organization.add("http://receiver.example/") for _ in range(2)]
    kept = made.endpoint.encrypted_secret
    assert made.secret.encode() not in kept
    purpose = "assay webhook secrets"
    assert sealing.opened(kept, secret=SECRET, purpose=purpose, owner_id=made.endpoint.id) == made.secret
    for secret, use, owner in (
        ("another", purpose, made.endpoint.id),
        (SECRET, "assay provider keys", made.endpoint.id),
        (SECRET, purpose, other.endpoint.id),
    ):
        with pytest.raises(sealing.SealBrokenError):
            sealing.opened(kept, secret=secret, purpose=use, owner_id=owner)


async def test_an_old_secret_is_kept_for_a_week_at_most(organization: Organization):
    made = await organization.add("http://receiver.example/")
    async with organization.database.transaction() as tx:
        with pytest.raises(InvalidValueError):
            await webhooks.rotate(tx, organization.caller, made.endpoint.id, 7 * 86400 + 1, secret=SECRET)
        rotated = await webhooks.rotate(tx, organization.caller, made.endpoint.id, 7 * 86400, secret=SECRET)
    until = rotated.endpoint.old_secret_until
    assert until is not None
    assert timedelta(days=6, hours=23) < until - clock.now() <= timedelta(days=7)


async def test_changes_are_in_the_audit_and_what_changes_nothing_is_not(organization: Organization):
    made = await organization.add("http://receiver.example/secret-path?token=hush", "run.*")
    endpoint = made.endpoint
    async with organization.database.transaction() as tx:
        same = webhooks.Wanted(endpoint.url, events=endpoint.events)
        assert await webhooks.change(tx, organization.caller, endpoint.id, same) == endpoint
        tried = await webhooks.try_out(tx, organization.caller, endpoint.id)
        await webhooks.redeliver(tx, organization.caller, endpoint.id, tried.id)
        await webhooks.change(tx, organization.caller, endpoint.id, webhooks.Wanted(endpoint.url, enabled=False))
        await webhooks.rotate(tx, organization.caller, endpoint.id, 0, secret=SECRET)
        await webhooks.remove(tx, organization.caller, endpoint.id)
        rows = await tx.fetch("SELECT action, detail::text FROM audit_entries WHERE target = $1", endpoint.id)
        with pytest.raises(NotFoundError):
            await webhooks.remove(tx, organization.caller, endpoint.id)
    done = {row["action"].removeprefix("webhook.") for row in rows}
    assert done == {"added", "tested", "redelivered", "changed", "secret_rotated", "removed"}
    assert len(rows) == 6
    assert not any("hush" in row["detail"] or "secret-path" in row["detail"] for row in rows)


async def test_old_events_are_forgotten_with_their_deliveries(organization: Organization):
    made = await organization.add("http://receiver.example/")
    await organization.emit("feedback.updated")
    await organization.emit("feedback.cleared")
    async with organization.database.transaction() as tx:
        sql = (
            "UPDATE webhook_events SET created_at = now() - interval '31 days' WHERE organization_id = $1 AND type = $2"
        )
        await tx.execute(sql, organization.id, "feedback.updated")
    assert await webhooks.forget_old_events(organization.database) == 1
    assert [one.event_type for one in await organization.deliveries(made.endpoint)] == ["feedback.cleared"]


async def test_deliveries_come_in_pages_newest_first(organization: Organization):
    made = await organization.add("http://receiver.example/")
    for _ in range(5):
        await organization.emit()
    every = [one.id for one in await organization.deliveries(made.endpoint)]
    async with organization.database.transaction() as tx:
        arguments = (tx, organization.id, made.endpoint.id)
        first = await webhooks.list_deliveries(*arguments, state="pending", after=None, limit=3)
        rest = await webhooks.list_deliveries(*arguments, state=None, after=first[-1].id, limit=3)
        none = await webhooks.list_deliveries(*arguments, state="failed", after=None, limit=3)
    assert ([one.id for one in (*first, *rest)], none) == (every, [])
