-- What is known of a run's review stands on its row, so that every filter is one table (reviews/ writes it in one place).

ALTER TABLE runs
    ADD COLUMN review_rating text CHECK (review_rating IN ('pass', 'fail', 'partial')),
    ADD COLUMN review_status text CHECK (review_status IN ('open', 'resolved', 'ignored')),
    ADD COLUMN review_regressed boolean NOT NULL DEFAULT false,     -- it was resolved, and opened again
    ADD COLUMN review_created_at timestamptz,                       -- null: nobody has said anything
    ADD COLUMN review_updated_at timestamptz,
    ADD COLUMN review_resolved_at timestamptz,
    ADD COLUMN review_has_expected_json boolean NOT NULL DEFAULT false,
    ADD COLUMN review_has_expected_files boolean NOT NULL DEFAULT false,
    ADD COLUMN review_has_corrections boolean NOT NULL DEFAULT false,   -- of single fields or files
    ADD COLUMN promoted_example_name text,
    -- the sample: what was drawn when the run ended, and never again
    ADD COLUMN sample_rate double precision,                        -- the rate in force for its stratum
    ADD COLUMN sample_stratum text,                                 -- null: the automation's own rate
    ADD COLUMN sample_probability double precision,                 -- of being in the sample, over all ways into it
    ADD COLUMN sampled boolean NOT NULL DEFAULT false,
    -- what feedback says, for indexes: `open/fail`; null: there is no record
    ADD COLUMN review_standing text GENERATED ALWAYS AS (
        CASE WHEN review_created_at IS NOT NULL
             THEN coalesce(review_status, 'none') || '/' || coalesce(review_rating, 'none') END) STORED,
    -- the chip: first match wins; not null, since an index gives rows in order of time for a value, and null is none
    ADD COLUMN review_state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN review_status = 'ignored' THEN 'ignored'
             WHEN review_status = 'open' AND review_regressed THEN 'regressed'
             WHEN review_status = 'open' THEN 'open'
             WHEN review_rating = 'pass' OR review_status = 'resolved' THEN 'passed'
             WHEN review_rating IN ('fail', 'partial') THEN 'failed'
             WHEN status = 'completed' THEN 'unreviewed'
             ELSE 'none' END) STORED;

-- Indexes that every ended run is written to: the second takes the place of `runs_by_outcome`, the third is for lists
-- in order of completion.
DROP INDEX runs_by_automation, runs_by_outcome;
CREATE INDEX runs_by_automation ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at, sample_rank, sampled,
        review_has_expected_json, review_has_expected_files, review_has_corrections)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_state ON runs (organization_id, automation_id, outcome, review_state, created_at DESC, id DESC)
    INCLUDE (mode, in_experiment, trigger_type, started_by, version_label, completed_at, review_created_at)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_completion ON runs (organization_id, automation_id, completed_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment)
    WHERE outcome IS NOT NULL;
-- Most runs stand in none of these. A larger sample than 5 % is soon found among all runs. What follows an id in a key
-- orders nothing, but is looked at before the row is, also where the index alone does not answer.
CREATE INDEX runs_of_small_samples ON runs (organization_id, automation_id, created_at DESC, id DESC, sample_rank)
    INCLUDE (outcome, mode, in_experiment)
    WHERE sample_rank < 0.05 AND outcome IS NOT NULL;
CREATE INDEX runs_sampled ON runs (organization_id, automation_id, review_state, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment) WHERE sampled;
CREATE INDEX runs_reviewed ON runs (organization_id, automation_id, created_at DESC, id DESC, review_standing,
        review_state)
    INCLUDE (review_has_expected_json, review_has_expected_files, review_has_corrections,
        review_created_at, review_updated_at, review_resolved_at, promoted_example_name, outcome, mode, in_experiment,
        trigger_type, started_by, version_label, completed_at, sampled, sample_rank)
    WHERE review_created_at IS NOT NULL;
CREATE INDEX runs_by_standing ON runs (organization_id, automation_id, review_standing, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment) WHERE review_created_at IS NOT NULL;
CREATE INDEX runs_by_review_creation ON runs (organization_id, automation_id, review_created_at)
    INCLUDE (created_at, id, outcome, in_experiment) WHERE review_created_at IS NOT NULL;
CREATE INDEX runs_by_review_update ON runs (organization_id, automation_id, review_updated_at)
    INCLUDE (created_at, id, outcome, in_experiment) WHERE review_updated_at IS NOT NULL;
CREATE INDEX runs_by_review_resolution ON runs (organization_id, automation_id, review_resolved_at)
    INCLUDE (created_at, id, outcome, in_experiment) WHERE review_resolved_at IS NOT NULL;
