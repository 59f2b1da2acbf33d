-- What people and the platform were told of each tenant and instance, and when to look next; the same table as in
-- ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE announcements (
    subject_kind TEXT    NOT NULL,
    subject_id   TEXT    NOT NULL,
    look_at      TEXT,
    lease_owner  TEXT,
    lease_until  TEXT,
    told         TEXT,                 -- JSON
    version      INTEGER NOT NULL,
    PRIMARY KEY (subject_kind, subject_id)
) STRICT;
CREATE INDEX announcements_due ON announcements (look_at);

INSERT INTO announcements (subject_kind, subject_id, look_at, version)
SELECT 'tenant', id, strftime('%Y-%m-%d %H:%M:%f', 'now'), 1 FROM tenants;

INSERT INTO announcements (subject_kind, subject_id, look_at, version)
SELECT 'instance', instance_key, strftime('%Y-%m-%d %H:%M:%f', 'now'), 1 FROM instances;
