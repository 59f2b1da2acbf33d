-- Who can write to the database but has no key must gain nothing by it; the same columns and tables as in ../mysql, which
-- tells more about them.

-- +goose Up
ALTER TABLE instances ADD COLUMN mac BLOB;
ALTER TABLE tenants ADD COLUMN mac BLOB;
ALTER TABLE grants ADD COLUMN instance_key TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN mac BLOB;
ALTER TABLE events ADD COLUMN checkpoint INTEGER; -- NULL until a checkpoint covers the event
CREATE INDEX events_checkpoint ON events (checkpoint, seq);

CREATE TABLE checkpoints (
    number          INTEGER NOT NULL,
    written_at      TEXT    NOT NULL,
    ends_at         TEXT    NOT NULL,  -- the time of its last event, but not after written_at
    events          INTEGER NOT NULL,
    hash            BLOB    NOT NULL,  -- of its events
    previous        BLOB    NOT NULL,  -- hash of the whole checkpoint before it; empty in the first
    removed_through INTEGER NOT NULL,  -- 0 in a checkpoint that removes nothing
    removed_events  INTEGER NOT NULL,
    removed_hash    BLOB    NOT NULL,  -- hash of the whole checkpoint removed_through
    mac             BLOB    NOT NULL,
    PRIMARY KEY (number)
) STRICT;
CREATE INDEX checkpoints_removed ON checkpoints (removed_through);

CREATE TABLE leases (
    name        TEXT NOT NULL,
    owner       TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    PRIMARY KEY (name)
) STRICT;
