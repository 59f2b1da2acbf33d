-- Access tokens for customer directories; the same column as in ../mysql, which tells more about it.

-- +goose Up
ALTER TABLE instances ADD COLUMN customer_directories TEXT NOT NULL DEFAULT 'none';
