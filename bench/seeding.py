"""A database with a long past: many runs of twenty automations, as uneven as real ones.

One automation never fails, one is only evaluated, one has been still for a
month; versions, people and experiments come and go with time; a few runs are in flight. 15 % are in the sample and
most of these reviewed; of one automation all is reviewed, of one nothing, and one is not looked at any more. One run in
a hundred waits in the review queue, and as many events were told to a webhook.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from assay import access, bootstrap, db

AUTOMATIONS = 20
PEOPLE = 30
DAYS = 90

_AUTOMATIONS = """
INSERT INTO automations (id, organization_id, kind, slug, name, api_enabled, manual_enabled)
SELECT 'wf_' || lpad(n::text, 21, '0'), $1, 'workflow', 'flow-' || n, 'Flow ' || n, true, true
FROM generate_series(0, $2 - 1) n
"""

# All runs of an automation are of this one version, whatever they are labelled: labels are what lists look at.
_VERSIONS = """
WITH text AS (
    SELECT id AS automation_id, 'wfv_' || substr(id, 4) AS id, replace($2, 'flow-0', slug) AS source FROM automations
), added AS (
    INSERT INTO automation_versions (id, organization_id, automation_id, kind, label, precedence, source, definition,
        content_hash, created_at)
    SELECT id, $1, automation_id, 'workflow', '1.11.0', ARRAY[1, 11, 0], source, source::json,
        sha256(source::bytea), now() - $3 * interval '1 day' FROM text
    RETURNING id, automation_id, created_at
), activated AS (
    INSERT INTO automation_activations (organization_id, automation_id, version_id, reason, created_at)
    SELECT $1, automation_id, id, 'push', created_at FROM added
)
SELECT count(*) FROM added
"""
_CURRENT = "UPDATE automations SET current_version_id = 'wfv_' || substr(id, 4)"
_WORKFLOW = {
    "name": "flow-0",
    "version": "1.11.0",
    "triggerMethods": [{"type": "api"}],
    "inputs": [{"name": "text", "type": "string"}],
    "steps": [{"name": "read", "type": "transform.set", "with": {"fields": {"vendor": "{{ input.text }}"}}}],
    "output": "{{ steps.read.output }}",
}

_PEOPLE = """
INSERT INTO users (id, organization_id, email, name, role)
SELECT 'user_' || lpad(n::text, 21, '0'), $1, 'person' || n || '@example.test', 'Person ' || n, 'member'
FROM generate_series(1, $2) n
"""

# `age` is the share of the past that has gone by since the run: 1 is the oldest. random() is squared for a few large
# automations and many small ones.
_RUNS = """
INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, version_reason, mode,
    root_run_id, batch_id, example_id, example_name, trigger_type, triggered_by, sample_rank, status, created_at,
    started_at, completed_at, error, error_code, error_step, entrypoint, delivery, sampled, review_rating,
    review_status, review_regressed, review_created_at, review_updated_at, review_resolved_at,
    review_has_expected_json, review_has_expected_files, review_has_corrections, promoted_example_name, sample_rate,
    sample_probability)
SELECT id, $1, 'wf_' || lpad(automation::text, 21, '0'), 'workflow', 'wfv_' || lpad(automation::text, 21, '0'),
    '1.' || floor((1 - age) * 12)::int || '.0', 'current',
    CASE WHEN batch IS NOT NULL THEN 'eval' WHEN dice < 0.01 AND n % 7 = 0 THEN 'shadow' ELSE 'live' END,
    id, batch, CASE WHEN batch IS NOT NULL THEN 'example-' || n % 200 END,
    CASE WHEN batch IS NOT NULL THEN 'Example ' || n % 200 END,
    CASE WHEN batch IS NOT NULL THEN 'eval' WHEN trigger < 0.8 THEN 'api' WHEN trigger < 0.95 THEN 'schedule'
         ELSE 'manual' END,
    CASE WHEN trigger >= 0.8 AND trigger < 0.95 THEN NULL
         ELSE 'user_' || lpad((1 + floor(power(person, 2) * (10 + 20 * (1 - age))))::int::text, 21, '0') END,
    rank, status, created_at,
    CASE WHEN status <> 'pending' THEN created_at + interval '3 ms' END,
    CASE WHEN status NOT IN ('pending', 'running') THEN created_at + interval '3 ms' + took * interval '1 second' END,
    CASE WHEN status = 'failed' THEN 'The total is missing.' END,
    CASE WHEN status = 'failed' THEN 'code_' || ascii(right(id, 1)) % 7 END,
    CASE WHEN status = 'failed' THEN 'step-' || ascii(right(id, 1)) % 5 END,
    'runs', 1, sampled, rating, review,
    coalesce(review = 'open' AND word < 0.02, false), said_at, said_at + word * interval '1 day',
    CASE WHEN review IN ('resolved', 'ignored') THEN said_at + word * interval '1 day' END,
    said_at IS NOT NULL AND (automation = 3 OR coalesce(rating, '') <> 'pass'),
    coalesce(rating <> 'pass' AND word < 0.02, false),
    coalesce(rating <> 'pass' AND word > 0.8, false),
    CASE WHEN rating <> 'pass' AND word < 0.03 THEN 'promoted-' || n % 3000 END,
    CASE WHEN batch IS NULL THEN 0.15 END, CASE WHEN batch IS NULL THEN 0.15 END
