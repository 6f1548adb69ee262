"""Which runs are drawn for review: decided once, when a run completes, by its hash and the rate in force for it.

The random sample is what was drawn here, and `runs.sampled` says so. Beside it runs get into the queue because people
pick or report them, and because too few of a day were drawn. None of those is part of the random sample: what was
drawn keeps the probability it was drawn with, and figures of quality are computed from it alone.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta

from assay import clock, db, engine, runs
from assay.ids import new_id
from assay.reviews import sampling_store as store
from assay.reviews.queue_model import PRIORITIES, QueueReason
from assay.reviews.sampling import SamplingPolicy, sampling_of
from assay.reviews.strata import MOST_RUNS_COUNTED, VersionAge, reads, stratum_of

TRUSTED_SECONDS = 60.0
"""How long a policy is believed without a word; one that changed is told."""
COUNTED_SECONDS = 10.0
LARGE_CHARACTERS = 100_000
TOPPED_UP_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Known:
    policy: SamplingPolicy
    wanted: frozenset[str]
    until: float


@dataclass(frozen=True, slots=True)
class _Counted:
    age: VersionAge | None
    at: float


class Sampler:
    """Draws the runs that end in this process (`runs.Sampler`), by policies that it remembers.

    It asks the database once a minute and automation; where a stratum looks at the version's age, once in ten seconds
    and version until that is no longer new. Policies that change are told while `run` runs.
    """

    def __init__(self, database: db.Database) -> None:
        """Prepare; nothing is read before the first run."""
        self._database = database
        self._policies: dict[str, _Known] = {}
        self._versions: dict[str, _Counted] = {}
        self._told = 0

    async def run(self) -> None:
        """Hear of changed policies until cancelled."""
        await engine.Listener(self._database.dsn, {store.CHANNEL: self._forget}, self._forget_all).run()

    async def __call__(
        self, claim: engine.Claim, ended: runs.Ended, confidence: runs.Confidence | None
    ) -> engine.Draw | None:
        """Draw a run that ended; None unless it completed, nobody's test and no part of another run.

        The same run, policy and stratum give the same draw but for the queue item's id. Waits while the database is
        away, if it has to ask.
        """
        if not isinstance(ended, engine.Completed) or claim.mode == "eval" or claim.parent_run_id is not None:
            return None
        known = await self._known(claim)
        policy, stratum = known.policy, None
        if policy.strata:
            version = await self._age(claim) if "version" in known.wanted else None
            seen = policy.strata, known.wanted, claim, ended, confidence, version
            # A condition over a large value takes long enough to hold the other runs of this process up.
            large = max(len(ended.output), claim.input_size) > LARGE_CHARACTERS
            stratum = await asyncio.to_thread(stratum_of, *seen) if large else stratum_of(*seen)
        rate = max(policy.floor, policy.rate if stratum is None else stratum.rate)
        name = None if stratum is None else stratum.name
        if runs.sample_rank(claim.organization_id, claim.run_id) >= rate:
            return engine.Draw(rate, probability=rate, sampled=False, stratum=name)
        reason: QueueReason = "random" if stratum is None else "stratum"
        return engine.Draw(
            rate,
            probability=rate,
            sampled=True,
            stratum=name,
            item_id=new_id("rvi"),
            reason=reason,
            priority=PRIORITIES[reason],
            slots=2 if double_rank(claim.organization_id, claim.run_id) < policy.double_review_share else 1,
        )

    async def _known(self, claim: engine.Claim) -> _Known:
        known = self._policies.get(claim.automation_id)
        now = time.monotonic()
        if known is not None and now < known.until:
            return known
        told = self._told
        stored = await self._database.when_available(
            lambda tx: sampling_of(tx, claim.organization_id, claim.automation_id)
        )
        known = _Known(stored.policy, reads(stored.policy.strata), now + TRUSTED_SECONDS)
        # What was read while a change was told may be what was there before it.
        if told == self._told:
            self._policies[claim.automation_id] = known
        return known

    async def _age(self, claim: engine.Claim) -> VersionAge | None:
        counted = self._versions.get(claim.version_id)
        now = time.monotonic()
        if counted is None or (_is_new(counted.age) and now > counted.at + COUNTED_SECONDS):
            found = await self._database.when_available(
                lambda tx: store.version_age(
                    tx, claim.organization_id, claim.automation_id, claim.version_id, MOST_RUNS_COUNTED
                )
            )
            counted = _Counted(None if found is None else VersionAge(*found), now)
            self._versions[claim.version_id] = counted
        if counted.age is None:
            return None
        return VersionAge(counted.age.days + (now - counted.at) / 86_400, counted.age.runs)

    def _forget(self, automation_id: str) -> None:
        self._told += 1
        self._policies.pop(automation_id, None)

    async def _forget_all(self) -> None:
        self._told += 1
        self._policies.clear()


def double_rank(organization_id: str, run_id: str) -> float:
    """Return the run's place in [0, 1) for double review, which has nothing to do with its sample rank."""
    digest = hashlib.sha256(f"{organization_id}:{run_id}:double".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


async def top_up(database: db.Database) -> int:
    """Queue runs of yesterday (UTC) where fewer than the policy's minimum were drawn; return how many.

    They are those of the smallest ranks, with the reason `minimum`. They are no part of the random sample: how
    probable each was is known only when the day is over, and would change what those drawn before remember. A second
    call adds none, unless runs completed or were removed meanwhile.
    """
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - TOPPED_UP_FOR
    async with database.single_statement() as tx:
        wanted = await store.with_minimum(tx)
    added = 0
    for organization_id, automation_id, minimum in wanted:
        async with database.transaction() as tx:
            lacking = minimum - await store.queued_of_day(tx, organization_id, automation_id, start, end)
            if lacking > 0:
                added += await store.top_up(tx, organization_id, automation_id, start, end, lacking)
    return added


def _is_new(age: VersionAge | None) -> bool:
    return age is None or age.runs < MOST_RUNS_COUNTED
