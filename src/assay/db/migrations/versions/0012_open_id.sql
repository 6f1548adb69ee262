-- Whom a provider's subject is here: linked at the first sign-in, and from then on the address counts no more.
CREATE TABLE user_identities (
    organization_id  text NOT NULL REFERENCES organizations,
    issuer           text NOT NULL,
    subject          text NOT NULL,
    user_id          text NOT NULL REFERENCES users,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, issuer, subject),
    UNIQUE (user_id, issuer)
);

-- A browser that was sent to the provider and has not come back yet.
CREATE TABLE open_id_attempts (
    token_hash       bytea PRIMARY KEY,              -- SHA-256 of the cookie; the cookie itself is with the browser
    organization_id  text NOT NULL REFERENCES organizations,
    next_path        text NOT NULL,                  -- where to go once signed in
    expires_at       timestamptz NOT NULL
);
CREATE INDEX open_id_attempts_by_expiry ON open_id_attempts (expires_at);
