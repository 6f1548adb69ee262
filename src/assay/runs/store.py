"""All SQL about runs outside the engine: creating, reading, listing and removing them."""

import json
from collections.abc import Sequence
from datetime import datetime

from assay import db, engine, jsontext, outbox
from assay.files import Artifact
from assay.runs.features import FeatureGroup, Features
from assay.runs.model import (
    BatchRun,
    Chosen,
    Failure,
    NewRun,
    Person,
    RunDetail,
    RunFilters,
    RunInput,
    RunSummary,
    sample_rank,
)
from assay.runs.page_query import Page, page_query

_CREATE = """
WITH created AS (
    INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, requested_ref,
        version_reason, mode, routing_key, parent_run_id, root_run_id, trigger_type, triggered_by, sample_rank, status,
        retry_number, previous_run_id, entrypoint, awaited, parent_waits)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'pending', $16, $17, $18, $22, $23)
    RETURNING id, organization_id, automation_id, kind, version_id, version_label, mode, trigger_type, created_at,
              parent_run_id
), chained AS (
    UPDATE runs SET next_run_id = $1 WHERE id = $17 AND organization_id = $2
), told AS (
    INSERT INTO webhook_events (organization_id, automation_id, type, payload)
    SELECT organization_id, automation_id, 'run.created', run_event(id, kind, automation_id, version_id, version_label,
        mode, trigger_type, created_at, 'pending', NULL, NULL, NULL)
    FROM created WHERE parent_run_id IS NULL AND event_heard(organization_id, automation_id, 'run.created')
    RETURNING id
)
INSERT INTO run_inputs (run_id, organization_id, input, overrides, metadata) VALUES ($1, $2, $19, $20, $21)
RETURNING (SELECT count(*) FROM told) AS told
"""

_CREATE_BATCH = """
WITH given AS (
    SELECT * FROM json_to_recordset($1::json) AS row (id text, example_id text, example_name text,
        sample_rank double precision, input json, overrides json, failure json)
), created AS (
    INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, requested_ref,
        version_reason, mode, root_run_id, batch_id, example_id, example_name, trigger_type, triggered_by, sample_rank,
        status, completed_at, error, error_code, error_step, entrypoint, awaited)
    SELECT id, $2, $3, $4, $5, $6, $7, $8, 'eval', id, $9, example_id, example_name, 'eval', $10, sample_rank,
        CASE WHEN failure IS NULL THEN 'created' ELSE 'rejected' END,
        CASE WHEN failure IS NOT NULL THEN clock_timestamp() END, left(failure->>'message', 2000), failure->>'code',
        failure->>'step', $11, false
    FROM given
), results AS (
    INSERT INTO run_results (run_id, organization_id, failure)
    SELECT id, $2, failure FROM given WHERE failure IS NOT NULL
)
INSERT INTO run_inputs (run_id, organization_id, input, overrides) SELECT id, $2, input, overrides FROM given
"""

_JOINED = """
SELECT r.id, r.kind, r.status, r.mode, r.automation_id, a.slug AS automation_slug, a.name AS automation_name,
       current.label AS current_version, r.version_id, r.version_label, r.requested_ref, r.version_reason,
       r.routing_key, r.parent_run_id, r.root_run_id, r.batch_id, r.example_id, r.example_name, r.trigger_type,
       r.triggered_by, person.name AS person_name, person.email AS person_email, r.sample_rank, r.created_at,
       r.started_at, r.completed_at, r.cancel_requested_at, r.schema_valid, r.error, r.retry_number,
       r.previous_run_id, r.next_run_id, following.status AS next_run_status, graded.score, graded.passed,
       nullif(r.review_state, 'none') AS review_state, r.sampled, r.review_created_at IS NOT NULL AS is_reviewed
       {more}
FROM {source} AS r
JOIN automations a ON a.id = r.automation_id
LEFT JOIN automation_versions current ON current.id = a.current_version_id
LEFT JOIN users person ON person.id = r.triggered_by
LEFT JOIN runs following ON following.id = r.next_run_id
LEFT JOIN example_runs graded ON r.example_id IS NOT NULL AND graded.run_id = r.id
{joins}
"""

_GET = (
    _JOINED.format(
        source="runs",
        more=""", result.output, result.output_sources, result.failure, result.usage,
       (SELECT json_agg(json_build_object('path', f.path, 'name', f.name, 'role', f.role, 'step_name', f.step_name,
            'content_type', f.content_type, 'size', f.size, 'sha256', f.sha256) ORDER BY f.path)
        FROM run_artifacts f WHERE f.run_id = r.id AND f.role = 'output') AS output_files""",
        joins="LEFT JOIN run_results result ON result.run_id = r.id",
    )
    + "WHERE r.id = $1 AND r.organization_id = $2"
)

