-- The running processes and fingerprints of their settings; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE replicas (
    id       TEXT NOT NULL,
    host     TEXT NOT NULL,
    version  TEXT NOT NULL,
    settings TEXT NOT NULL,
    seen_at  TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