CREATE INDEX runs_corrected ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (review_has_expected_json, review_has_expected_files, review_has_corrections, review_created_at,
        review_standing, review_state, outcome, mode, in_experiment, trigger_type, started_by, version_label)
    WHERE review_has_expected_json OR review_has_expected_files OR review_has_corrections;
CREATE INDEX runs_promoted ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (promoted_example_name, outcome, mode, in_experiment) WHERE promoted_example_name IS NOT NULL;
CREATE INDEX runs_by_promoted_example ON runs (organization_id, promoted_example_name)
    WHERE promoted_example_name IS NOT NULL;

-- When the newest run of an automation was created whose feedback is resolved.
CREATE FUNCTION last_resolved(organization text, automation text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(newest.created_at), '-infinity')
    FROM unnest(ARRAY['resolved/none', 'resolved/pass', 'resolved/fail', 'resolved/partial']) AS standing,
         LATERAL (SELECT created_at FROM runs
                  WHERE organization_id = organization AND automation_id = automation
                    AND review_created_at IS NOT NULL AND review_standing = standing
                  ORDER BY created_at DESC, id DESC LIMIT 1) AS newest
$$;

-- Feedback: one record a run, the view that everybody sees; what it was before stands in its history.

CREATE TABLE feedback (
    run_id                 text PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    organization_id        text NOT NULL REFERENCES organizations,
    automation_id          text NOT NULL REFERENCES automations,
    revision               integer NOT NULL DEFAULT 1,      -- raised by every change: the ETag
    cleared                boolean NOT NULL DEFAULT false,  -- the client sees none; a promoted miss stays on the board
    rating                 text CHECK (rating IN ('pass', 'fail', 'partial')),
    status                 text CHECK (status IN ('open', 'resolved', 'ignored')),
    body                   text NOT NULL DEFAULT '',
    expected               json,                            -- the corrected output; SQL null: there is none
    corrections            json,                            -- [{kind, path, label?, originalValue?, correctedValue?, …}]
    tags                   text[] NOT NULL DEFAULT '{}',    -- how it failed
    ignore_reason          text,
    closed_note            text,
    created_by             text,
    created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_by            text,
    resolved_at            timestamptz,
    -- promotion: what the example was when the run was promoted
    promoted_example_id    text,
    promoted_example_name  text,
    promoted_graded_hash   text,
    promoted_at            timestamptz,
    -- proof: {experimentId, versionId, version, scores, gradedHash, repeats}, or what stands in its place
    evidence               json,
    override_reason        text,                            -- not null: somebody resolved it without proof, for ever
    regressed              json                             -- {fixedBy, brokenBy, experimentId}: it came back
);
CREATE INDEX feedback_open_by_example ON feedback (organization_id, promoted_example_id)
    WHERE promoted_example_id IS NOT NULL;
CREATE INDEX feedback_by_time ON feedback (organization_id, automation_id, updated_at DESC);
CREATE INDEX feedback_with_body ON feedback (organization_id, automation_id) WHERE body <> '' AND NOT cleared;
CREATE INDEX feedback_debt ON feedback (organization_id, automation_id, created_at) WHERE status = 'open';

CREATE TABLE feedback_files (
    organization_id  text NOT NULL REFERENCES organizations,
    run_id           text NOT NULL REFERENCES runs ON DELETE CASCADE,
    reviewer         text NOT NULL DEFAULT '',              -- '': of the feedback; else of one verdict of a double review
    name             text NOT NULL,
    sha256           text NOT NULL,
    size             bigint NOT NULL,
    content_type     text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, reviewer, name)
);
CREATE INDEX feedback_files_by_hash ON feedback_files (organization_id, sha256);

