-- The address of the platform's controller is pinned: controller_uri is that of the installation, or the last one that the
-- platform sent before this migration, and no header changes it any more. named_controller is another address that a header
-- named last, for operators to see and to accept; nothing calls it.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE instances ADD COLUMN named_controller VARCHAR(2000) NOT NULL DEFAULT ''''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'named_controller');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
