-- The claim code that a second sign-in with the same link replaced: it is told as replaced and costs no try.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE consents ADD COLUMN replaced_claim_hash VARCHAR(64) NULL', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'consents' AND column_name = 'replaced_claim_hash');
PREPARE change_consents FROM @change;
EXECUTE change_consents;
DEALLOCATE PREPARE change_consents;