CREATE TABLE feedback_history (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    run_id           text NOT NULL,
    revision         integer NOT NULL,
    action           text NOT NULL,                         -- feedback.updated, .cleared, .promoted, .resolved, .regressed…
    changes          json NOT NULL,                         -- {field: {before, after}}
    user_id          text,
    key_id           text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX feedback_history_by_run ON feedback_history (run_id, revision);
-- It ends with its run alone: what was said of a document goes when the document goes.
CREATE FUNCTION refuse_change_unless_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('assay.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER feedback_history_append_only BEFORE UPDATE OR DELETE ON feedback_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change_unless_erasing();

-- What each reviewer said by himself; feedback is the adjudicated view of it.
CREATE TABLE verdicts (
    organization_id  text NOT NULL REFERENCES organizations,
    run_id           text NOT NULL REFERENCES runs ON DELETE CASCADE,
    reviewer         text NOT NULL,                         -- a user
    rating           text CHECK (rating IN ('pass', 'fail', 'partial')),        -- null: a draft
    blind_rating     text CHECK (blind_rating IN ('pass', 'fail', 'partial')),  -- said before the other's could be seen
    status           text CHECK (status IN ('open', 'resolved', 'ignored')),
    body             text NOT NULL DEFAULT '',
    expected         json,
    corrections      json,
    tags             text[] NOT NULL DEFAULT '{}',
    seconds          double precision,                      -- from claim to verdict
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, reviewer)
);
CREATE INDEX verdicts_by_reviewer ON verdicts (organization_id, reviewer, created_at DESC);

-- Sampling.

CREATE TABLE sampling_policies (
    automation_id    text PRIMARY KEY REFERENCES automations,
    organization_id  text NOT NULL REFERENCES organizations,
    policy           json NOT NULL,
    updated_by       text,
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE sampling_rate_changes (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    rate_before      double precision,
    rate_after       double precision NOT NULL,
    reason           text NOT NULL,
    evidence         json,                                  -- what the advisor saw, where it moved the rate itself
    user_id          text,                                  -- null: the advisor
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sampling_rate_changes_by_time ON sampling_rate_changes (automation_id, created_at DESC);
CREATE TRIGGER sampling_rate_changes_append_only BEFORE UPDATE OR DELETE ON sampling_rate_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The queue: a run stands in it once.

CREATE TABLE review_items (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL,
    run_id           text NOT NULL UNIQUE,
    reason           text NOT NULL CHECK (reason IN ('random', 'stratum', 'minimum', 'picked', 'reported', 'disagreement')),
    priority         smallint NOT NULL DEFAULT 0,           -- higher first, then older first
    slots            smallint NOT NULL DEFAULT 1,           -- verdicts it takes; 2: a blind double review
    verdicts         smallint NOT NULL DEFAULT 0,
    state            text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'disagreement', 'done')),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at          timestamptz,
    -- which is next: a disagreement goes before everything
    rank             smallint NOT NULL GENERATED ALWAYS AS (CASE WHEN state = 'disagreement' THEN 100 ELSE priority END)
                     STORED
);
CREATE INDEX review_items_next ON review_items (organization_id, automation_id, rank DESC, created_at, id)
    WHERE state <> 'done';
CREATE INDEX review_items_next_of_all ON review_items (organization_id, rank DESC, created_at, id)
    WHERE state <> 'done';

-- Who has a slot of an item: for good once the verdict is in, else until it is given up, or its time is over.
CREATE TABLE review_claims (
    item_id          text NOT NULL REFERENCES review_items ON DELETE CASCADE,
    organization_id  text NOT NULL REFERENCES organizations,
    reviewer         text NOT NULL,
    claimed_at       timestamptz,                           -- null: the verdict came without a claim
    expires_at       timestamptz NOT NULL,
    verdict_at       timestamptz,
    PRIMARY KEY (item_id, reviewer)
);
CREATE INDEX review_claims_by_reviewer ON review_claims (organization_id, reviewer, expires_at)
    WHERE verdict_at IS NULL;

CREATE TABLE review_skips (
    item_id          text NOT NULL REFERENCES review_items ON DELETE CASCADE,
    organization_id  text NOT NULL REFERENCES organizations,
    reviewer         text NOT NULL,
    reason           text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (item_id, reviewer)
);

-- What the process before made of the same input.
CREATE TABLE incumbent_outputs (
    run_id           text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    output           json NOT NULL,
    source           text,                                  -- what the caller calls it
    agreement        json,                                  -- {path: true | false}, by the comparison of exact-diff
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX incumbent_outputs_by_time ON incumbent_outputs (organization_id, automation_id, created_at DESC);

-- Webhooks.

-- As ids.py makes them, for rows that a statement makes many of: <prefix>_, milliseconds, 12 random characters.
CREATE FUNCTION new_id(prefix text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    alphabet CONSTANT text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    moment bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    chance bytea := uuid_send(gen_random_uuid());
    made text := '';
BEGIN
    FOR place IN 1..9 LOOP
        made := substr(alphabet, (moment % 62)::int + 1, 1) || made;
        moment := moment / 62;
    END LOOP;
    FOR place IN 0..13 LOOP
        CONTINUE WHEN place IN (6, 8);  -- bytes of a UUID that are not all chance
        made := made || substr(alphabet, get_byte(chance, place) % 62 + 1, 1);
    END LOOP;
    RETURN prefix || '_' || made;
END $$;

CREATE TABLE webhook_endpoints (
    id                     text PRIMARY KEY,
    organization_id        text NOT NULL REFERENCES organizations,
    url                    text NOT NULL,
    description            text,
    events                 text[] NOT NULL,                 -- names, or `feedback.*`, or `*`
    automation_id          text,                            -- null: all
    enabled                boolean NOT NULL DEFAULT true,
    disabled_reason        text,                            -- null: it is enabled, or a person disabled it
    failures               integer NOT NULL DEFAULT 0,      -- attempts that failed since the last that did not
    failing_since          timestamptz,
    encrypted_secret       bytea NOT NULL,
    encrypted_old_secret   bytea,                           -- signs too until it is over
    old_secret_until       timestamptz,
    created_by             text,
    created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at             timestamptz
);
CREATE INDEX webhook_endpoints_by_organization ON webhook_endpoints (organization_id, created_at);
CREATE INDEX webhook_endpoints_enabled ON webhook_endpoints (organization_id) WHERE enabled;

-- Whether an endpoint that asked for `events` wants this one.
CREATE FUNCTION event_wanted(events text[], type text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT events && ARRAY['*', split_part(type, '.', 1) || '.*', type]
$$;

-- Whether anybody wants it: the whole cost of telling, for those who tell nobody.
CREATE FUNCTION event_heard(organization text, automation text, type text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM webhook_endpoints endpoint
        WHERE endpoint.organization_id = organization AND endpoint.enabled AND event_wanted(endpoint.events, type)
          AND (endpoint.automation_id IS NULL OR endpoint.automation_id = automation))
$$;

CREATE FUNCTION wire_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What is told of a run.
CREATE FUNCTION run_event(id text, kind text, automation_id text, version_id text, version_label text, mode text,
    trigger_type text, created_at timestamptz, status text, completed_at timestamptz, previous text, error_code text)
RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'run', json_build_object('id', id, 'type', kind, 'automationId', automation_id, 'versionId', version_id,
            'version', version_label, 'status', status, 'mode', mode, 'triggerType', trigger_type,
            'createdAt', wire_time(created_at), 'completedAt', wire_time(completed_at), 'errorCode', error_code),
        'previousStatus', previous, 'currentStatus', status)
$$;

-- Events that some endpoint wants, written in the transaction that they are about.
CREATE TABLE webhook_events (
    id               text PRIMARY KEY DEFAULT new_id('whev'),
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text,
    endpoint_id      text,                                  -- not null: a test, for this one alone
    type             text NOT NULL,
    payload          json NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_events_by_time ON webhook_events (created_at);

CREATE TABLE webhook_deliveries (
    id               text PRIMARY KEY DEFAULT new_id('whdl'),
    organization_id  text NOT NULL REFERENCES organizations,
    endpoint_id      text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    event_id         text NOT NULL REFERENCES webhook_events ON DELETE CASCADE,
    state            text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts         integer NOT NULL DEFAULT 0,            -- begun; the fence of whoever makes the last one
    tries            integer NOT NULL DEFAULT 0,            -- of them, those since somebody last asked for it
    next_attempt_at  timestamptz,                           -- while it is tried: when it counts as lost
    last_status      integer,
    last_error       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at     timestamptz
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);

-- Whoever wrote the event need not know how many want it. Workers are woken after the commit, or look by themselves.
CREATE FUNCTION fan_out_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (organization_id, endpoint_id, event_id, next_attempt_at)
    SELECT NEW.organization_id, endpoint.id, NEW.id, NEW.created_at
    FROM webhook_endpoints endpoint
    WHERE endpoint.organization_id = NEW.organization_id AND CASE
        WHEN NEW.endpoint_id IS NOT NULL THEN endpoint.id = NEW.endpoint_id
        ELSE endpoint.enabled AND event_wanted(endpoint.events, NEW.type)
            AND (endpoint.automation_id IS NULL OR endpoint.automation_id = NEW.automation_id) END;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_events_fan_out AFTER INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION fan_out_event();

CREATE TABLE webhook_attempts (
    organization_id  text NOT NULL REFERENCES organizations,
    delivery_id      text NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    number           integer NOT NULL,
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms      integer,                               -- null: it goes on, or was lost with its worker
    status           integer,
    error            text,
    PRIMARY KEY (delivery_id, number)
);

-- Alerts.

CREATE TABLE alert_rules (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    rule             json NOT NULL,
    state            text NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'firing', 'no_data')),
    changed_at       timestamptz,
    notified_at      timestamptz,
    last_value       json,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alert_rules_by_automation ON alert_rules (organization_id, automation_id);

-- What live runs of a past day (UTC) were given: how many fell into each class of each cheap feature of the input.
CREATE TABLE input_days (
    organization_id  text NOT NULL REFERENCES organizations,
    automation_id    text NOT NULL REFERENCES automations,
    day              date NOT NULL,
    runs             integer NOT NULL,                      -- looked at: of a busy day those of the smallest ranks
    counts           json NOT NULL,                         -- {feature: {class: runs}}
    PRIMARY KEY (automation_id, day)
);
