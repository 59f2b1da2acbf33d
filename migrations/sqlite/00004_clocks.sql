-- Finds the tenants whose next attempt is later than any may be, because a wrong clock stored it; the same index as in ../mysql.

-- +goose Up
CREATE INDEX IF NOT EXISTS schedules_retry ON schedules (attempt, due_at);
