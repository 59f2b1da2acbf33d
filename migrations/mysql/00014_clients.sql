-- Clients of the token API. scopes is a JSON object: which tenants, apis, directories and operations a client may use. A key is
-- kept as its keyed hash. The macs prove everything that decides what a client may do.

-- +goose Up
CREATE TABLE IF NOT EXISTS clients (
    name       VARCHAR(64)    NOT NULL,
    scopes     TEXT           NOT NULL,
    created_at DATETIME(3)    NOT NULL,
    expires_at DATETIME(3)    NULL,
    mac        VARBINARY(64)  NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS client_keys (
    id           VARCHAR(64)   NOT NULL,
    client       VARCHAR(64)   NOT NULL,
    key_hash     VARCHAR(64)   NOT NULL,
    created_at   DATETIME(3)   NOT NULL,
    expires_at   DATETIME(3)   NULL,
    last_used_at DATETIME(3)   NULL,
    mac          VARBINARY(64) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY client_keys_hash (key_hash),
    KEY client_keys_client (client),
    CONSTRAINT client_keys_client FOREIGN KEY (client) REFERENCES clients (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
