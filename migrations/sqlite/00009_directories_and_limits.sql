-- A directory belongs to one tenant of an instance, and only once a consent has proven it; limits per minute; the same columns, keys
-- and tables as in ../mysql, which tells more about them.

-- +goose Up
ALTER TABLE tenants ADD COLUMN proven_directory_id TEXT; -- NULL until a consent has proven the directory
CREATE UNIQUE INDEX tenants_proven_directory ON tenants (instance_key, proven_directory_id);
DROP INDEX tenants_directory;

-- How often something was done within the minute that began with its first use.
CREATE TABLE allowances (
    name     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    began_at TEXT    NOT NULL,
    used     INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    PRIMARY KEY (name, subject)
) STRICT;
CREATE INDEX allowances_began ON allowances (began_at);

-- Ended consents are deleted; until now they were kept without their secrets.
UPDATE consents SET purge_at = COALESCE(ended_at, expires_at) WHERE purge_at IS NULL;
