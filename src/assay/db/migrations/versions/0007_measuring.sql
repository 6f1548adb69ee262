-- Datasets. An example's content never changes: a change writes another version of it, and closes the one before.
-- A version is part of the revisions from `from_revision` up to, and without, `to_revision` (null: it still is).

CREATE TABLE dataset_revisions (
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    number           integer NOT NULL CHECK (number > 0),
    content_hash     text NOT NULL,                       -- SHA-256 over names and content hashes, in name order
    action           text NOT NULL,                       -- what made it: example.created, dataset.replaced…
    examples         integer NOT NULL,
    with_expected    integer NOT NULL,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (automation_id, number)
);
CREATE TRIGGER dataset_revisions_append_only BEFORE UPDATE OR DELETE ON dataset_revisions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE examples (
    id                text PRIMARY KEY,
    organization_id   text NOT NULL REFERENCES organizations,
    automation_id     text NOT NULL REFERENCES automations,
    name              text COLLATE "C" NOT NULL,
    promoted_run_id   text,                               -- the run it was made from
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz,
    deleted_at        timestamptz
);
CREATE UNIQUE INDEX examples_by_name ON examples (automation_id, name) WHERE deleted_at IS NULL;
CREATE INDEX examples_by_promoted_run ON examples (organization_id, promoted_run_id) WHERE promoted_run_id IS NOT NULL;

CREATE TABLE example_versions (
    id                text PRIMARY KEY,
    organization_id   text NOT NULL REFERENCES organizations,
    automation_id     text NOT NULL REFERENCES automations,
    example_id        text NOT NULL REFERENCES examples,
    from_revision     integer NOT NULL,
    to_revision       integer CHECK (to_revision > from_revision),
    name              text COLLATE "C" NOT NULL,
    row_order         integer,
    input             json NOT NULL,                      -- an object
    json_size         integer NOT NULL,                   -- characters of all its JSON, to read as many as memory holds
    expected          json,                               -- expected output; null is SQL's null, not JSON's
    expected_error    json,                               -- {code?, messageContains?, step?}; excludes expected
    metadata          json,
    annotation        text,
    overrides         json,
    graded_hash       text NOT NULL,                      -- input, expected, files, overrides: what a verdict rests on
    content_hash      text NOT NULL,                      -- all of it
    created_by        text,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- The order of a dataset: by row order, then by name; without a row order last.
CREATE UNIQUE INDEX example_versions_current
    ON example_versions (automation_id, (coalesce(row_order, 2147483647)), name) WHERE to_revision IS NULL;
CREATE INDEX example_versions_by_revision ON example_versions (automation_id, from_revision, to_revision);
CREATE INDEX example_versions_by_example ON example_versions (example_id, from_revision DESC);
-- A version is closed once; nothing else about it ever changes.
CREATE TRIGGER example_versions_keep_content BEFORE UPDATE OF
    id, organization_id, automation_id, example_id, from_revision, name, row_order, input, json_size, expected,
    expected_error, metadata, annotation, overrides, graded_hash, content_hash, created_by, created_at
    ON example_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER example_versions_close_once BEFORE UPDATE ON example_versions
    FOR EACH ROW WHEN (OLD.to_revision IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER example_versions_append_only BEFORE DELETE ON example_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE example_files (
    organization_id     text NOT NULL REFERENCES organizations,
    example_version_id  text NOT NULL REFERENCES example_versions,
    path                text NOT NULL,                    -- input/… or expected/…
    sha256              text NOT NULL,
    size                bigint NOT NULL,
    content_type        text NOT NULL,
    PRIMARY KEY (example_version_id, path)
);
CREATE INDEX example_files_by_hash ON example_files (organization_id, sha256);
CREATE TRIGGER example_files_append_only BEFORE UPDATE OR DELETE ON example_files
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Evaluators: each text that was ever in force; the highest number is now.

CREATE TABLE evaluator_sets (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    number           integer NOT NULL CHECK (number > 0),
    source           text NOT NULL,
    content_hash     text NOT NULL,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (automation_id, number)
);
CREATE TRIGGER evaluator_sets_append_only BEFORE UPDATE OR DELETE ON evaluator_sets
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Experiments.

CREATE TABLE experiments (
    id                   text PRIMARY KEY,
    organization_id      text NOT NULL REFERENCES organizations,
    automation_id        text NOT NULL REFERENCES automations,
    version_id           text NOT NULL,
    version_label        text,
    requested_ref        text,
    dataset_revision     integer NOT NULL,
    dataset_hash         text NOT NULL,
    whole_dataset        boolean NOT NULL,
    evaluator_set_id     text,                            -- null: there were none, nothing is graded
    models               json,                            -- what the names in the workflow stood for
    examples             integer NOT NULL,
    repeats              integer NOT NULL DEFAULT 1 CHECK (repeats > 0),
    required_passes      integer NOT NULL DEFAULT 1 CHECK (required_passes > 0),
    concurrency          integer CHECK (concurrency > 0),
    runs                 integer NOT NULL,
    startable            integer NOT NULL,                -- those that were not rejected at once
    admitted             integer NOT NULL DEFAULT 0,      -- how many of them have been queued
    next_position        integer NOT NULL DEFAULT 0,      -- where the next one to be queued stands, or behind it
    status               text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'completed')),
    cancel_requested_at  timestamptz,
    created_by           text,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at           timestamptz,
    completed_at         timestamptz,
    -- what came of it, written when it ends
    completed_count      integer,
    passed_count         integer,
    failed_count         integer,
    error_count          integer,
    avg_score            double precision,
    summary              json                             -- rates with intervals, per evaluator, flake rate
);
CREATE INDEX experiments_by_time ON experiments (organization_id, automation_id, created_at DESC, id DESC);
CREATE INDEX experiments_by_version ON experiments (organization_id, version_id, completed_at DESC);
CREATE INDEX experiments_open ON experiments (created_at) WHERE status <> 'completed';

