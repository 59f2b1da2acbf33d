-- The running processes, and fingerprints of those of their settings that must be the same everywhere. settings is a JSON object of
-- names and keyed hashes, so that it tells nothing to who lacks the keys. seen_at is by the database's own clock.

-- +goose Up
CREATE TABLE IF NOT EXISTS replicas (
    id       VARCHAR(64)  NOT NULL,
    host     VARCHAR(255) NOT NULL,
    version  VARCHAR(255) NOT NULL,
    settings MEDIUMTEXT   NOT NULL,
    seen_at  DATETIME(3)  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
