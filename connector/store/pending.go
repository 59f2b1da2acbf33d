package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

// DeletePending implements token.Store. Pending grants are few: a person is waiting for each of them.
func (s *Store) DeletePending(ctx context.Context, consentedBefore time.Time) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Where("slot = ? AND consented_at < ?", string(token.Pending), sqldb.NewTimestamp(consentedBefore)).Delete(&grantRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("deleting unclaimed grants: %w", err)
	}
	return nil
}
