-- When the platform suspended the subscription; NULL while it is not suspended.

-- +goose Up
ALTER TABLE tenants ADD COLUMN suspended_at TEXT NULL;
