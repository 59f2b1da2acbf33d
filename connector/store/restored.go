package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Restored is what a database brings back when it replaces a newer one: whatever was deleted, used or withdrawn since.
type Restored struct {
	// LastEvent is when the last event happened that was written; zero without events.
	LastEvent time.Time
	// Grants counts refresh tokens, Borrowing the instances with borrowers, Clients those of the token API, Consents those that
	// wait for a sign-in, a claim code or a confirmation, and Nonces the remembered requests.
	Grants, Borrowing, Clients, Consents, Nonces int64
}

// clientsSince is the version of the schema that brought the clients of the token API.
const clientsSince = 14

// Restored returns what this database would bring back. It changes nothing, and needs no table of a later schema than the first.
func (s *Store) Restored(ctx context.Context) (Restored, error) {
	var r Restored
	version, err := s.db.SchemaVersion(ctx)
	if err != nil {
		return Restored{}, fmt.Errorf("reading what the database would bring back: %w", err)
	}
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		var last []eventRow
		if err := db.Select("happened_at").Order("seq DESC").Limit(1).Find(&last).Error; err != nil {
			return err
		}
		if len(last) > 0 {
			r.LastEvent = last[0].HappenedAt.Time
		}
		type count struct {
			of    *int64
			query *gorm.DB
		}
		counts := []count{
			{&r.Grants, db.Table("grants")},
			{&r.Borrowing, db.Table("instances").Where("removed_at IS NULL AND borrowers IS NOT NULL AND borrowers <> '[]'")},
			{&r.Consents, db.Table("consents").Where("ended_at IS NULL")},
			{&r.Nonces, db.Table("nonces")},
		}
		if version >= clientsSince {
			counts = append(counts, count{&r.Clients, db.Table("clients")})
		}
		for _, c := range counts {
			if err := c.query.Count(c.of).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Restored{}, fmt.Errorf("reading what the database would bring back: %w", err)
	}
	return r, nil
}
