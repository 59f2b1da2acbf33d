-- Finds the tenants whose next attempt is later than any may be, because a wrong clock stored it. Few tenants have an attempt
-- above 0, so the index changes rarely.
--
-- MySQL has no CREATE INDEX IF NOT EXISTS, and commits each statement.

-- +goose Up
SET @statement = IF(
    (SELECT COUNT(*) FROM information_schema.statistics
     WHERE table_schema = DATABASE() AND table_name = 'schedules' AND index_name = 'schedules_retry') = 0,
    'CREATE INDEX schedules_retry ON schedules (attempt, due_at)',
    'DO 0');
PREPARE statement FROM @statement;
EXECUTE statement;
DEALLOCATE PREPARE statement;
