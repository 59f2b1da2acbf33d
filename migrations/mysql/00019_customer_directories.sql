-- What is known of a tenant's customer directories: the application consents that we made there, and the result of the last
-- access token that somebody asked for. scopes is a JSON object of permissions by api; NULL without a consent of ours.

-- +goose Up
CREATE TABLE IF NOT EXISTS customers (
    tenant_id    VARCHAR(64)   NOT NULL,
    directory_id VARCHAR(64)   NOT NULL,
    consented_at DATETIME(3)   NULL,
    scopes       TEXT          NULL,
    last_result  VARCHAR(64)   NOT NULL,
    last_at      DATETIME(3)   NULL,
    PRIMARY KEY (tenant_id, directory_id),
    CONSTRAINT customers_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