FROM (
    SELECT *, CASE WHEN rating IS NULL THEN NULL
                   WHEN rating = 'pass' THEN CASE WHEN word < 0.2 THEN 'resolved' END
                   WHEN age > 0.95 THEN 'ignored' WHEN age < 0.5 OR word < 0.3 THEN 'open' ELSE 'resolved' END AS review
    FROM (
        SELECT *, CASE WHEN said_at IS NULL THEN NULL WHEN verdict < 0.45 OR verdict > 0.67 THEN 'pass'
                       WHEN verdict < 0.6 THEN 'fail' WHEN verdict < 0.65 THEN 'partial' END AS rating
        FROM (
            SELECT *, CASE WHEN automation = 3 AND status NOT IN ('pending', 'running') OR sampled AND verdict < 0.67
                                AND automation <> 4 AND (automation <> 9 OR age > 0.9)
                           THEN least($3, created_at + (0.1 + verdict * 3) * interval '1 day') END AS said_at
            FROM (
                SELECT *, status = 'completed' AND batch IS NULL AND rank < 0.15 AS sampled
                FROM (
                    SELECT *, CASE WHEN n > $2 - 20 THEN 'pending' WHEN n > $2 - 50 THEN 'running'
                                   WHEN dice < 0.05 AND automation <> 5 THEN 'failed' WHEN dice > 0.999 THEN 'cancelled'
                                   ELSE 'completed' END AS status,
                           CASE WHEN automation = 6 OR (n / 500) % 20 = 0 AND automation < 4
                                THEN 'exp_' || n / 500 END AS batch
                    FROM (
                        SELECT *, CASE WHEN luck = 7 AND age < 0.33 THEN 8 ELSE luck END AS automation,
                               CASE WHEN dice BETWEEN 0.5 AND 0.502 THEN 5400 ELSE 0.05 / (0.01 + rank) END AS took,
                               $3::timestamptz - age * $4::int * interval '1 day' AS created_at
                        FROM (
                            SELECT n, 'exec_' || lpad(n::text, 21, '0') AS id, 1 - n::float8 / $2 AS age,
                                   random() AS dice, random() AS trigger, random() AS person, random() AS rank,
                                   random() AS verdict, random() AS word, floor(power(random(), 2) * $5)::int AS luck
                            FROM generate_series(1, $2::int) n
                        ) AS thrown
                    ) AS placed
                ) AS decided
            ) AS drawn
        ) AS said
    ) AS rated
) AS reviewed
"""

_FEEDBACK = """
INSERT INTO feedback (run_id, organization_id, automation_id, rating, status, body, created_at, updated_at)
SELECT id, organization_id, automation_id, review_rating, review_status,
    CASE WHEN review_rating = 'pass' THEN '' WHEN id LIKE '%777' THEN 'The page was turned upside down.'
         ELSE 'The total is missing on page ' || right(id, 1) || ', and the currency is not that of the page.' END,
    review_created_at, review_updated_at
