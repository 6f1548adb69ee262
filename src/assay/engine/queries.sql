-- Every statement that moves a run. One statement a transition: it checks the state it starts from,
-- and, for a worker, that the run is still its own (`delivery`).

-- name: claim
-- Take the run for this worker. Nothing comes back when it is finished or gone, or when its job ($2) is no longer this
-- worker's ($3): one that was paused between job and claim must not take the run from the worker that has it by now.
-- A run that is found running was lost by the worker that had it.
WITH before AS (
    SELECT id, status, alone FROM runs
    WHERE id = $1 AND EXISTS (SELECT FROM pgqueuer WHERE pgqueuer.id = $2 AND queue_manager_id = $3)
    FOR NO KEY UPDATE
), claimed AS (
    UPDATE runs
    SET status = 'running',
        delivery = runs.delivery + 1,
        lost_deliveries = runs.lost_deliveries + (before.status = 'running')::int,
        started_at = coalesce(runs.started_at, clock_timestamp())
    FROM before
    WHERE runs.id = before.id AND before.status IN ('pending', 'running', 'waiting')
    RETURNING runs.id, runs.organization_id, runs.automation_id, runs.kind, runs.version_id, runs.mode,
              runs.created_at, runs.started_at, runs.cancel_requested_at, runs.delivery, runs.lost_deliveries,
              runs.batch_id, runs.example_id, runs.parent_run_id, runs.trigger_type,
              before.status = 'running' AS was_lost, before.alone AS was_alone
)
SELECT claimed.*, run_inputs.input, run_inputs.overrides, run_inputs.metadata,
       first_file.content_type AS file_type, first_file.size AS file_size
FROM claimed JOIN run_inputs ON run_inputs.run_id = claimed.id
LEFT JOIN LATERAL (
    SELECT content_type, size FROM run_artifacts WHERE run_id = claimed.id AND role = 'input' ORDER BY path LIMIT 1
) AS first_file ON true;

-- name: recorded_steps
-- What earlier deliveries of the run committed.
SELECT step_key, execution_order, name, type, status, skipped_reason, override_mode, scope, config, input, output,
       error, usage, attempts, started_at, completed_at
FROM run_steps WHERE run_id = $1 ORDER BY execution_order;

-- name: hold
-- Keep the run this worker's while the transaction lasts. Answers whether somebody asked to cancel it.
SELECT cancel_requested_at IS NOT NULL AS cancel_requested FROM runs
WHERE id = $1 AND delivery = $2 AND status = 'running' FOR SHARE;

-- name: mark_alone
-- From here on a loss is this run's own fault.
UPDATE runs SET alone = true WHERE id = $1 AND delivery = $2 AND status = 'running' RETURNING id;

-- name: checkpoint
-- Commit step rows, if the run is still this worker's. Answers whether somebody asked to cancel it.
WITH fence AS (
    SELECT id, organization_id, cancel_requested_at FROM runs
    WHERE id = $1 AND delivery = $2 AND status = 'running' FOR NO KEY UPDATE
), saved AS (
    INSERT INTO run_steps (run_id, organization_id, step_key, execution_order, name, type, status, skipped_reason,
        override_mode, scope, config, input, output, error, usage, attempts, started_at, completed_at)
    SELECT fence.id, fence.organization_id, step.*
    FROM fence, json_to_recordset($3::json) AS step (step_key text, execution_order int, name text, type text,
        status text, skipped_reason text, override_mode text, scope json, config json, input json, output json,
        error json, usage json, attempts json, started_at timestamptz, completed_at timestamptz)
    ON CONFLICT (run_id, step_key) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error, usage = excluded.usage,
        attempts = excluded.attempts, completed_at = excluded.completed_at
    WHERE run_steps.status = 'waiting'
)
SELECT cancel_requested_at IS NOT NULL AS cancel_requested FROM fence;

