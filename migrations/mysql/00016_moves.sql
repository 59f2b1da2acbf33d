-- Subscriptions that move, and tenants that the platform lost: when the platform removed the link to the account, since when
-- the platform doesn't confirm that it has the tenant, when the tenant got another owner, and the account whose changes the
-- platform reports for it.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN unlinked_at DATETIME(3) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'unlinked_at');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN unknown_at DATETIME(3) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'unknown_at');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN moved_at DATETIME(3) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'moved_at');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE tenants ADD COLUMN watched_account_id VARCHAR(255) NOT NULL DEFAULT ''''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'tenants' AND column_name = 'watched_account_id');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