FROM runs WHERE review_created_at IS NOT NULL
"""

_RESULTS = """
INSERT INTO run_results (run_id, organization_id, output, failure, usage)
SELECT id, organization_id,
    CASE outcome WHEN 'completed' THEN '{"vendor": "Müller & Söhne", "total": 1234.5, "currency": "EUR"}'::json END,
    CASE outcome WHEN 'failed' THEN json_build_object('code', error_code, 'message', error,
        'step', error_step, 'category', 'step') END,
    '{"inputTokens": 1200, "outputTokens": 80, "costUsd": 0.0042}'::json
FROM runs WHERE outcome IS NOT NULL
"""

# What was drawn and reviewed is done, every twentieth by two people; of what was not, the newest wait.
_QUEUE = """
INSERT INTO review_items (id, organization_id, automation_id, run_id, reason, slots, verdicts, state, created_at,
    done_at)
SELECT 'rvi_' || substr(id, 6), organization_id, automation_id, id, 'random', slots,
    CASE WHEN review_rating IS NULL THEN 0 ELSE slots END, CASE WHEN review_rating IS NULL THEN 'open' ELSE 'done' END,
    completed_at, review_created_at
FROM (SELECT *, CASE WHEN id LIKE '%00' OR id LIKE '%50' THEN 2 ELSE 1 END AS slots FROM runs
      WHERE sampled AND review_rating IS NOT NULL) AS reviewed
UNION ALL
SELECT * FROM (
    SELECT 'rvi_' || substr(id, 6), organization_id, automation_id, id, 'random', 1, 0, 'open', completed_at,
        NULL::timestamptz
    FROM runs WHERE sampled AND review_created_at IS NULL ORDER BY created_at DESC LIMIT $1) AS waiting
"""
_CLAIMS = """
INSERT INTO review_claims (item_id, organization_id, reviewer, claimed_at, expires_at, verdict_at)
SELECT id, organization_id, 'user_' || lpad((slot * 5 - ascii(right(id, 1)) % 5)::text, 21, '0'),
    done_at - interval '1 minute', done_at + interval '10 minutes', done_at
FROM review_items, generate_series(1, slots) AS slot WHERE state = 'done'
"""
_VERDICTS = """
INSERT INTO verdicts (organization_id, run_id, reviewer, rating, blind_rating, seconds, created_at, updated_at)
SELECT claim.organization_id, item.run_id, claim.reviewer, rating, CASE WHEN item.slots > 1 THEN rating END,
    5 + 60 * random(), claim.verdict_at, claim.verdict_at
FROM review_claims claim JOIN review_items item ON item.id = claim.item_id JOIN runs ON runs.id = item.run_id,
    LATERAL (SELECT CASE WHEN random() < 0.95 THEN review_rating ELSE 'fail' END AS rating) AS said
"""

_INPUTS = """
INSERT INTO run_inputs (run_id, organization_id, input)
SELECT run_id, organization_id, '{"text": "Müller & Söhne"}' FROM review_items WHERE state = 'open'
"""

_INPUT_DAYS = """
INSERT INTO input_days (organization_id, automation_id, day, runs, counts)
SELECT organization_id, id, day::date, 1000,
    '{"type": {"pdf": 700, "json": 300}, "size": {"1": 500, "2": 400, "3": 100}, "pages": {"1": 800, "2": 200},
      "language": {"de": 600, "en": 400}, "source": {"api": 1000}}'
FROM automations, generate_series(now() - $1 * interval '1 day', now() - interval '1 day', interval '1 day') AS day
"""

# The endpoint is switched off: nobody sends anything while it is measured.
_ENDPOINT = """
INSERT INTO webhook_endpoints (id, organization_id, url, events, enabled, encrypted_secret)
VALUES ($1, $2, 'https://example.test/hook', '{*}', false, '')
"""
_EVENTS = """
INSERT INTO webhook_events (organization_id, endpoint_id, type, payload, created_at)
SELECT $2, $1, 'run.status_changed', '{}', now() - n * interval '1 second' FROM generate_series(1, $3::int) n
"""
_DELIVERED = """
WITH delivered AS (
    UPDATE webhook_deliveries SET state = 'delivered', attempts = 1, next_attempt_at = NULL, last_status = 200,
        delivered_at = created_at
    RETURNING organization_id, id
)
INSERT INTO webhook_attempts (organization_id, delivery_id, number, duration_ms, status)
SELECT organization_id, id, 1, 20, 200 FROM delivered
"""
_AUDIT = """
INSERT INTO audit_entries (id, organization_id, created_at, user_id, action, target, detail)
SELECT new_id('aud'), $1, now() - n * interval '1 minute', 'user_' || lpad((1 + n % 30)::text, 21, '0'),
    'feedback.updated', 'exec_' || lpad(n::text, 21, '0'), '{"rating": "pass"}'
