-- Access: who may do what, and what people did.

CREATE TABLE organizations (
    id          text PRIMARY KEY,
    slug        text NOT NULL UNIQUE,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    email            text NOT NULL,
    name             text,
    role             text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'reviewer')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, email)
);

CREATE TABLE api_keys (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    user_id          text NOT NULL REFERENCES users,
    name             text NOT NULL,
    key_hash         bytea NOT NULL UNIQUE,          -- SHA-256 of the whole key; the key itself is shown once
    scopes           text[] NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    expires_at       timestamptz,
    revoked_at       timestamptz,
    last_used_at     timestamptz
);
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, created_at);

CREATE TABLE audit_entries (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    created_at       timestamptz NOT NULL DEFAULT now(),
    user_id          text,
    key_id           text,
    action           text NOT NULL,
    target           text NOT NULL,
    detail           json NOT NULL
);
CREATE INDEX audit_entries_by_time ON audit_entries (organization_id, created_at DESC, id DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Automations: workflows and, later, agents; versions never change.

CREATE TABLE automations (
    id                  text PRIMARY KEY,
    organization_id     text NOT NULL REFERENCES organizations,
    kind                text NOT NULL CHECK (kind IN ('workflow', 'agent')),
    slug                text NOT NULL,
    name                text,
    description         text,
    status              text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
    current_version_id  text,
    api_enabled         boolean NOT NULL,
    manual_enabled      boolean NOT NULL,
    api_switched        boolean NOT NULL DEFAULT false,   -- a person switched it: pushes leave it alone
    manual_switched     boolean NOT NULL DEFAULT false,
    concurrency_limit   integer CHECK (concurrency_limit > 0),
    retention_days      integer CHECK (retention_days > 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, kind, slug)
);
CREATE INDEX automations_by_time ON automations (organization_id, created_at DESC, id DESC);

CREATE TABLE automation_versions (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    kind             text NOT NULL CHECK (kind IN ('workflow', 'agent')),
    label            text,
    precedence       integer[],                           -- major, minor, patch: sorts as semver does
    source           text NOT NULL,
    definition       json NOT NULL,
    content_hash     bytea NOT NULL,
    git_ref          text,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (automation_id, label)
);
CREATE INDEX automation_versions_by_precedence ON automation_versions (automation_id, precedence DESC);
CREATE TRIGGER automation_versions_immutable BEFORE UPDATE OR DELETE ON automation_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE automations ADD FOREIGN KEY (current_version_id) REFERENCES automation_versions;

-- Which version was current from when: going back to one that was current before is a rollback.
CREATE TABLE automation_activations (
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    version_id       text NOT NULL REFERENCES automation_versions,
    reason           text NOT NULL CHECK (reason IN ('push', 'promote', 'rollback')),
    user_id          text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX automation_activations_by_time ON automation_activations (automation_id, created_at DESC);
CREATE TRIGGER automation_activations_append_only BEFORE UPDATE OR DELETE ON automation_activations
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Files: reusable uploads. Bytes lie in the blob store under the hash.

CREATE TABLE files (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    filename         text NOT NULL,
    content_type     text NOT NULL,
    size             bigint NOT NULL,
    sha256           text NOT NULL,
    purpose          text,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX files_by_hash ON files (organization_id, sha256);

-- Runs. The row that lists read holds no payload.
-- No foreign keys from here on: each would lock its parent's row and run a query of its own for every row of the hot
-- path, parents are never deleted, and a run's rows are written and removed by single statements.

CREATE TABLE runs (
    id                   text PRIMARY KEY,
    organization_id      text NOT NULL,
    automation_id        text NOT NULL,
    kind                 text NOT NULL,
    version_id           text NOT NULL,
    version_label        text,
    requested_ref        text,
    version_reason       text NOT NULL,                   -- why this version: current, requested, rerun_original…
    mode                 text NOT NULL CHECK (mode IN ('live', 'shadow', 'eval')),
    routing_key          text,
    parent_run_id        text,
    root_run_id          text NOT NULL,
    batch_id             text,
    in_experiment        boolean NOT NULL GENERATED ALWAYS AS (batch_id IS NOT NULL) STORED,
    example_id           text,
    example_name         text,
    trigger_type         text NOT NULL,
    triggered_by         text,                            -- user id; null is the system itself
    started_by           text NOT NULL GENERATED ALWAYS AS (coalesce(triggered_by, '__system__')) STORED,
    sample_rank          double precision NOT NULL,
    status               text NOT NULL CHECK (status IN
        ('created', 'pending', 'running', 'waiting', 'finalizing', 'completed', 'failed', 'cancelled', 'rejected')),
    outcome              text GENERATED ALWAYS AS (       -- the last status; null until then
        CASE WHEN status IN ('completed', 'failed', 'cancelled', 'rejected') THEN status END) STORED,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at           timestamptz,
    completed_at         timestamptz,
    took_long            boolean GENERATED ALWAYS AS (completed_at - created_at > interval '15 minutes') STORED,
    cancel_requested_at  timestamptz,
    schema_valid         boolean,
    error                text,
    retry_number         integer NOT NULL DEFAULT 0,
    previous_run_id      text,
    next_run_id          text,
    -- the engine's own columns
    entrypoint           text NOT NULL,
    delivery             integer NOT NULL DEFAULT 0,      -- raised by every claim; every write of a worker is fenced by it
    lost_deliveries      integer NOT NULL DEFAULT 0,
    awaited              boolean NOT NULL DEFAULT true,   -- somebody may wait for its end: tell it
    alone                boolean NOT NULL DEFAULT false   -- this delivery runs with nothing beside it
);

-- Each index is written for every run, so there are few, and each holds a run at one time of its life only:
-- `runs_active` until it ends, the others from then on. Lists read the two apart and merge them (runs/page_query.py).
-- Nothing that a claim changes stands in an index (values are compared, and `outcome` stays null), so it costs none.
-- What is included lets any combination of filters be answered without visiting rows.
CREATE INDEX runs_active ON runs (organization_id, automation_id, created_at DESC, id DESC) WHERE outcome IS NULL;
CREATE INDEX runs_by_automation ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_outcome ON runs (organization_id, automation_id, outcome, created_at DESC, id DESC)
    INCLUDE (mode, in_experiment, trigger_type, started_by, version_label, completed_at)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_trigger ON runs (organization_id, automation_id, trigger_type, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, started_by, version_label, completed_at)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_person ON runs (organization_id, automation_id, started_by, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, version_label, completed_at)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_version ON runs (organization_id, automation_id, version_label, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, completed_at)
    WHERE outcome IS NOT NULL;
-- Most runs stand in none of these.
CREATE INDEX runs_by_mode ON runs (organization_id, automation_id, mode, created_at DESC, id DESC)
    INCLUDE (outcome, in_experiment, trigger_type, started_by, version_label, completed_at)
    WHERE outcome IS NOT NULL AND mode <> 'live';
CREATE INDEX runs_by_batch ON runs (organization_id, batch_id, created_at DESC, id DESC)
    INCLUDE (automation_id, outcome, mode, trigger_type, started_by, version_label, completed_at)
    WHERE batch_id IS NOT NULL;
CREATE INDEX runs_by_example ON runs (organization_id, example_id, created_at DESC, id DESC)
    INCLUDE (automation_id, outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at)
    WHERE example_id IS NOT NULL;
CREATE INDEX runs_that_took_long ON runs (organization_id, completed_at) WHERE took_long;
-- Sooner than usual: lists read indexes alone only where the rows have been vacuumed.
ALTER TABLE runs SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE run_inputs (
    run_id           text PRIMARY KEY,
    organization_id  text NOT NULL,
    input            json NOT NULL,
    overrides        json,
    metadata         json
);

CREATE TABLE run_results (
    run_id           text PRIMARY KEY,
    organization_id  text NOT NULL,
    output           json,
    output_sources   json,      -- output field -> the steps it was made from
    failure          json,      -- {code, message, step, category, statusCode}
    usage            json
);

-- A step's row is its checkpoint and its trace.
CREATE TABLE run_steps (
    run_id           text NOT NULL,
    organization_id  text NOT NULL,
    step_key         text NOT NULL,                       -- name and scope: unique within the run
    execution_order  integer NOT NULL,
    name             text NOT NULL,
    type             text NOT NULL,
    status           text NOT NULL CHECK (status IN ('success', 'failure', 'skipped', 'cancelled')),
    skipped_reason   text,
    override_mode    text,
    scope            json,
    config           json,
    input            json,
    output           json,
    error            json,
    usage            json,
    attempts         integer NOT NULL DEFAULT 1,
    started_at       timestamptz NOT NULL,
    completed_at     timestamptz NOT NULL,
    PRIMARY KEY (run_id, step_key)
);

-- What happened to a run that its own row and its steps cannot tell.
CREATE TABLE run_events (
    run_id           text NOT NULL,
    organization_id  text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    type             text NOT NULL,
    message          text,
    metadata         json
);
CREATE INDEX run_events_by_run ON run_events (run_id, created_at);

CREATE TABLE run_artifacts (
    run_id           text NOT NULL,
    organization_id  text NOT NULL,
    path             text NOT NULL,
    name             text NOT NULL,
    role             text NOT NULL,
    step_name        text,
    content_type     text NOT NULL,
    size             bigint NOT NULL,
    sha256           text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, path)
);
CREATE INDEX run_artifacts_by_hash ON run_artifacts (organization_id, sha256);

CREATE TABLE idempotency_keys (
    organization_id  text NOT NULL REFERENCES organizations,
    key              text NOT NULL,
    fingerprint      bytea NOT NULL,
    run_id           text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);

-- What belongs to this database outside of it: every process must use the same store and the same key.
CREATE TABLE installation (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    storage_id    text NOT NULL,
    secret_check  text NOT NULL
);
