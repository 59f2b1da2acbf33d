-- What an instance has at its platform besides its resources: a periodic task and a subscription to events.
--
-- A row belongs to one root resource. When the instance is made anew, the root is another one and the row is of no use.

-- +goose Up
CREATE TABLE IF NOT EXISTS ties (
    instance_key   VARCHAR(128) NOT NULL,
    root_id        VARCHAR(64)  NOT NULL,
    renewal_task   VARCHAR(255) NOT NULL,            -- empty until it is made
    account_events VARCHAR(255) NOT NULL,            -- empty until it is made
    version        BIGINT       NOT NULL,
    PRIMARY KEY (instance_key)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
