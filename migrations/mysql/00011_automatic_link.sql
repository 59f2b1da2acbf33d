-- The automatic link takes effect only in the browser in which a panel began it.
--
-- browser_hash identifies that browser, hashed with the ID of the consent: it is worth nothing in another row. Consents
-- without one, as all are that were begun before, end as manual ones. disowned_at is when a person last said that a consent
-- was not theirs; the provider is told. unlisted_origins has, for each tenant, the panel that could not learn the browser last.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE consents ADD COLUMN browser_hash VARCHAR(64) NOT NULL DEFAULT ''''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'consents' AND column_name = 'browser_hash');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE announcements ADD COLUMN disowned_at DATETIME(3) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'announcements' AND column_name = 'disowned_at');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;

CREATE TABLE IF NOT EXISTS unlisted_origins (
    tenant_id VARCHAR(64)  NOT NULL,
    origin    VARCHAR(255) NOT NULL,
    seen_at   DATETIME(3)  NOT NULL,
    PRIMARY KEY (tenant_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
