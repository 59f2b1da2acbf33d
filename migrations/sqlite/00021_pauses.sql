-- Pauses of renewals by operators; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE pauses (
    cloud        TEXT NOT NULL,
    paused_until TEXT NOT NULL,
    by_whom      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    PRIMARY KEY (cloud)
) STRICT;
