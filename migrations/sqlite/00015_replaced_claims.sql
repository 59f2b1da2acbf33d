-- Adds the same column as ../mysql, which tells more about it.

-- +goose Up
ALTER TABLE consents ADD COLUMN replaced_claim_hash TEXT;
