-- Who of a tenant's reseller is notified by mail, and in which language: a JSON object with recipients and language.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN notices TEXT NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'notices');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
