-- Which keys the database is sealed with; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE IF NOT EXISTS key_checks (
    key_id     INTEGER NOT NULL,
    sealed     BLOB,                 -- NULL once the key is retired
    used_at    TEXT,
    retired_at TEXT,
    PRIMARY KEY (key_id)
) STRICT;
