-- A directory belongs to one tenant of an instance, and only once a consent has proven it: whoever merely names a directory
-- must neither keep it from its owner nor learn who owns it. The program fills the column, because a mac covers it.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN proven_directory_id VARCHAR(64) NULL, ADD UNIQUE KEY tenants_proven_directory (instance_key, proven_directory_id)', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'proven_directory_id');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) > 0, 'ALTER TABLE tenants DROP KEY tenants_directory', 'DO 0')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'tenants' AND index_name = 'tenants_directory');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

-- How often something was done within the minute that began with its first use.
CREATE TABLE IF NOT EXISTS allowances (
    name     VARCHAR(64)  NOT NULL,
    subject  VARCHAR(384) NOT NULL,
    began_at DATETIME(3)  NOT NULL,
    used     INT          NOT NULL,
    refused  BOOLEAN      NOT NULL,
    PRIMARY KEY (name, subject),
    KEY allowances_began (began_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Ended consents are deleted; until now they were kept without their secrets.
UPDATE consents SET purge_at = COALESCE(ended_at, expires_at) WHERE purge_at IS NULL;
