-- Instances, tenants and the custody of their grants; the same tables as in ../mysql, which tells more about them.
--
-- Times are text of fixed width, "2006-01-02 15:04:05.000" in UTC, so that they sort as they follow each other. Sealed
-- columns are BLOB; a NULL there means that there is no secret.

-- +goose Up
CREATE TABLE instances (
    instance_key            TEXT    NOT NULL,
    instance_id             TEXT    NOT NULL,
    root_id                 TEXT,
    controller_uri          TEXT    NOT NULL,
    package_version         TEXT    NOT NULL,
    cloud                   TEXT    NOT NULL,
    application_id          TEXT    NOT NULL,
    credentials             BLOB,                 -- sealed JSON
    mfa_request             TEXT    NOT NULL,
    borrowers               TEXT,                 -- JSON
    skip_landing            INTEGER NOT NULL,
    direct_link             INTEGER NOT NULL,
    tenant_application      INTEGER NOT NULL,
    created_at              TEXT,
    updated_at              TEXT,
    removed_at              TEXT,
    version                 INTEGER NOT NULL,
    PRIMARY KEY (instance_key)
) STRICT;
CREATE UNIQUE INDEX instances_root ON instances (root_id);

CREATE TABLE tenants (
    id                      TEXT    NOT NULL,
    instance_key            TEXT    NOT NULL,
    account_id              TEXT    NOT NULL,
    subscription_id         TEXT    NOT NULL,
    name                    TEXT    NOT NULL,
    marketplace             TEXT    NOT NULL,
    directory_id            TEXT,                 -- NULL until it is known, so that any number may be unknown
    directory               TEXT    NOT NULL,
    application_id          TEXT    NOT NULL,
    credentials             BLOB,                 -- sealed JSON
    created_at              TEXT,
    updated_at              TEXT,
    version                 INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE UNIQUE INDEX tenants_directory ON tenants (instance_key, directory_id);
CREATE INDEX tenants_of_instance ON tenants (instance_key, name, id);

CREATE TABLE grants (
    tenant_id      TEXT    NOT NULL,
    slot           TEXT    NOT NULL,
    refresh_token  BLOB,                 -- sealed
    issued_at      TEXT    NOT NULL,
    directory_id   TEXT    NOT NULL,
    application_id TEXT    NOT NULL,
    procedure_name TEXT    NOT NULL,
    consent_id     TEXT    NOT NULL,
    consented_at   TEXT,
    consented_by   TEXT    NOT NULL,     -- JSON
    asked_by       TEXT    NOT NULL,
    scopes         TEXT,                 -- JSON
    checks         TEXT    NOT NULL,     -- JSON
    version        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, slot),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE INDEX grants_consented ON grants (slot, consented_at);

-- slack_day is the day, counted from 1970, on which the active grant expires; a large number when there is nothing to
-- save. With it in front, the due tenants with the least slack are read from one end of the index, and from it alone.
CREATE TABLE schedules (
    tenant_id       TEXT    NOT NULL,
    due_at          TEXT,                 -- NULL: not scheduled
    expires_at      TEXT,
    slack_day       INTEGER NOT NULL,
    lease_owner     TEXT,
    lease_until     TEXT,
    attempt         INTEGER NOT NULL,
    last_at         TEXT,
    last_success_at TEXT,
    failing_since   TEXT,
    failure         TEXT,                 -- JSON
    version         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE INDEX schedules_due ON schedules (slack_day, due_at, lease_until, expires_at, tenant_id);

CREATE TABLE consents (
    id                   TEXT    NOT NULL,
    tenant_id            TEXT    NOT NULL,
    procedure_name       TEXT    NOT NULL,
    status               TEXT    NOT NULL,
    link                 BLOB,                 -- sealed
    link_hash            TEXT,
    asked_by_kind        TEXT    NOT NULL,
    asked_by_id          TEXT    NOT NULL,
    asked_by_name        TEXT    NOT NULL,
    asked_by_account_id  TEXT    NOT NULL,
    asked_by_original_id TEXT    NOT NULL,
    created_at           TEXT,
    expires_at           TEXT,
    ended_at             TEXT,
    failure              TEXT,                 -- JSON
    consented_by         TEXT    NOT NULL,     -- JSON
    claim_hash           TEXT,
    claim_expires_at     TEXT,
    claim_attempts       INTEGER NOT NULL,
    purge_at             TEXT,                 -- when its secrets are of no use any more; NULL once they are gone
    version              INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE UNIQUE INDEX consents_link ON consents (link_hash);
CREATE INDEX consents_of_tenant ON consents (tenant_id, created_at);
CREATE INDEX consents_purge ON consents (purge_at);

CREATE TABLE states (
    state_hash     TEXT    NOT NULL,
    consent_id     TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    browser_hash   TEXT    NOT NULL,
    without_claims INTEGER NOT NULL,
    nonce          BLOB,                 -- sealed
    verifier       BLOB,                 -- sealed
    created_at     TEXT,
    expires_at     TEXT    NOT NULL,
    used_at        TEXT,
    ended_at       TEXT    NOT NULL,     -- used_at, or else expires_at
    PRIMARY KEY (state_hash),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE INDEX states_of_consent ON states (consent_id, created_at);
CREATE INDEX states_of_tenant ON states (tenant_id);
CREATE INDEX states_ended ON states (ended_at);

-- No foreign key: events outlive what they tell of.
CREATE TABLE events (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL,
    happened_at       TEXT    NOT NULL,
    instance_key      TEXT    NOT NULL,
    tenant_id         TEXT    NOT NULL,
    action            TEXT    NOT NULL,
    actor_kind        TEXT    NOT NULL,
    actor_id          TEXT    NOT NULL,
    actor_name        TEXT    NOT NULL,
    actor_account_id  TEXT    NOT NULL,
    actor_original_id TEXT    NOT NULL,
    result            TEXT    NOT NULL,
    reference         TEXT    NOT NULL,
    details           TEXT                  -- JSON
) STRICT;
CREATE INDEX events_of_tenant ON events (tenant_id, happened_at, seq);

CREATE TABLE nonces (
    consumer_key TEXT    NOT NULL,
    nonce_hash   BLOB    NOT NULL,
    expires_at   TEXT    NOT NULL,
    PRIMARY KEY (consumer_key, nonce_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_expiry ON nonces (expires_at);
