-- The public key of a client that signs assertions: a JSON Web Key.
--
-- MySQL commits after each statement and cannot add a column only if it is missing: a migration that was cut short runs again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE client_keys ADD COLUMN public_key TEXT NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'client_keys' AND column_name = 'public_key');
PREPARE change_schema FROM @change;
EXECUTE change_schema;
DEALLOCATE PREPARE change_schema;