_IDEMPOTENCY_CLAIM = """
INSERT INTO idempotency_keys (organization_id, key, fingerprint, run_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (organization_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, run_id = excluded.run_id, created_at = now()
    WHERE idempotency_keys.created_at < now() - interval '24 hours'
RETURNING run_id
"""

# A miss that became an example would come back unnoticed without its record.
_STANDS_FOR_IT = """
SELECT FROM feedback JOIN examples ON examples.id = feedback.promoted_example_id AND examples.deleted_at IS NULL
WHERE feedback.run_id = runs.id AND feedback.rating IS DISTINCT FROM 'pass' AND feedback.status IS NOT NULL
"""

_EXPIRED = f"""
SELECT runs.id, runs.organization_id FROM runs
JOIN automations ON automations.id = runs.automation_id
WHERE automations.retention_days IS NOT NULL
  AND runs.organization_id = automations.organization_id AND runs.outcome IS NOT NULL
  AND runs.review_status IS DISTINCT FROM 'open'                        -- a miss stays until it is dealt with
  AND NOT (runs.promoted_example_name IS NOT NULL AND EXISTS ({_STANDS_FOR_IT}))
  AND runs.created_at < now() - make_interval(days => automations.retention_days)  -- an index knows this one
  AND runs.completed_at < now() - make_interval(days => automations.retention_days)
LIMIT $1 FOR UPDATE OF runs SKIP LOCKED  -- whoever writes one now may be opening its review
"""

_DELETE = """
WITH gone AS (
    DELETE FROM runs WHERE id = $1 AND organization_id = $2 RETURNING id
), unchained AS (
    UPDATE runs SET next_run_id = NULL WHERE next_run_id = $1 AND organization_id = $2
), inputs AS (
    DELETE FROM run_inputs WHERE run_id IN (SELECT id FROM gone)
), results AS (
    DELETE FROM run_results WHERE run_id IN (SELECT id FROM gone)
), steps AS (
    DELETE FROM run_steps WHERE run_id IN (SELECT id FROM gone)
), events AS (
    DELETE FROM run_events WHERE run_id IN (SELECT id FROM gone)
), artifacts AS (
    DELETE FROM run_artifacts WHERE run_id IN (SELECT id FROM gone) RETURNING sha256
), graded AS (
    DELETE FROM example_runs WHERE run_id IN (SELECT id FROM gone)
), scored AS (
    DELETE FROM scores WHERE run_id IN (SELECT id FROM gone)
), queued AS (
    DELETE FROM review_items WHERE run_id IN (SELECT id FROM gone)
), judged AS (
    DELETE FROM verdicts WHERE run_id IN (SELECT id FROM gone)
), before AS (
    DELETE FROM incumbent_outputs WHERE run_id IN (SELECT id FROM gone)
), corrected AS (
    SELECT sha256 FROM feedback_files WHERE run_id IN (SELECT id FROM gone)  -- as they were: the next takes them along
), reviewed AS (
    DELETE FROM feedback WHERE run_id IN (SELECT id FROM gone)
), said AS (
    DELETE FROM feedback_history WHERE run_id IN (SELECT id FROM gone)
)
SELECT gone.id, (SELECT array_agg(sha256) FROM (SELECT sha256 FROM artifacts UNION SELECT sha256 FROM corrected)
    AS freed (sha256)) AS hashes
FROM gone
"""


async def create(tx: db.Transaction, run: NewRun, entrypoint: str) -> None:
    """Insert a pending run with its input, chained to the run it repeats."""
    chosen = run.chosen
    told = await tx.fetch_value(
        _CREATE,
        run.id,
        run.organization_id,
        chosen.automation_id,
        chosen.kind,
        chosen.version_id,
        chosen.version_label,
        chosen.requested_ref,
        chosen.reason,
        run.mode,
        run.routing_key,
        run.parent_run_id,
        run.root_run_id or run.id,
        run.trigger_type,
        run.triggered_by,
        sample_rank(run.organization_id, run.id),
        run.retry_number,
        run.previous_run_id,
        entrypoint,
        jsontext.dump(run.input),
        jsontext.dump_or_none(run.overrides),
        jsontext.dump_or_none(run.metadata),
        run.awaited,
        run.parent_waits,
    )
    if told:
        outbox.wake_after_commit(tx)


