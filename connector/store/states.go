package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

type stateRow struct {
	StateHash     string `gorm:"primaryKey"`
	ConsentID     string
	TenantID      string
	BrowserHash   string
	WithoutClaims bool
	Nonce         []byte
	Verifier      []byte
	Created       sqldb.Timestamp `gorm:"column:created_at"`
	ExpiresAt     sqldb.Timestamp
	UsedAt        sqldb.Timestamp
	EndedAt       sqldb.Timestamp
}

// TableName implements gorm's Tabler.
func (stateRow) TableName() string { return "states" }

func (s *Store) stateOf(row stateRow) (consent.State, error) {
	nonce, ok := s.unseal(row.Nonce, "states", row.StateHash, "nonce", row.ConsentID, row.TenantID)
	verifier, also := s.unseal(row.Verifier, "states", row.StateHash, "verifier", row.ConsentID, row.TenantID)
	if !ok || !also {
		return consent.State{}, tenant.ErrNotFound // a sign-in cannot be completed without either
	}
	return consent.State{
		Hash:          row.StateHash,
		ConsentID:     row.ConsentID,
		TenantID:      row.TenantID,
		BrowserHash:   row.BrowserHash,
		WithoutClaims: row.WithoutClaims,
		Nonce:         nonce,
		Verifier:      verifier,
		CreatedAt:     row.Created.Time,
		ExpiresAt:     row.ExpiresAt.Time,
		UsedAt:        row.UsedAt.Time,
	}, nil
}

// AddState implements consent.Store. It returns tenant.ErrChanged when a state with the same hash exists, and
// tenant.ErrNotFound when its tenant does not.
func (s *Store) AddState(ctx context.Context, state consent.State) error {
	nonce, err := s.seal(state.Nonce, "states", state.Hash, "nonce", state.ConsentID, state.TenantID)
	if err != nil {
		return err
	}
	verifier, err := s.seal(state.Verifier, "states", state.Hash, "verifier", state.ConsentID, state.TenantID)
	if err != nil {
		return err
	}
	row := stateRow{
		StateHash:     state.Hash,
		ConsentID:     state.ConsentID,
		TenantID:      state.TenantID,
		BrowserHash:   state.BrowserHash,
		WithoutClaims: state.WithoutClaims,
		Nonce:         nonce,
		Verifier:      verifier,
		Created:       sqldb.NewTimestamp(state.CreatedAt),
		ExpiresAt:     sqldb.NewTimestamp(state.ExpiresAt),
		UsedAt:        sqldb.NewTimestamp(state.UsedAt),
		EndedAt:       sqldb.NewTimestamp(state.ExpiresAt),
	}
	if !state.UsedAt.IsZero() {
		row.EndedAt = row.UsedAt
	}
	err = s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			if state.BrowserHash != "" {
				// Before the state, whose foreign key locks the consent.
				err := db.Model(&consentRow{}).Where("id = ?", state.ConsentID).Update("opened_at", row.Created).Error
				if err != nil {
					return err
				}
			}
			return db.Create(&row).Error
		})
	})
	if err = insertError(err); err != nil {
		return fmt.Errorf("adding a state to consent %q: %w", state.ConsentID, err)
	}
	return nil
}

// State implements consent.Store. It returns used and expired states too, until they are purged.
func (s *Store) State(ctx context.Context, hash string) (consent.State, error) {
	var row stateRow
	err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("state_hash = ?", hash), &row) })
	if err == nil {
		err = mustMatchKey(row.StateHash, hash)
	}
	if err != nil {
		return consent.State{}, fmt.Errorf("reading a state: %w", err)
	}
	state, err := s.stateOf(row)
	if err != nil {
		return consent.State{}, fmt.Errorf("reading a state: %w", err)
	}
	return state, nil
}

// OpenStates implements consent.Store. A state expires at its ExpiresAt. It leaves out states whose secrets do not open.
func (s *Store) OpenStates(ctx context.Context, consentID string, now time.Time) ([]consent.State, error) {
	var rows []stateRow
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Where("consent_id = ? AND used_at IS NULL AND expires_at > ?", consentID, sqldb.NewTimestamp(now)).
			Order("created_at DESC, state_hash DESC").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the open states of consent %q: %w", consentID, err)
	}
	states := make([]consent.State, 0, len(rows))
	for _, row := range rows {
		if state, err := s.stateOf(row); err == nil {
			states = append(states, state)
		}
	}
	return states, nil
}

// Progress implements consent.Store.
func (s *Store) Progress(ctx context.Context, consentID string) (opened, answered bool, err error) {
	var row struct{ Opened, Used int }
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Model(&stateRow{}).Select("COUNT(*) AS opened, COUNT(used_at) AS used").Where("consent_id = ?", consentID).Scan(&row).Error
	})
	if err != nil {
		return false, false, fmt.Errorf("reading the progress of consent %q: %w", consentID, err)
	}
	return row.Opened > 0, row.Used > 0, nil
}

// UseState implements consent.Store. Of any number of callers one succeeds. It returns tenant.ErrNotFound when
// the state does not exist.
func (s *Store) UseState(ctx context.Context, hash string, now time.Time) error {
	err := s.Transact(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, func(db *gorm.DB) error {
			used := db.Model(&stateRow{}).Where("state_hash = ? AND used_at IS NULL", hash).
				Updates(map[string]any{"used_at": sqldb.NewTimestamp(now), "ended_at": sqldb.NewTimestamp(now)})
			if used.Error != nil {
				return used.Error
			}
			if used.RowsAffected > 0 {
				return nil
			}
			if err := takeOne(db.Select("state_hash").Where("state_hash = ?", hash), &stateRow{}); err != nil {
				return err
			}
			return tenant.ErrChanged
		})
	})
	if err != nil {
		return fmt.Errorf("using a state: %w", err)
	}
	return nil
}
