-- The public key of a client that signs assertions: a JSON Web Key.

-- +goose Up
ALTER TABLE client_keys ADD COLUMN public_key TEXT NULL;