async def create_batch(
    tx: db.Transaction,
    organization_id: str,
    chosen: Chosen,
    rows: Sequence[BatchRun],
    batch_id: str | None,
    triggered_by: str | None,
    entrypoint: str,
) -> None:
    """Insert runs of examples with their input: created, or rejected where there is a failure."""
    given = ",".join(_batch_row(organization_id, row) for row in rows)
    await tx.execute(
        _CREATE_BATCH,
        f"[{given}]",
        organization_id,
        chosen.automation_id,
        chosen.kind,
        chosen.version_id,
        chosen.version_label,
        chosen.requested_ref,
        chosen.reason,
        batch_id,
        triggered_by,
        entrypoint,
    )


def _batch_row(organization_id: str, row: BatchRun) -> str:
    # Payloads are written by themselves: within the whole they would be nested deeper than they may.
    plain = {
        "id": row.id,
        "example_id": row.example_id,
        "example_name": row.example_name,
        "sample_rank": sample_rank(organization_id, row.id),
        "failure": None if row.failure is None else _failure_values(row.failure),
    }
    overrides = jsontext.dump_or_none(row.overrides) or "null"
    return f'{jsontext.dump(plain)[:-1]},"input":{jsontext.dump(row.input)},"overrides":{overrides}}}'


async def claim_idempotency_key(
    tx: db.Transaction, organization_id: str, key: str, fingerprint: bytes, run_id: str
) -> tuple[str, bytes] | None:
    """Take a key for a run; None if it is ours now, else the run and fingerprint that hold it.

    Waits for a concurrent request with the same key to commit or roll back.
    """
    if await tx.fetch_one(_IDEMPOTENCY_CLAIM, organization_id, key, fingerprint, run_id) is not None:
        return None
    sql = "SELECT run_id, fingerprint FROM idempotency_keys WHERE organization_id = $1 AND key = $2"
    row = await tx.fetch_one(sql, organization_id, key)
    assert row is not None
    return row["run_id"], row["fingerprint"]


async def forget_old_idempotency_keys(tx: db.Transaction) -> None:
    """Drop keys whose 24 hours are over."""
    await tx.execute("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")


async def get(tx: db.Transaction, organization_id: str, run_id: str) -> RunDetail | None:
    """Read a run with its result."""
    row = await tx.fetch_one(_GET, run_id, organization_id)
    if row is None:
        return None
    return RunDetail(
        summary=_summary(row),
        output=jsontext.load(row["output"]),
        output_sources=jsontext.load(row["output_sources"]),
        failure=_failure(row["failure"]),
        usage=jsontext.load(row["usage"]),
        output_files=[Artifact(**values) for values in json.loads(row["output_files"] or "[]")],
    )


async def get_input(tx: db.Transaction, organization_id: str, run_id: str) -> RunInput | None:
    """Read what a run was given."""
    sql = "SELECT input, overrides, metadata FROM run_inputs WHERE run_id = $1 AND organization_id = $2"
    row = await tx.fetch_one(sql, run_id, organization_id)
    if row is None:
        return None
    return RunInput(*(jsontext.load(row[name]) for name in ("input", "overrides", "metadata")))


async def expired(tx: db.Transaction, limit: int) -> Sequence[tuple[str, str]]:
    """Name runs that outlived their automation's retention: (organization id, run id)."""
    return [(row["organization_id"], row["id"]) for row in await tx.fetch(_EXPIRED, limit)]


async def is_yet_to_be_counted(tx: db.Transaction, organization_id: str, run_id: str) -> bool:
    """Tell whether the run is part of an experiment that has not ended."""
    sql = """SELECT FROM runs JOIN experiments ON experiments.id = runs.batch_id AND experiments.status <> 'completed'
             WHERE runs.id = $1 AND runs.organization_id = $2"""
    return await tx.fetch_one(sql, run_id, organization_id) is not None


async def is_under_review(tx: db.Transaction, organization_id: str, run_id: str) -> bool:
    """Tell whether a run's review is open, or an example stands for its miss; it stays so in this transaction."""
    sql = "SELECT id FROM runs WHERE id = $1 AND organization_id = $2 FOR UPDATE"
    await tx.fetch_one(sql, run_id, organization_id)
    # Only now is it known that nobody writes it meanwhile.
    sql = f"""SELECT review_status IS NOT DISTINCT FROM 'open' OR EXISTS ({_STANDS_FOR_IT})
              FROM runs WHERE id = $1 AND organization_id = $2"""
    return bool(await tx.fetch_value(sql, run_id, organization_id))


async def delete(tx: db.Transaction, organization_id: str, run_id: str) -> Sequence[str] | None:
    """Remove a run and all its rows; return the hashes its artifacts had, None if there is no such run."""
    await tx.fetch("SELECT set_config('assay.erasing', 'on', true)")  # history goes with its run, and only so
    row = await tx.fetch_one(_DELETE, run_id, organization_id)
    return None if row is None else row["hashes"] or []


# --- features

