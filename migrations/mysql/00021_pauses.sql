-- Pauses of renewals by operators. cloud is empty for a pause of all clouds.

-- +goose Up
CREATE TABLE IF NOT EXISTS pauses (
    cloud        VARCHAR(64)  NOT NULL,
    paused_until DATETIME(3)  NOT NULL,
    by_whom      VARCHAR(255) NOT NULL,
    reason       VARCHAR(500) NOT NULL,
    PRIMARY KEY (cloud)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
