-- Model providers of an organization. A row is never changed, but for is_default: whoever changes a provider adds it anew.
CREATE TABLE providers (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    name             text NOT NULL,
    kind             text NOT NULL,
    models           json NOT NULL,
    options          json NOT NULL,                  -- the fields of its kind, the base URL among them
    prices           json NOT NULL,                  -- model -> {input, output}, US dollars a million tokens
    is_default       boolean NOT NULL DEFAULT false,
    encrypted_key    bytea,
    key_variable     text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name),
    CHECK (encrypted_key IS NULL OR key_variable IS NULL)
);
CREATE UNIQUE INDEX providers_default ON providers (organization_id) WHERE is_default;

-- Answers that were paid for, committed as they come: a step that is run again after a crash does not ask again.
CREATE TABLE model_answers (
    run_id           text NOT NULL REFERENCES runs ON DELETE CASCADE,
    organization_id  text NOT NULL,
    step_key         text NOT NULL,
    question         bytea NOT NULL,                 -- SHA-256 of provider, model and question
    answer           json NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step_key, question)
);