FROM generate_series(1, $2::int) n
"""


@dataclass(frozen=True, slots=True)
class Past:
    """A data folder with its past, a key to read it, and the session of a browser whose owner is signed in."""

    data_dir: Path
    key: str
    session: str
    until: datetime


def automation(number: int) -> str:
    """Return the id of an automation.

    0 is the largest, 5 never fails, 6 only evaluates, 7 is still; of 3 all is reviewed, of 4 nothing, of 9 nothing new.
    """
    return f"wf_{number:021}"


def person(number: int) -> str:
    """Return the id of a user; those above 30 do not exist."""
    return f"user_{number:021}"


def run(number: int) -> str:
    """Return the id of a run, counted from the oldest, which is 1."""
    return f"exec_{number:021}"


def webhook() -> str:
    """Return the id of the endpoint that was told of everything."""
    return f"whep_{1:021}"


async def past(cache: Path, count: int) -> Past:
    """Make a data folder with `count` runs, or take the one an earlier call left in `cache`.

    The cache is thrown away when the schema or this file has changed.
    """
    folder = cache / f"runs-{count}-{_fingerprint()}"
    if not (folder / "seeded").exists():
        for old in cache.glob(f"runs-{count}-*"):
            shutil.rmtree(old)
        folder.mkdir(mode=0o711, parents=True)
    settings = bootstrap.settings_for(folder)
    async with bootstrap.open_database(settings) as database:
        if not (folder / "seeded").exists():
            await _seed(database, count)
            (folder / "seeded").touch()
        async with database.transaction() as tx:
            until = await tx.fetch_value("SELECT max(created_at) FROM runs")
            organization, owner = await access.ensure_default_organization(tx)
            made = await access.create_key(
                tx, organization_id=organization.id, user_id=owner.id, name="bench", scopes=["full_access"]
            )
            link = await access.make_link(tx, owner, "link")
            begun, _ = await access.sign_in_by_link(tx, link, user_agent="bench")
    return Past(folder, made.secret, begun.token, until)


async def _seed(database: db.Database, count: int) -> None:
    connection: asyncpg.Connection = await asyncpg.connect(database.dsn)
    try:
        async with database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
        await connection.execute(_AUTOMATIONS, organization.id, AUTOMATIONS)
        await connection.execute(_PEOPLE, organization.id, PEOPLE)
        await connection.execute(_VERSIONS, organization.id, json.dumps(_WORKFLOW), DAYS * 2 / 3)
        await connection.execute(_CURRENT)
        await _without_indexes(connection, organization.id, count)
        await _reviewing(connection, count // 100)
        await _surroundings(connection, organization.id, count // 100)
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _without_indexes(connection: asyncpg.Connection, organization_id: str, count: int) -> None:
    indexes: list[Any] = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'runs' AND indexname <> 'runs_pkey'"
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    await connection.execute("SELECT setseed(0.5)")
    now = await connection.fetchval("SELECT now()")
    await connection.execute(_RUNS, organization_id, count, now, DAYS, AUTOMATIONS, timeout=1800)
    for index in indexes:
        await connection.execute(index["indexdef"], timeout=600)
    for statement in (_FEEDBACK, _RESULTS):
        await connection.execute(statement, timeout=600)


async def _reviewing(connection: asyncpg.Connection, waiting: int) -> None:
    await connection.execute(_QUEUE, waiting, timeout=600)
    for statement in (_CLAIMS, _VERDICTS, _INPUTS):
        await connection.execute(statement, timeout=600)
    await connection.execute(_INPUT_DAYS, DAYS)


async def _surroundings(connection: asyncpg.Connection, organization_id: str, events: int) -> None:
    await connection.execute(_ENDPOINT, webhook(), organization_id)
    await connection.execute(_EVENTS, webhook(), organization_id, events)
    await connection.execute(_DELIVERED)
    await connection.execute(_AUDIT, organization_id, events)


def _fingerprint() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    versions = Path(db.__file__).parent / "migrations" / "versions"
    for path in sorted(versions.glob("*.sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
