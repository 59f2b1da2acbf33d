package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
)

type nonceRow struct {
	ConsumerKey string `gorm:"primaryKey"`
	NonceHash   []byte `gorm:"primaryKey"`
	ExpiresAt   sqldb.Timestamp
}

// TableName implements gorm's Tabler.
func (nonceRow) TableName() string { return "nonces" }

// A usedNonce is one use of a nonce.
type usedNonce struct {
	row nonceRow
	at  time.Time
}

// RememberNonce stores until the given time that consumerKey used nonce at the time at, and reports whether this was the
// first use. However many callers there are, on any replica, exactly one gets true. A nonce that was stored until a time
// before at is fresh again. Concurrent calls share a statement.
func (s *Store) RememberNonce(ctx context.Context, consumerKey, nonce string, at, until time.Time) (fresh bool, err error) {
	sum := sha256.Sum256([]byte(nonce)) // callers choose the length of a nonce
	used := usedNonce{nonceRow{ConsumerKey: consumerKey, NonceHash: sum[:], ExpiresAt: sqldb.NewTimestamp(until)}, at}
	if fresh, err = s.nonces.Do(ctx, used); err != nil {
		return false, fmt.Errorf("storing a nonce of %q: %w", consumerKey, err)
	}
	return fresh, nil
}

// ForgetNonce makes a nonce of consumerKey fresh again.
func (s *Store) ForgetNonce(ctx context.Context, consumerKey, nonce string) error {
	sum := sha256.Sum256([]byte(nonce))
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Where("consumer_key = ? AND nonce_hash = ?", consumerKey, sum[:]).Delete(&nonceRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("deleting a nonce of %q: %w", consumerKey, err)
	}
	return nil
}

// rememberNonces stores uses and reports for each whether it was the first.
func (s *Store) rememberNonces(ctx context.Context, used []usedNonce) ([]bool, error) {
	fresh := make([]bool, len(used))
	rows := make([]nonceRow, len(used))
	for i, u := range used {
		rows[i], fresh[i] = u.row, true
	}
	err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Create(&rows).Error })
	if !errors.Is(err, gorm.ErrDuplicatedKey) {
		return fresh, err
	}
	// At least one was used before, and the statement stored none.
	for i, u := range used {
		if fresh[i], err = s.rememberNonce(ctx, u); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

func (s *Store) rememberNonce(ctx context.Context, used usedNonce) (fresh bool, err error) {
	err = s.db.Write(ctx, func(db *gorm.DB) error { return db.Create(&used.row).Error })
	if !errors.Is(err, gorm.ErrDuplicatedKey) {
		return err == nil, err
	}
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		renewed := db.Model(&nonceRow{}).
			Where("consumer_key = ? AND nonce_hash = ? AND expires_at < ?", used.row.ConsumerKey, used.row.NonceHash, sqldb.NewTimestamp(used.at)).
			Update("expires_at", used.row.ExpiresAt)
		fresh = renewed.RowsAffected > 0
		return renewed.Error
	})
	return fresh, err
}

// PurgeNonces deletes the nonces that were to be stored until a time before the given one.
func (s *Store) PurgeNonces(ctx context.Context, before time.Time) error {
	err := s.inBatches(ctx, &nonceRow{}, "expires_at", before, func(ended *gorm.DB) error {
		return ended.Delete(&nonceRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("purging nonces: %w", err)
	}
	return nil
}
