-- Which keys the database is sealed with. There is a row for every key that sealed something, and its value opens only with
-- that key: a key file that opens all of them belongs to this database. The value also holds the form of what is stored,
-- which nobody can change without the key. A retired key keeps its row without a value.
--
-- used_at is when a running connector last sealed with the key, by the clock of the database.

-- +goose Up
CREATE TABLE IF NOT EXISTS key_checks (
    key_id     BIGINT         NOT NULL,
    sealed     VARBINARY(512),                       -- NULL once the key is retired
    used_at    DATETIME(3),
    retired_at DATETIME(3),
    PRIMARY KEY (key_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
