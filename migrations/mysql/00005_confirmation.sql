-- Older programs kept the value of the consent before as the predecessor of a new consent, possibly of another person. A
-- predecessor is now used for its own consent only, so these are deleted. Grants that wait for confirmation need no column:
-- they are rows of grants in the slot "unconfirmed".

-- +goose Up
DELETE p FROM grants AS p
LEFT JOIN grants AS a ON a.tenant_id = p.tenant_id AND a.slot = 'active' AND a.consent_id = p.consent_id
WHERE p.slot = 'predecessor' AND a.tenant_id IS NULL;
