-- Who can write to the database but has no key must gain nothing by it.
--
-- A mac proves the columns of a row that decide who has access, and every column of an event. A grant names the instance and
-- the account that it was given to, which belong to the associated data of its seal. An event belongs to the checkpoint with
-- its number: NULL before a checkpoint covers it, 0 when its mac was found wrong. A checkpoint proves its events and, by the
-- hash of the one before it, all earlier checkpoints; removed_through is the last checkpoint whose events retention removed.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE instances ADD COLUMN mac VARBINARY(64) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'mac');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN mac VARBINARY(64) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'mac');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE grants ADD COLUMN instance_key VARCHAR(128) NOT NULL DEFAULT ''''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'grants' AND column_name = 'instance_key');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE grants ADD COLUMN account_id VARCHAR(255) NOT NULL DEFAULT ''''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'grants' AND column_name = 'account_id');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE events ADD COLUMN mac VARBINARY(64) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'events' AND column_name = 'mac');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE events ADD COLUMN checkpoint BIGINT NULL, ADD KEY events_checkpoint (checkpoint, seq)', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'events' AND column_name = 'checkpoint');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

CREATE TABLE IF NOT EXISTS checkpoints (
    number          BIGINT        NOT NULL,
    written_at      DATETIME(3)   NOT NULL,
    ends_at         DATETIME(3)   NOT NULL,        -- the time of its last event, but not after written_at
    events          INT           NOT NULL,
    hash            VARBINARY(32) NOT NULL,        -- of its events
    previous        VARBINARY(32) NOT NULL,        -- hash of the whole checkpoint before it; empty in the first
    removed_through BIGINT        NOT NULL,        -- 0 in a checkpoint that removes nothing
    removed_events  BIGINT        NOT NULL,
    removed_hash    VARBINARY(32) NOT NULL,        -- hash of the whole checkpoint removed_through
    mac             VARBINARY(64) NOT NULL,
    PRIMARY KEY (number),
    KEY checkpoints_removed (removed_through)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who does work that one replica at a time must do.
CREATE TABLE IF NOT EXISTS leases (
    name        VARCHAR(64)  NOT NULL,
    owner       VARCHAR(255) NOT NULL,
    lease_until DATETIME(3)  NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
