-- Hosts that an organization's runs may reach although their addresses are private.
CREATE TABLE outgoing_allowed (
    organization_id  text NOT NULL REFERENCES organizations,
    host             text NOT NULL,
    created_by       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, host)
);
