package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

type nonceRow struct {
	ConsumerKey string `gorm:"primaryKey"`
	NonceHash   []byte `gorm:"primaryKey"`
	ExpiresAt   instant
}

// TableName implements gorm's Tabler.
func (nonceRow) TableName() string { return "nonces" }

// RememberNonce notes that consumerKey used nonce, until the given time, and reports whether that was the first time.
// Of any number of callers, on any replica, one is told true. A nonce whose memory ran out before at is fresh again.
func (s *Store) RememberNonce(ctx context.Context, consumerKey, nonce string, at, until time.Time) (fresh bool, err error) {
	sum := sha256.Sum256([]byte(nonce)) // of fixed length, whatever a caller sends
	row := nonceRow{ConsumerKey: consumerKey, NonceHash: sum[:], ExpiresAt: instantOf(until)}
	err = s.write(ctx, func(db *gorm.DB) error { return db.Create(&row).Error })
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, gorm.ErrDuplicatedKey) {
		return false, fmt.Errorf("remembering a nonce of %q: %w", consumerKey, err)
	}
	err = s.write(ctx, func(db *gorm.DB) error {
		renewed := db.Model(&nonceRow{}).
			Where("consumer_key = ? AND nonce_hash = ? AND expires_at < ?", consumerKey, row.NonceHash, instantOf(at)).
			Update("expires_at", row.ExpiresAt)
		fresh = renewed.RowsAffected > 0
		return renewed.Error
	})
	if err != nil {
		return false, fmt.Errorf("remembering a nonce of %q: %w", consumerKey, err)
	}
	return fresh, nil
}

// PurgeNonces forgets the nonces whose memory ran out before the given time.
func (s *Store) PurgeNonces(ctx context.Context, before time.Time) error {
	err := s.inBatches(ctx, &nonceRow{}, "expires_at", before, func(ended *gorm.DB) error {
		return ended.Delete(&nonceRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("purging nonces: %w", err)
	}
	return nil
}
