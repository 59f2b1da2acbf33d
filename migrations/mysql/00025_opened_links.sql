-- When Microsoft's page was last opened for a consent. The states, which know it too, are purged long before a link ends.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE consents ADD COLUMN opened_at DATETIME(3) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'consents' AND column_name = 'opened_at');
PREPARE change_consents FROM @change;
EXECUTE change_consents;
DEALLOCATE PREPARE change_consents;
