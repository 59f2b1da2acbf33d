-- Deletes the same predecessors as ../mysql, which tells more about them.

-- +goose Up
DELETE FROM grants
WHERE slot = 'predecessor' AND NOT EXISTS (
    SELECT 1 FROM grants AS a
    WHERE a.tenant_id = grants.tenant_id AND a.slot = 'active' AND a.consent_id = grants.consent_id
);
