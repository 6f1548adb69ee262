-- Without a row it is once, and three times where a model is asked.
CREATE TABLE resolution_policies (
    automation_id       text PRIMARY KEY REFERENCES automations,
    organization_id     text NOT NULL REFERENCES organizations,
    repeats             integer NOT NULL CHECK (repeats >= 1),
    repeats_with_model  integer NOT NULL CHECK (repeats_with_model >= 1),
    updated_by          text,
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A run of nobody's example has no expected output, so these are no scores of an experiment and stand apart from them.
CREATE TABLE live_judgements (
    run_id             text NOT NULL REFERENCES runs ON DELETE CASCADE,
    organization_id    text NOT NULL REFERENCES organizations,
    automation_id      text NOT NULL REFERENCES automations,
    evaluator_name     text NOT NULL,
    evaluator_version  text NOT NULL,                       -- of its type, and the hash of its configuration
    passed             boolean,                             -- null: it could not say
    score              double precision,
    label              text,
    details            json,
    error              text,
    share              double precision NOT NULL CHECK (share > 0),     -- how probable it was that the run is judged
    run_created_at     timestamptz NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, evaluator_name)
);
CREATE INDEX live_judgements_by_time ON live_judgements (organization_id, automation_id, run_created_at);
