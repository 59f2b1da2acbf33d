-- What is known of a tenant's customer directories; the same table as in ../mysql, which tells more about it.

-- +goose Up
CREATE TABLE IF NOT EXISTS customers (
    tenant_id    TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    consented_at TEXT,
    scopes       TEXT,
    last_result  TEXT NOT NULL,
    last_at      TEXT,
    PRIMARY KEY (tenant_id, directory_id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
