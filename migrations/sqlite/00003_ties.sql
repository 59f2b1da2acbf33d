-- What an instance has at its platform besides its resources; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE IF NOT EXISTS ties (
    instance_key   TEXT    NOT NULL,
    root_id        TEXT    NOT NULL,
    renewal_task   TEXT    NOT NULL,
    account_events TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    PRIMARY KEY (instance_key)
) STRICT;
