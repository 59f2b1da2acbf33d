-- Adds the same column as ../mysql, which tells more about it.

-- +goose Up
ALTER TABLE consents ADD COLUMN opened_at TEXT;
