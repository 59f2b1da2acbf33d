-- Who of a tenant's reseller is notified by mail, and in which language: a JSON object with recipients and language.

-- +goose Up
ALTER TABLE tenants ADD COLUMN notices TEXT NULL;
