package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

const (
	// replicaAlive is how long after its last sign a replica counts as running. It gives one every minute.
	replicaAlive = 3 * time.Minute
	// replicaKept is how long the row of one that was killed stays.
	replicaKept = 24 * time.Hour
)

// A Replica is a running process.
type Replica struct {
	ID      string
	Host    string
	Version string
	// Settings maps the names of settings that must be the same everywhere to fingerprints of their values.
	Settings map[string]string
}

type replicaRow struct {
	ID       string `gorm:"primaryKey"`
	Host     string
	Version  string
	Settings string
}

// TableName implements gorm's Tabler.
func (replicaRow) TableName() string { return "replicas" }

// SaveReplica records that a replica runs, now by the database's clock.
func (s *Store) SaveReplica(ctx context.Context, r Replica) error {
	settings, err := json.Marshal(r.Settings)
	if err != nil {
		return fmt.Errorf("encoding the settings of a replica: %w", err)
	}
	now := gorm.Expr(s.db.Now(0))
	err = s.db.Write(ctx, func(db *gorm.DB) error {
		return db.Model(&replicaRow{}).
			Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.Assignments(map[string]any{"seen_at": now})}).
			Create(map[string]any{"id": r.ID, "host": r.Host, "version": r.Version, "settings": string(settings), "seen_at": now}).Error
	})
	if err != nil {
		return fmt.Errorf("recording that this replica runs: %w", err)
	}
	return nil
}

// Replicas returns the replicas that have given a sign within the last minutes, by host.
func (s *Store) Replicas(ctx context.Context) ([]Replica, error) {
	var rows []replicaRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("seen_at > " + s.db.Now(-replicaAlive)).Order("host, id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the running replicas: %w", err)
	}
	replicas := make([]Replica, len(rows))
	for i, row := range rows {
		replicas[i] = Replica{ID: row.ID, Host: row.Host, Version: row.Version}
		if err := json.Unmarshal([]byte(row.Settings), &replicas[i].Settings); err != nil {
			return nil, fmt.Errorf("reading the settings of replica %s: %w", row.ID, err)
		}
	}
	return replicas, nil
}

// DeleteReplica deletes the row of a replica that ends.
func (s *Store) DeleteReplica(ctx context.Context, id string) error {
	return s.deleteReplicas(ctx, "id = ?", id)
}

// PurgeReplicas deletes the rows of replicas that have given no sign for a day.
func (s *Store) PurgeReplicas(ctx context.Context) error {
	return s.deleteReplicas(ctx, "seen_at < "+s.db.Now(-replicaKept))
}

func (s *Store) deleteReplicas(ctx context.Context, which string, args ...any) error {
	err := s.db.Write(ctx, func(db *gorm.DB) error { return db.Where(which, args...).Delete(&replicaRow{}).Error })
	if err != nil {
		return fmt.Errorf("deleting replicas that have ended: %w", err)
	}
	return nil
}
