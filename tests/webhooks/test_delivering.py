"""Events on their way to a receiver that accepts, fails, hangs, leads elsewhere or is out of bounds."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from standardwebhooks.webhooks import WebhookVerificationError
from tests.fakes.raw_server import Asked, pieces, redirect, response
from tests.webhooks.conftest import QUICK, Organization, event_of, eventually, receiver, verified

from assay import access, webhooks


async def test_an_event_arrives_signed_as_the_standard_says(organization: Organization):
    async with receiver(organization) as served, organization.delivering():
        made = await organization.add(served.url("/hooks?tenant=1"), "feedback.*")
        await organization.emit(runId="exec_1")
        [delivery] = await organization.until_all_over(made.endpoint)
    [asked] = served.asked
    event = verified(asked, made.secret)
    assert (asked.method, asked.target) == ("POST", "/hooks?tenant=1")
    assert asked.headers["content-type"] == "application/json"
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "id": asked.headers["webhook-id"],
        "type": "feedback.updated",
        "test": False,
        "data": {"runId": "exec_1"},
    }
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
    with pytest.raises(WebhookVerificationError):
        verified(replace(asked, body=asked.body.replace(b"exec_1", b"exec_2")), made.secret)


async def test_nothing_is_kept_for_those_who_do_not_listen(organization: Organization):
    made = await organization.add("http://receiver.example/", "run.*")
    await organization.emit("feedback.updated", runId="exec_1")
    async with organization.database.transaction() as tx:
        kept = await tx.fetch_value("SELECT count(*) FROM webhook_events WHERE organization_id = $1", organization.id)
    assert (kept, await organization.deliveries(made.endpoint)) == (0, [])


async def test_a_failing_receiver_is_tried_again_until_it_accepts(organization: Organization):
    def third_time_lucky(_asked: Asked) -> AsyncIterator[bytes]:
        return response(status="500 Oops") if len(served.asked) < 3 else response()

    async with receiver(organization, third_time_lucky) as served, organization.delivering():
        made = await organization.add(served.url())
        await organization.emit()
        await organization.until_all_over(made.endpoint)
    detail = await organization.detail(made.endpoint)
    assert [attempt.status for attempt in detail.attempts] == [500, 500, 200]
    assert [attempt.error for attempt in detail.attempts] == [*["It answered with the status 500."] * 2, None]
    assert len({asked.headers["webhook-id"] for asked in served.asked}) == 1
    assert len({asked.body for asked in served.asked}) == 1
    assert (await organization.get(made.endpoint)).failures == 0


async def test_a_receiver_that_never_accepts_is_given_up_and_can_be_asked_again(organization: Organization):
    async with receiver(organization, lambda _: response(status="503 No")) as served, organization.delivering():
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
        assert (delivery.state, delivery.attempts, delivery.last_status) == ("failed", 4, 503)
        async with organization.database.transaction() as tx:
            again = await webhooks.redeliver(tx, organization.caller, made.endpoint.id, delivery.id)
        assert again.state == "pending"
        [delivery] = await organization.until_all_over(made.endpoint)
    assert (delivery.state, delivery.attempts) == ("failed", 8)
    assert len({asked.headers["webhook-id"] for asked in served.asked}) == 1


async def test_who_hangs_holds_nobody_up(organization: Organization):
    released = asyncio.Event()

    async def hang(_asked: Asked) -> AsyncIterator[bytes]:
        await released.wait()
        yield b""

    patient = replace(QUICK, attempt_seconds=20, lease_seconds=30)
    async with receiver(organization, hang) as slow, receiver(organization) as quick:
        hanging = await organization.add(slow.url())
        for number in range(10):
            await organization.emit(number=number)
        accepting = await organization.add(quick.url())
        async with organization.delivering(patient):
            for number in range(10):
                await organization.emit(number=number)
            await organization.until_all_over(accepting.endpoint, 10)
            # Only so many at once, however many wait.
            assert 0 < len(slow.asked) <= 4
            released.set()
    assert all(one.state == "pending" for one in await organization.deliveries(hanging.endpoint))


async def test_a_receiver_that_does_not_answer_in_time_has_failed(organization: Organization):
    async def hang(_asked: Asked) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    once = replace(QUICK, attempt_seconds=0.1, delays=())
    async with receiver(organization, hang) as served, organization.delivering(once):
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
    assert (delivery.last_error or "").startswith("request_timeout: ")


async def test_a_redirect_is_an_answer_and_no_way_on(organization: Organization):
    once = replace(QUICK, delays=())
    async with (
        receiver(organization) as inner,
        receiver(organization, lambda _: redirect(inner.url())) as served,
        organization.delivering(once),
    ):
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
    assert (delivery.state, delivery.last_status, inner.asked) == ("failed", 302, [])


async def test_a_private_address_is_only_reached_if_the_organization_allows_it(organization: Organization):
    once = replace(QUICK, delays=())
    async with receiver(organization) as served, organization.delivering(once):
        async with organization.database.transaction() as tx:
            host = f"127.0.0.1:{served.port}"
            await access.change_allowed_hosts(tx, organization.caller, refuse=[host])
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
        assert (delivery.last_error or "").startswith("address_forbidden: ")
        assert served.connections == []
        await organization.allow(host)
        async with organization.database.transaction() as tx:
            await webhooks.redeliver(tx, organization.caller, made.endpoint.id, delivery.id)
        [delivery] = await organization.until_all_over(made.endpoint)
    assert delivery.state == "delivered"


async def test_a_long_answer_is_not_read_to_its_end(organization: Organization):
    async def endless(_asked: Asked) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
        while True:
            yield b"x" * 65536

    async with receiver(organization, endless) as served, organization.delivering():
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
    assert delivery.state == "delivered"


async def test_what_is_no_http_is_a_failure_like_any(organization: Organization):
    once = replace(QUICK, delays=())
    nonsense = b"\x00\x01 what\r\n\r\n"
    async with receiver(organization, lambda _: pieces(nonsense)) as served, organization.delivering(once):
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
    assert (delivery.last_error or "").startswith("response_invalid: ")


async def test_while_a_secret_is_rotated_both_are_good(organization: Organization):
    async with receiver(organization) as served, organization.delivering():
        first = await organization.add(served.url())
        async with organization.database.transaction() as tx:
            second = await webhooks.rotate(tx, organization.caller, first.endpoint.id, 60, secret="of the installation")
        await organization.emit()
        await organization.until_all_over(first.endpoint)
        assert verified(served.asked[0], first.secret) == verified(served.asked[0], second.secret)
        async with organization.database.transaction() as tx:
            third = await webhooks.rotate(tx, organization.caller, first.endpoint.id, 0, secret="of the installation")
        await organization.emit()
        await organization.until_all_over(first.endpoint, 2)
    assert verified(served.asked[1], third.secret)
    with pytest.raises(WebhookVerificationError):
        verified(served.asked[1], second.secret)


async def test_an_endpoint_that_only_fails_is_disabled_and_says_why(organization: Organization):
    impatient = replace(QUICK, most_failures=3, failing_seconds=0)
    async with receiver(organization, lambda _: response(status="500 No")) as served:
        async with organization.delivering(impatient):
            made = await organization.add(served.url())
            await organization.emit()

            async def disabled() -> webhooks.Endpoint | None:
                found = await organization.get(made.endpoint)
                return None if found.enabled else found

            found = await eventually(disabled)
        assert found.disabled_reason.startswith("3 attempts in a row have failed")
        assert "status 500" in found.disabled_reason
        # What waits is kept until somebody enables it.
        [waiting] = await organization.deliveries(made.endpoint)
        assert waiting.state == "pending"
        async with organization.database.transaction() as tx:
            entry = (await tx.fetch("SELECT action FROM audit_entries WHERE target = $1 ORDER BY id", found.id))[-1]
            changed = await webhooks.change(tx, organization.caller, found.id, webhooks.Wanted(found.url))
        assert entry["action"] == "webhook.disabled"
        assert (changed.enabled, changed.failures, changed.disabled_reason) == (True, 0, None)
        async with organization.delivering():
            [delivery] = await organization.until_all_over(made.endpoint)
    assert delivery.attempts == 4


async def test_an_endpoint_that_is_gone_is_asked_no_more(organization: Organization):
    async with receiver(organization, lambda _: response(status="410 Gone")) as served, organization.delivering():
        made = await organization.add(served.url())
        await organization.emit()
        [delivery] = await organization.until_all_over(made.endpoint)
    found = await organization.get(made.endpoint)
    assert (delivery.state, delivery.attempts, found.enabled) == ("failed", 1, False)
    assert "410" in (found.disabled_reason or "")


async def test_a_test_is_sent_once_to_the_one_endpoint_and_counts_for_nothing(organization: Organization):
    async with receiver(organization, lambda _: response(status="500 No")) as served, organization.delivering():
        tried = await organization.add(served.url("/tried"), "alert.*")
        other = await organization.add(served.url("/other"))
        async with organization.database.transaction() as tx:
            await webhooks.try_out(tx, organization.caller, tried.endpoint.id)
        [delivery] = await organization.until_all_over(tried.endpoint)
    [asked] = served.asked
    event = verified(asked, tried.secret)
    assert (asked.target, event["type"], event["test"]) == ("/tried", "webhook.test", True)
    assert (delivery.state, delivery.is_test) == ("failed", True)
    assert (await organization.get(tried.endpoint)).failures == 0
    assert await organization.deliveries(other.endpoint) == []


async def test_two_workers_send_each_event_once(organization: Organization):
    async with receiver(organization) as served:
        made = await organization.add(served.url())
        for number in range(40):
            await organization.emit(number=number)
        async with organization.delivering(), organization.delivering():
            await organization.until_all_over(made.endpoint, 40)
    assert sorted(event_of(asked)["data"]["number"] for asked in served.asked) == list(range(40))


async def test_secrets_are_in_no_log(organization: Organization, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "assay")
    caplog.set_level(logging.WARNING, "httpx")  # as a server does
    impatient = replace(QUICK, most_failures=1, failing_seconds=0, delays=())
    refuse = response(status="500 No")
    async with receiver(organization, lambda _: refuse) as served, organization.delivering(impatient):
        made = await organization.add(served.url("/?token=hush"))
        await organization.emit()
        await organization.until_all_over(made.endpoint)
    assert not (await organization.get(made.endpoint)).enabled
    assert "is disabled" in caplog.text
    for hidden in (made.secret, made.secret.removeprefix("whsec_"), "hush"):
        assert hidden not in caplog.text
    assert made.secret not in repr(made)
