-- People sign in with a password (argon2id), or once with a link that somebody gave them.

ALTER TABLE users
    ADD COLUMN password_hash text,
    ADD COLUMN disabled_at timestamptz;

CREATE TABLE user_sessions (
    id               text PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    user_id          text NOT NULL REFERENCES users,
    token_hash       bytea NOT NULL UNIQUE,              -- SHA-256 of the cookie; the cookie itself is with the browser
    user_agent       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at       timestamptz NOT NULL,
    revoked_at       timestamptz
);
CREATE INDEX user_sessions_by_user ON user_sessions (user_id, created_at DESC);

CREATE TABLE sign_in_links (
    token_hash       bytea PRIMARY KEY,
    organization_id  text NOT NULL REFERENCES organizations,
    user_id          text NOT NULL REFERENCES users,
    purpose          text NOT NULL CHECK (purpose IN ('first', 'invitation', 'link')),
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at       timestamptz NOT NULL,
    used_at          timestamptz
);
CREATE INDEX sign_in_links_by_user ON sign_in_links (user_id, created_at DESC);

-- Failed attempts, by address and by the network they came from: who tries too often waits.
CREATE TABLE sign_in_failures (
    organization_id  text NOT NULL REFERENCES organizations,
    email            text NOT NULL,
    network          text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sign_in_failures_by_email ON sign_in_failures (organization_id, email, created_at);
CREATE INDEX sign_in_failures_by_network ON sign_in_failures (organization_id, network, created_at);
