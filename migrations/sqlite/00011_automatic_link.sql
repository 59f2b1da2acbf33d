-- The automatic link takes effect only in the browser in which a panel began it; the same columns and tables as in ../mysql,
-- which tells more about them.

-- +goose Up
ALTER TABLE consents ADD COLUMN browser_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE announcements ADD COLUMN disowned_at TEXT;

CREATE TABLE unlisted_origins (
    tenant_id TEXT NOT NULL,
    origin    TEXT NOT NULL,
    seen_at   TEXT NOT NULL,
    PRIMARY KEY (tenant_id)
) STRICT;
