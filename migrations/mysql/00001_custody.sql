-- Instances, tenants and the custody of their grants.
--
-- The binary collation makes names and ids compare as they do in SQLite: byte by byte. Sealed columns are BLOB; a NULL
-- there means that there is no secret. Times are UTC. IF NOT EXISTS, because this database commits after every CREATE:
-- a migration that was cut short runs again from its start.

-- +goose Up
CREATE TABLE IF NOT EXISTS instances (
    instance_key            VARCHAR(128) NOT NULL,
    instance_id             VARCHAR(255) NOT NULL,
    root_id                 VARCHAR(64)  NULL,
    controller_uri          TEXT         NOT NULL,
    package_version         VARCHAR(64)  NOT NULL,
    cloud                   VARCHAR(64)  NOT NULL,
    application_id          VARCHAR(255) NOT NULL,
    credentials             BLOB         NULL,     -- sealed JSON
    mfa_request             TEXT         NOT NULL,
    borrowers               TEXT         NULL,     -- JSON
    skip_landing            BOOLEAN      NOT NULL,
    direct_link             BOOLEAN      NOT NULL,
    tenant_application      BOOLEAN      NOT NULL,
    created_at              DATETIME(3)  NULL,
    updated_at              DATETIME(3)  NULL,
    removed_at              DATETIME(3)  NULL,
    version                 BIGINT       NOT NULL,
    PRIMARY KEY (instance_key),
    UNIQUE KEY instances_root (root_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tenants (
    id                      VARCHAR(64)  NOT NULL,
    instance_key            VARCHAR(128) NOT NULL,
    account_id              VARCHAR(255) NOT NULL,
    subscription_id         VARCHAR(255) NOT NULL,
    name                    VARCHAR(255) NOT NULL,
    marketplace             TEXT         NOT NULL,
    directory_id            VARCHAR(64)  NULL,     -- NULL until it is known, so that any number may be unknown
    directory               VARCHAR(255) NOT NULL,
    application_id          VARCHAR(255) NOT NULL,
    credentials             BLOB         NULL,     -- sealed JSON
    created_at              DATETIME(3)  NULL,
    updated_at              DATETIME(3)  NULL,
    version                 BIGINT       NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY tenants_directory (instance_key, directory_id),
    KEY tenants_of_instance (instance_key, name, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS grants (
    tenant_id      VARCHAR(64)  NOT NULL,
    slot           VARCHAR(16)  NOT NULL,
    refresh_token  BLOB         NULL,              -- sealed
    issued_at      DATETIME(3)  NOT NULL,
    directory_id   VARCHAR(64)  NOT NULL,
    application_id VARCHAR(255) NOT NULL,
    procedure_name VARCHAR(16)  NOT NULL,
    consent_id     VARCHAR(64)  NOT NULL,
    consented_at   DATETIME(3)  NULL,
    consented_by   TEXT         NOT NULL,          -- JSON
    asked_by       TEXT         NOT NULL,
    scopes         TEXT         NULL,              -- JSON
    checks         TEXT         NOT NULL,          -- JSON
    version        BIGINT       NOT NULL,
    PRIMARY KEY (tenant_id, slot),
    KEY grants_consented (slot, consented_at),
    CONSTRAINT grants_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- slack_day is the day, counted from 1970, on which the active grant expires; a large number when there is nothing to
-- save. With it in front, the due tenants with the least slack are read from one end of the index, and from it alone.
CREATE TABLE IF NOT EXISTS schedules (
    tenant_id       VARCHAR(64)  NOT NULL,
    due_at          DATETIME(3)  NULL,             -- NULL: not scheduled
    expires_at      DATETIME(3)  NULL,
    slack_day       INT          NOT NULL,
    lease_owner     VARCHAR(255) NULL,
    lease_until     DATETIME(3)  NULL,
    attempt         INT          NOT NULL,
    last_at         DATETIME(3)  NULL,
    last_success_at DATETIME(3)  NULL,
    failing_since   DATETIME(3)  NULL,
    failure         TEXT         NULL,             -- JSON
    version         BIGINT       NOT NULL,
    PRIMARY KEY (tenant_id),
    KEY schedules_due (slack_day, due_at, lease_until, expires_at),
    CONSTRAINT schedules_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS consents (
    id                   VARCHAR(64)  NOT NULL,
    tenant_id            VARCHAR(64)  NOT NULL,
    procedure_name       VARCHAR(16)  NOT NULL,
    status               VARCHAR(16)  NOT NULL,
    link                 BLOB         NULL,        -- sealed
    link_hash            VARCHAR(64)  NULL,
    asked_by_kind        VARCHAR(16)  NOT NULL,
    asked_by_id          VARCHAR(255) NOT NULL,
    asked_by_name        TEXT         NOT NULL,
    asked_by_account_id  VARCHAR(255) NOT NULL,
    asked_by_original_id VARCHAR(255) NOT NULL,
    created_at           DATETIME(3)  NULL,
    expires_at           DATETIME(3)  NULL,
    ended_at             DATETIME(3)  NULL,
    failure              TEXT         NULL,        -- JSON
    consented_by         TEXT         NOT NULL,    -- JSON
    claim_hash           VARCHAR(64)  NULL,
    claim_expires_at     DATETIME(3)  NULL,
    claim_attempts       INT          NOT NULL,
    purge_at             DATETIME(3)  NULL,        -- when its secrets are of no use any more; NULL once they are gone
    version              BIGINT       NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY consents_link (link_hash),
    KEY consents_of_tenant (tenant_id, created_at),
    KEY consents_purge (purge_at),
    CONSTRAINT consents_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS states (
    state_hash     VARCHAR(64) NOT NULL,
    consent_id     VARCHAR(64) NOT NULL,
    tenant_id      VARCHAR(64) NOT NULL,
    browser_hash   VARCHAR(64) NOT NULL,
    without_claims BOOLEAN     NOT NULL,
    nonce          BLOB        NULL,                 -- sealed
    verifier       BLOB        NULL,                 -- sealed
    created_at     DATETIME(3) NULL,
    expires_at     DATETIME(3) NOT NULL,
    used_at        DATETIME(3) NULL,
    ended_at       DATETIME(3) NOT NULL,             -- used_at, or else expires_at
    PRIMARY KEY (state_hash),
    KEY states_of_consent (consent_id, created_at),
    KEY states_of_tenant (tenant_id),
    KEY states_ended (ended_at),
    CONSTRAINT states_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- No foreign key: events outlive what they tell of.
CREATE TABLE IF NOT EXISTS events (
    seq               BIGINT       NOT NULL AUTO_INCREMENT,
    id                VARCHAR(64)  NOT NULL,
    happened_at       DATETIME(3)  NOT NULL,
    instance_key      VARCHAR(128) NOT NULL,
    tenant_id         VARCHAR(64)  NOT NULL,
    action            VARCHAR(64)  NOT NULL,
    actor_kind        VARCHAR(16)  NOT NULL,
    actor_id          VARCHAR(255) NOT NULL,
    actor_name        TEXT         NOT NULL,
    actor_account_id  VARCHAR(255) NOT NULL,
    actor_original_id VARCHAR(255) NOT NULL,
    result            VARCHAR(64)  NOT NULL,
    reference         VARCHAR(64)  NOT NULL,
    details           TEXT         NULL,           -- JSON
    PRIMARY KEY (seq),
    KEY events_of_tenant (tenant_id, happened_at, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS nonces (
    consumer_key VARCHAR(128) NOT NULL,
    nonce_hash   BINARY(32)   NOT NULL,
    expires_at   DATETIME(3)  NOT NULL,
    PRIMARY KEY (consumer_key, nonce_hash),
    KEY nonces_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