-- name: finish
-- End the run with its last step rows and its result, and wake whoever waits for it.
WITH fence AS (
    UPDATE runs
    SET status = $4, completed_at = clock_timestamp(), error = $5, error_code = $9::json->>'code',
        error_step = $9::json->>'step', schema_valid = $6, alone = false,
        sample_rate = ($12::json->>'rate')::float8, sample_stratum = $12::json->>'stratum',
        sample_probability = ($12::json->>'probability')::float8,
        sampled = coalesce(($12::json->>'sampled')::boolean, false)
    WHERE id = $1 AND delivery = $2 AND status = 'running'
    RETURNING id, organization_id, automation_id, awaited, batch_id, sampled, kind, version_id, version_label, mode,
              trigger_type, parent_run_id, created_at, completed_at
), saved AS (
    INSERT INTO run_steps (run_id, organization_id, step_key, execution_order, name, type, status, skipped_reason,
        override_mode, scope, config, input, output, error, usage, attempts, started_at, completed_at)
    SELECT fence.id, fence.organization_id, step.*
    FROM fence, json_to_recordset($3::json) AS step (step_key text, execution_order int, name text, type text,
        status text, skipped_reason text, override_mode text, scope json, config json, input json, output json,
        error json, usage json, attempts json, started_at timestamptz, completed_at timestamptz)
    ON CONFLICT (run_id, step_key) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error, usage = excluded.usage,
        attempts = excluded.attempts, completed_at = excluded.completed_at
    WHERE run_steps.status = 'waiting'
), result AS (
    INSERT INTO run_results (run_id, organization_id, output, output_sources, failure, usage, features)
    SELECT fence.id, fence.organization_id, $7, $8, $9, $10, $11 FROM fence
), queued AS (
    INSERT INTO review_items (id, organization_id, automation_id, run_id, reason, priority, slots)
    SELECT $12::json->>'item_id', fence.organization_id, fence.automation_id, fence.id, $12::json->>'reason',
           ($12::json->>'priority')::smallint, ($12::json->>'slots')::smallint
    FROM fence WHERE fence.sampled
), told AS (
    INSERT INTO webhook_events (organization_id, automation_id, type, payload)
    SELECT organization_id, automation_id, 'run.status_changed', run_event(id, kind, automation_id, version_id,
        version_label, mode, trigger_type, created_at, $4, completed_at, 'running', $9::json->>'code')
    FROM fence
    WHERE parent_run_id IS NULL AND batch_id IS NULL AND event_heard(organization_id, automation_id, 'run.status_changed')
    RETURNING id
), woken AS (  -- the run that waits for this one, if one does
    UPDATE pgqueuer SET execute_after = now()
    WHERE dedupe_key = (SELECT parent_run_id FROM fence) AND status = 'queued' AND execute_after > now()
    RETURNING id
)
SELECT id, (SELECT count(*) FROM told) AS told, (SELECT count(*) FROM woken) AS woken, CASE WHEN awaited THEN pg_notify('assay_run_finished', id) END FROM fence;

-- name: tell_progress
-- Runs of these batches ended.
SELECT pg_notify('assay_batch_progress', id) FROM unnest($1::text[]) AS id;

-- name: tell_of_runs
-- Runs began or ended.
SELECT pg_notify($1, '');

-- name: hand_back
-- Return an unfinished run to the queue on purpose: not a loss.
UPDATE runs SET status = 'pending', alone = false
WHERE id = $1 AND delivery = $2 AND status = 'running' RETURNING id;

-- name: suspend
-- Let the run wait for its time: no worker holds it, and taking it up again is not a loss. Answers whether somebody
-- asked to cancel it.
UPDATE runs SET status = 'waiting', alone = false
WHERE id = $1 AND delivery = $2 AND status = 'running' RETURNING cancel_requested_at IS NOT NULL AS cancel_requested;

-- name: note_event
-- Keep what happened to a run that its own row and its steps cannot tell.
INSERT INTO run_events (run_id, organization_id, type, message, metadata) VALUES ($1, $2, $3, $4, $5);

-- name: request_cancel
-- A run nobody has started ends at once; a running one is asked to stop. The first answer is the state before.
WITH before AS (
    SELECT id, organization_id, status FROM runs WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE
), changed AS (
    UPDATE runs
    SET cancel_requested_at = coalesce(runs.cancel_requested_at, clock_timestamp()),
        status = CASE WHEN before.status IN ('created', 'pending', 'waiting') THEN 'cancelled' ELSE runs.status END,
        completed_at = CASE WHEN before.status IN ('created', 'pending', 'waiting') THEN clock_timestamp() END
    FROM before
    WHERE runs.id = before.id AND before.status IN ('created', 'pending', 'running', 'waiting', 'finalizing')
    RETURNING runs.*
), result AS (
    INSERT INTO run_results (run_id, organization_id)
    SELECT before.id, before.organization_id FROM before JOIN changed USING (id) WHERE changed.status = 'cancelled'
), told AS (
    INSERT INTO webhook_events (organization_id, automation_id, type, payload)
    SELECT before.organization_id, automation_id, 'run.status_changed', run_event(id, kind, automation_id, version_id,
        version_label, mode, trigger_type, created_at, changed.status, completed_at, before.status, NULL)
    FROM before JOIN changed USING (id)
    WHERE changed.status = 'cancelled' AND parent_run_id IS NULL AND batch_id IS NULL
      AND event_heard(before.organization_id, automation_id, 'run.status_changed')
    RETURNING id
), woken AS (  -- the run that waits for this one, if one does
    UPDATE pgqueuer SET execute_after = now()
    WHERE dedupe_key = (SELECT parent_run_id FROM changed WHERE status = 'cancelled') AND status = 'queued'
      AND execute_after > now()
    RETURNING id
)
SELECT before.status AS was_status, coalesce(changed.status, before.status) AS status,
       (SELECT count(*) FROM told) AS told, (SELECT count(*) FROM woken) AS woken,
       CASE WHEN changed.status = 'cancelled' AND changed.awaited THEN pg_notify('assay_run_finished', before.id)
            WHEN changed.status <> 'cancelled' THEN pg_notify('assay_run_cancel', before.id) END,
       CASE WHEN changed.status = 'cancelled' AND changed.batch_id IS NOT NULL
            THEN pg_notify('assay_batch_progress', changed.batch_id) END
