package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
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

// rememberNonces stores uses and reports for each whether it was the first. When one of several was used before, it stores none
// and returns gorm.ErrDuplicatedKey. It avoids gorm's reflection, because every hook stores one.
func (s *Store) rememberNonces(ctx context.Context, used []usedNonce) ([]bool, error) {
	fresh, values := make([]bool, len(used)), make([]any, 0, 3*len(used))
	for i, u := range used {
		fresh[i] = true
		values = append(values, u.row.ConsumerKey, u.row.NonceHash, u.row.ExpiresAt)
	}
	query := "INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES (?, ?, ?)" + strings.Repeat(", (?, ?, ?)", len(used)-1)
	err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Exec(query, values...).Error })
	if len(used) == 1 && errors.Is(err, gorm.ErrDuplicatedKey) {
		fresh[0], err = s.renewNonce(ctx, used[0])
	}
	return fresh, err
}

// renewNonce stores the use of a nonce that was used before, and reports whether that was so long ago that this is a first use.
func (s *Store) renewNonce(ctx context.Context, used usedNonce) (fresh bool, err error) {
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
