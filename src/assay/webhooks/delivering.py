"""How events reach endpoints: at least once, in no order, and none of them waits for another's.

Nothing of it lives in memory: a delivery is claimed for a minute, sent, and what came of it is written. Who dies in
between has sent it, perhaps; the next worker sends it again, with the same id.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from datetime import datetime, timedelta

from assay import access, clock, db, engine, jsontext, outbox
from assay.outgoing import Outgoing, OutgoingError
from assay.sealing import SealBrokenError
from assay.webhooks import signing, store
from assay.webhooks.model import Claimed, Endpoint, Outcome, Patience, State

log = logging.getLogger(__name__)

AT_ONCE = 64
AT_ONCE_PER_ENDPOINT = 4
GRACE_SECONDS = 5.0
BODY_BYTES_READ = 64 * 1024
GONE = 410


class Deliverer:
    """Sends what is due; every worker has one, and they keep out of each other's way."""

    def __init__(
        self, database: db.Database, outgoing: Outgoing, secret: str, patience: Patience | None = None
    ) -> None:
        """Prepare; nothing happens before `run` runs. `secret` is what the endpoints' secrets are sealed with."""
        self._database = database
        self._outgoing = outgoing
        self._secret = secret
        self._patience = patience or Patience()
        self._woken = asyncio.Event()
        self._sending: dict[asyncio.Task[None], str] = {}

    async def run(self) -> None:
        """Go on until cancelled, through every loss of the database; what is being sent then has some seconds."""
        listener = engine.Listener(self._database.dsn, {outbox.CHANNEL: lambda _: self._woken.set()}, self._look)
        listening = asyncio.create_task(listener.run())
        try:
            while True:
                # Python 3.11's wait_for may swallow a cancellation that comes together with what it waits for.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience.look_again_seconds):
                        await self._woken.wait()
                self._woken.clear()
                try:
                    await self._send_due()
                except db.DatabaseUnavailableError:
                    await asyncio.sleep(self._patience.look_again_seconds)
                except Exception:
                    log.exception("Webhooks could not be looked after; it is tried again.")
                    await asyncio.sleep(self._patience.look_again_seconds)
        finally:
            listening.cancel()
            await self._settle()

    async def _look(self) -> None:
        self._woken.set()

    async def _settle(self) -> None:
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()

    async def _send_due(self) -> None:
        """Claim and send until nothing is due, or as much is under way as may be."""
        while len(self._sending) < AT_ONCE:
            per_endpoint = Counter(self._sending.values())
            busy = [endpoint for endpoint, sending in per_endpoint.items() if sending >= AT_ONCE_PER_ENDPOINT]
            lease = timedelta(seconds=self._patience.lease_seconds)
            async with self._database.single_statement() as tx:
                claimed = await store.claim(tx, busy, AT_ONCE - len(self._sending), lease)
            if not claimed:
                return
            for one in claimed:
                task = asyncio.create_task(self._deliver(one))
                self._sending[task] = one.endpoint.id
                task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._woken.set()

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            outcome = await self._attempt(claimed)
            await self._record(claimed, outcome)
        except db.DatabaseUnavailableError:
            log.warning("What came of delivery %s cannot be written; it is sent again.", claimed.delivery_id)
        except Exception:
            log.exception("Delivery %s broke off; it is sent again.", claimed.delivery_id)

    async def _attempt(self, claimed: Claimed) -> Outcome:
        endpoint, body = claimed.endpoint, _body(claimed)
        async with self._database.single_statement() as tx:
            allow = await access.allow_list(tx, endpoint.organization_id)
        began = time.monotonic()
        status, error = None, None
        try:
            headers = signing.headers_for(endpoint, claimed.event_id, body, clock.now(), secret=self._secret)
            status = await self._outgoing.allowing(allow).post(
                endpoint.url,
                headers={**headers, "content-type": "application/json"},
                content=body.encode(),
                timeout=self._patience.attempt_seconds,
                read_bytes=BODY_BYTES_READ,
            )
        except (OutgoingError, SealBrokenError) as problem:
            error = f"{problem.code}: {problem.message}"
        if status is not None and not 200 <= status < 300:
            error = f"It answered with the status {status}."
        return Outcome(int((time.monotonic() - began) * 1000), status, error)

    async def _record(self, claimed: Claimed, outcome: Outcome) -> None:
        state, next_attempt_at = self._next(claimed, outcome)
        async with self._database.transaction() as tx:
            await store.record(tx, claimed, outcome, state, next_attempt_at)
            if outcome.error is None:
                await store.endpoint_works(tx, claimed.endpoint)
            elif not claimed.is_test:
                await self._count_failure(tx, claimed.endpoint, outcome)

    def _next(self, claimed: Claimed, outcome: Outcome) -> tuple[State, datetime | None]:
        if outcome.error is None:
            return "delivered", None
        if claimed.is_test or outcome.status == GONE or claimed.tries > len(self._patience.delays):
            return "failed", None
        delay = self._patience.delays[claimed.tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        return "pending", clock.now() + timedelta(seconds=delay)

    async def _count_failure(self, tx: db.Transaction, endpoint: Endpoint, outcome: Outcome) -> None:
        failures, failing_for = await store.endpoint_failed(tx, endpoint)
        if outcome.status == GONE:
            reason = "It answered 410 Gone: it wants no more events."
        elif self._patience.disables(failures, failing_for):
            hours = failing_for.total_seconds() / 3600
            reason = f"{failures} attempts in a row have failed within {hours:.0f} hours, the last so: {outcome.error}"
        else:
            return
        await store.disable(tx, endpoint, reason)
        await access.record(
            tx,
            organization_id=endpoint.organization_id,
            user_id=None,
            key_id=None,
            action="webhook.disabled",
            target=endpoint.id,
            detail={"reason": reason},
        )
        log.warning("Webhook endpoint %s is disabled: %s", endpoint.id, reason)


def _body(claimed: Claimed) -> str:
    """Write the event as it is sent: the same text at each attempt and to each endpoint."""
    written = clock.iso(claimed.emitted_at)
    head = {"id": claimed.event_id, "type": claimed.event_type, "timestamp": written, "test": claimed.is_test}
    return f'{jsontext.dump(head)[:-1]},"data":{claimed.payload}}}'
