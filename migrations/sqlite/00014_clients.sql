-- Clients of the token API; the same tables as in ../mysql, which tells more about them.

-- +goose Up
CREATE TABLE clients (
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    mac        BLOB NOT NULL,
    PRIMARY KEY (name)
) STRICT;

CREATE TABLE client_keys (
    id           TEXT NOT NULL,
    client       TEXT NOT NULL,
    key_hash     TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT,
    mac          BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (key_hash),
    FOREIGN KEY (client) REFERENCES clients (name)
) STRICT;
CREATE INDEX client_keys_client ON client_keys (client);