-- What an experiment still waits for.
CREATE INDEX runs_unfinished_by_batch ON runs (batch_id) WHERE batch_id IS NOT NULL AND outcome IS NULL;

-- A run of an example: what it is graded by, and how that ended. Alone, or as part of an experiment.
CREATE TABLE example_runs (
    run_id              text PRIMARY KEY,
    organization_id     text NOT NULL,
    automation_id       text NOT NULL,
    experiment_id       text,
    example_id          text NOT NULL,
    example_version_id  text NOT NULL,
    example_name        text NOT NULL,
    evaluator_set_id    text,
    position            integer NOT NULL,
    repeat              integer NOT NULL DEFAULT 1,
    verdict             text CHECK (verdict IN ('pass', 'fail', 'error', 'ungraded')),   -- null until it was graded
    score               double precision,
    passed              boolean
);
CREATE INDEX example_runs_by_experiment ON example_runs (experiment_id, position) WHERE experiment_id IS NOT NULL;
CREATE INDEX example_runs_by_example ON example_runs (organization_id, example_id, run_id DESC);

CREATE TABLE scores (
    run_id             text NOT NULL,
    organization_id    text NOT NULL,
    position           smallint NOT NULL,                 -- of the evaluator in its file
    evaluator_name     text NOT NULL,
    evaluator_type     text NOT NULL,
    evaluator_version  text NOT NULL,                     -- type's own version and hash of its configuration
    score              double precision,
    passed             boolean,
    label              text,
    weight             double precision NOT NULL,
    pass_threshold     double precision,
    description        text,
    details            json,
    error              text,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, position)
);

-- How an example fared in an experiment, over its repeats; written when the experiment ends.
CREATE TABLE example_results (
    experiment_id       text NOT NULL,
    organization_id     text NOT NULL,
    automation_id       text NOT NULL,
    version_id          text NOT NULL,
    evaluator_hash      text,
    example_id          text NOT NULL,
    example_version_id  text NOT NULL,
    example_name        text NOT NULL,
    graded_hash         text NOT NULL,
    verdict             text NOT NULL CHECK (verdict IN ('pass', 'fail', 'error', 'ungraded', 'cancelled')),
    passes              integer NOT NULL,
    fails               integer NOT NULL,
    errors              integer NOT NULL,
    score               double precision,
    scores              json NOT NULL,                    -- mean score by evaluator
    completed_at        timestamptz NOT NULL,
    PRIMARY KEY (experiment_id, example_id)
);
CREATE INDEX example_results_by_version ON example_results (version_id, example_id, completed_at DESC);
CREATE INDEX example_results_by_example ON example_results (organization_id, example_id, completed_at DESC);

CREATE TABLE comparisons (
    organization_id  text NOT NULL,
    base_id          text NOT NULL,
    other_id         text NOT NULL,
    result           json NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (base_id, other_id)
);

-- Gates.

CREATE TABLE gate_policies (
    automation_id    text PRIMARY KEY REFERENCES automations,
    organization_id  text NOT NULL REFERENCES organizations,
    policy           json NOT NULL,
    updated_by       text,
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE automation_activations ADD COLUMN override_reason text;
ALTER TABLE automation_activations ADD COLUMN gate json;  -- what the gate said when this version was let through
