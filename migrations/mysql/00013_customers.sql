-- Access tokens for customer directories.
--
-- customer_directories says for which ones an instance allows them: none, listed or any. What earlier programs stored allows
-- none. The MAC of the row covers it when it allows any.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE instances ADD COLUMN customer_directories VARCHAR(16) NOT NULL DEFAULT ''none''', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'customer_directories');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