FROM before LEFT JOIN changed USING (id);

-- name: cancel_all
-- The same for many runs: those that no worker has end at once, the others are asked to stop.
WITH changed AS (
    UPDATE runs
    SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
        status = CASE WHEN status IN ('created', 'pending', 'waiting') THEN 'cancelled' ELSE status END,
        completed_at = CASE WHEN status IN ('created', 'pending', 'waiting') THEN clock_timestamp() END
    WHERE id = ANY($1) AND outcome IS NULL
    RETURNING id, organization_id, status, awaited
), result AS (
    INSERT INTO run_results (run_id, organization_id) SELECT id, organization_id FROM changed WHERE status = 'cancelled'
)
SELECT CASE WHEN status <> 'cancelled' THEN pg_notify('assay_run_cancel', id)
            WHEN awaited THEN pg_notify('assay_run_finished', id) END FROM changed;

-- name: waited_for
-- The runs that these wait for.
SELECT id FROM runs WHERE parent_run_id = ANY($1) AND parent_waits AND outcome IS NULL;

-- name: in_flight_of_batch
-- The runs of a batch that have not ended.
SELECT id FROM runs WHERE organization_id = $1 AND batch_id = $2 AND outcome IS NULL;

-- name: dequeue
-- Those of these runs that have ended stand in the queue no longer.
DELETE FROM pgqueuer USING runs
WHERE dedupe_key = ANY($1) AND pgqueuer.status = 'queued' AND runs.id = dedupe_key AND runs.outcome IS NOT NULL;

-- name: admit
-- Runs that were created take their place in the queue.
UPDATE runs SET status = 'pending' WHERE id = ANY($1) AND status = 'created' RETURNING id, entrypoint;

-- name: unfinished_of_batch
-- How many runs of a batch have not ended.
SELECT count(*) FROM runs WHERE batch_id = $1 AND outcome IS NULL;

-- name: await_run
-- From now on somebody waits for the run: its end is told. The answer is whether it has come already.
UPDATE runs SET awaited = true WHERE id = $1 AND organization_id = $2 RETURNING outcome IS NOT NULL AS finished;

-- name: finished_among
-- Which of these runs need no more waiting.
SELECT id FROM runs WHERE id = ANY($1) AND status IN ('completed', 'failed', 'cancelled', 'rejected');

-- name: cancelled_among
-- Which of these runs somebody asked to cancel.
SELECT id FROM runs WHERE id = ANY($1) AND cancel_requested_at IS NOT NULL;

-- name: concurrency_limits
-- Entrypoints with a limit of their own, and those that still have runs, also such as are not queued yet.
SELECT 'runs.' || id AS entrypoint, concurrency_limit FROM automations WHERE concurrency_limit IS NOT NULL
UNION
SELECT 'runs.' || a.id, coalesce(a.concurrency_limit, 0)
FROM (SELECT DISTINCT organization_id, automation_id, entrypoint FROM runs WHERE outcome IS NULL) AS unfinished
JOIN automations a ON a.id = unfinished.automation_id AND unfinished.entrypoint = 'runs.' || a.id;

-- name: orphans
-- Runs in flight that stand in no queue: their job was lost by the queue, not by a worker.
SELECT runs.id, runs.entrypoint FROM runs
WHERE runs.outcome IS NULL AND runs.status IN ('pending', 'running', 'waiting')
  AND runs.created_at < now() - interval '2 minutes'
  AND NOT EXISTS (SELECT FROM pgqueuer WHERE pgqueuer.dedupe_key = runs.id)
LIMIT 1000;

-- name: due
-- Whether something is waiting to be picked now (1 or 0), and when the next of the rest will be.
SELECT (SELECT count(*) FROM (
            SELECT FROM pgqueuer
            WHERE status = 'queued' AND entrypoint = ANY($1::text[]) AND execute_after <= now() LIMIT 1) AS one) AS due,
       (SELECT execute_after - now() FROM pgqueuer
        WHERE status = 'queued' AND entrypoint = ANY($1::text[]) AND execute_after > now()
        ORDER BY execute_after LIMIT 1) AS next_due;

-- name: drop_jobs
-- Take finished jobs out of the queue, but only those this worker still holds.
DELETE FROM pgqueuer WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2;

-- name: requeue_job
-- Give one job back to the queue, if this worker still holds it, and have all workers look when it is due: those that
-- have nothing to do would find it late.
WITH requeued AS (
    UPDATE pgqueuer
    SET status = 'queued', execute_after = now() + $3::interval, attempts = attempts + 1, updated = now(),
        queue_manager_id = NULL
    WHERE id = $1 AND queue_manager_id = $2
    RETURNING id
)
SELECT pg_notify($4, $5) FROM requeued;

-- name: beat
-- Say that these jobs are being worked on, if this worker still holds them.
UPDATE pgqueuer SET heartbeat = now() WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2;
