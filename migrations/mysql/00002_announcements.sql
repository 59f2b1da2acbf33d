-- What people and the platform were told of each tenant and instance, and when to look next.
--
-- A subject is a tenant (by its id) or an instance (by its key). It refers to no other table: an event may be written
-- while its tenant is being deleted, and whoever looks then finds the tenant gone and forgets the subject. Every column
-- but look_at and version belongs to who holds the lease.

-- +goose Up
CREATE TABLE IF NOT EXISTS announcements (
    subject_kind VARCHAR(16)  NOT NULL,
    subject_id   VARCHAR(128) NOT NULL,
    look_at      DATETIME(3)  NULL,                -- NULL: time alone changes nothing
    lease_owner  VARCHAR(255) NULL,
    lease_until  DATETIME(3)  NULL,
    told         MEDIUMTEXT   NULL,                -- JSON
    version      BIGINT       NOT NULL,            -- advanced by every event of the subject
    PRIMARY KEY (subject_kind, subject_id),
    KEY announcements_due (look_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was there before is looked at soon. IGNORE, because a migration that was cut short runs again.
INSERT IGNORE INTO announcements (subject_kind, subject_id, look_at, version)
SELECT 'tenant', id, UTC_TIMESTAMP(3), 1 FROM tenants;

INSERT IGNORE INTO announcements (subject_kind, subject_id, look_at, version)
SELECT 'instance', instance_key, UTC_TIMESTAMP(3), 1 FROM instances;