_FEATURE_GROUPS = """
WITH newest AS (
    SELECT id, created_at FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NOT NULL AND mode = 'live'
      AND ($3::timestamptz IS NULL OR created_at >= $3) AND ($4::timestamptz IS NULL OR created_at < $4)
    ORDER BY created_at DESC, id DESC LIMIT $5
)
SELECT result.features::text AS features, count(*) AS runs,
       (array_agg(newest.id ORDER BY newest.created_at DESC, newest.id DESC))[:$6] AS run_ids
FROM newest LEFT JOIN run_results result ON result.run_id = newest.id
GROUP BY 1 ORDER BY 2 DESC, 1
"""


async def feature_groups(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    created_from: datetime | None,
    created_to: datetime | None,
    limit: int,
    run_ids: int,
) -> list[FeatureGroup]:
    """Count the newest `limit` ended live runs by their features, the largest group first, each with its newest runs.

    `created_to` itself is left out.
    """
    rows = await tx.fetch(_FEATURE_GROUPS, organization_id, automation_id, created_from, created_to, limit, run_ids)
    return [
        FeatureGroup(None if row["features"] is None else Features.load(row["features"]), row["runs"], row["run_ids"])
        for row in rows
    ]


# --- lists


# Filters differ too much in what they leave for one plan to fit all values; and starting parallel workers
# takes longer than a page may.
_LIST_SETTINGS = """
SELECT set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true)
"""


async def list_places(
    tx: db.Transaction, organization_id: str, filters: RunFilters, page: Page, *, timeout_seconds: float
) -> list[tuple[datetime, str]]:
    """Find the runs of a page, by their time and id in this order, newest first unless it is ascending.

    The rest of the transaction keeps the time limit of each statement.

    Raises:
        asyncpg.QueryCanceledError: a statement took longer than `timeout_seconds`.
    """
    await tx.fetch(_LIST_SETTINGS, str(max(1, round(timeout_seconds * 1000))))
    return [(row["moment"], row["id"]) for row in await tx.fetch(page_query(organization_id, filters, page))]


async def summaries(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> list[RunSummary]:
    """Read these runs, in this order; what does not exist is left out."""
    if not run_ids:
        return []
    sql = _JOINED.format(source="runs", more="", joins="") + "WHERE r.id = ANY($1) AND r.organization_id = $2"
    found = {row["id"]: _summary(row) for row in await tx.fetch(sql, list(run_ids), organization_id)}
    return [found[run_id] for run_id in run_ids if run_id in found]


_DAILY = """
SELECT automation.id AS automation_id, past.days_ago, counted.runs
FROM unnest($2::text[]) AS automation (id), generate_series(0, $3::int - 1) AS past (days_ago),
     LATERAL (SELECT count(*) AS runs FROM runs
              WHERE organization_id = $1 AND automation_id = automation.id AND NOT in_experiment
                AND outcome IS NOT NULL
                AND created_at >= date_trunc('day', now(), 'UTC') - past.days_ago * interval '1 day'
                AND created_at < date_trunc('day', now(), 'UTC') - (past.days_ago - 1) * interval '1 day') AS counted
WHERE counted.runs > 0
"""


async def daily_runs(
    tx: db.Transaction, organization_id: str, automation_ids: Sequence[str], days: int
) -> dict[tuple[str, int], int]:
    """Count ended runs outside of experiments by automation and by how many days ago they were started (UTC)."""
    rows = await tx.fetch(_DAILY, organization_id, list(automation_ids), days)
    return {(row["automation_id"], row["days_ago"]): row["runs"] for row in rows}


async def count_in_flight(tx: db.Transaction) -> dict[str, int]:
    """Count unfinished runs by status, for metrics."""
    rows = await tx.fetch("SELECT status, count(*) AS runs FROM runs WHERE outcome IS NULL GROUP BY status")
    return {row["status"]: row["runs"] for row in rows}


# --- rows to values


def _summary(row: db.Row) -> RunSummary:
    values = dict(row)
    person = values["triggered_by"]
    if person is not None and values["person_email"] is not None:
        values["triggered_by"] = Person(person, values["person_name"], values["person_email"])
    else:
        values["triggered_by"] = None
    values["status"] = engine.RunStatus(values["status"])
    return RunSummary(**{name: values[name] for name in RunSummary.__dataclass_fields__})


def _failure_values(failure: Failure) -> dict[str, object]:
    return {
        "code": failure.code,
        "message": failure.message,
        "step": failure.step,
        "category": failure.category,
        "statusCode": failure.status_code,
    }


def _failure(text: str | None) -> Failure | None:
    if text is None:
        return None
    values = jsontext.load(text)
    return Failure(values["code"], values["message"], values["step"], values["category"], values["statusCode"])
