-- The address of the platform's controller is pinned: no header changes it any more; the same column as in ../mysql, which
-- tells more about it.

-- +goose Up
ALTER TABLE instances ADD COLUMN named_controller TEXT NOT NULL DEFAULT '';
