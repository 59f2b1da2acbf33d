-- Subscriptions that move, and tenants that the platform lost: when the platform removed the link to the account, since when
-- the platform doesn't confirm that it has the tenant, when the tenant got another owner, and the account whose changes the
-- platform reports for it.

-- +goose Up
ALTER TABLE tenants ADD COLUMN unlinked_at TEXT NULL;
ALTER TABLE tenants ADD COLUMN unknown_at TEXT NULL;
ALTER TABLE tenants ADD COLUMN moved_at TEXT NULL;
ALTER TABLE tenants ADD COLUMN watched_account_id TEXT NOT NULL DEFAULT '';
