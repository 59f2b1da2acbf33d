package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
)

// ErrKeysRecorded is returned by UnrecordedKeys when there is nothing to accept.
var ErrKeysRecorded = errors.New("the record of the keys in the table key_checks is intact")

// UnrecordedKeys are keys of the keyring that the database needs, and whose record in key_checks is damaged or gone.
type UnrecordedKeys struct {
	Keys []uint32
	// Opened and Failed count the secrets that the keyring opens and does not open.
	Opened, Failed int

	form int
}

// UnrecordedKeys returns what AcceptKeys would record. It returns ErrKeysRecorded when nothing is missing, and ErrWrongKeys for a
// keyring that does not open what is stored. It changes nothing.
func (s *Store) UnrecordedKeys(ctx context.Context) (UnrecordedKeys, error) {
	if err := s.db.CheckSchema(ctx); err != nil {
		return UnrecordedKeys{}, err
	}
	var rows []keyCheckRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Order("key_id").Find(&rows).Error }); err != nil {
		return UnrecordedKeys{}, fmt.Errorf("reading which keys the database needs: %w", err)
	}
	found := UnrecordedKeys{form: formPlain}
	retired, recorded := map[uint32]bool{}, map[uint32]bool{}
	for _, row := range rows {
		key := uint32(row.KeyID)
		switch {
		case !row.Retired.Time.IsZero():
			retired[key] = true
			continue
		case !slices.Contains(s.keyring.Keys(), key):
			return UnrecordedKeys{}, fmt.Errorf("%w: the database is sealed with key %d, which they lack; use the key file that has it", ErrWrongKeys, key)
		}
		check, err := s.openKeyCheck(row)
		if errors.Is(err, ErrWrongKeys) {
			return UnrecordedKeys{}, err
		}
		if err != nil {
			found.Keys = append(found.Keys, key)
			continue
		}
		recorded[key], found.form = true, max(found.form, check.Form)
	}
	if retired[s.keyring.Primary()] {
		return UnrecordedKeys{}, fmt.Errorf("%w: they seal with key %d, which was retired; use the current key file", ErrWrongKeys, s.keyring.Primary())
	}
	if err := s.findNeeded(ctx, &found, retired, recorded); err != nil {
		return UnrecordedKeys{}, err
	}
	if len(found.Keys) == 0 {
		return UnrecordedKeys{}, ErrKeysRecorded
	}
	unknown := len(recorded) == 0
	if unknown {
		found.form = currentForm
	}
	err := s.openAll(ctx, &found, unknown)
	return found, err
}

// findNeeded adds the keys that have no record at all.
func (s *Store) findNeeded(ctx context.Context, found *UnrecordedKeys, retired, recorded map[uint32]bool) error {
	uses, err := s.keyUses(ctx, latestVersion)
	if err != nil {
		return err
	}
	needed := map[uint32]int{s.keyring.Primary(): 0} // key → values
	for _, use := range uses {
		if !retired[use.Key] {
			needed[use.Key] += use.Values
		}
	}
	for _, key := range slices.Sorted(maps.Keys(needed)) {
		switch n := needed[key]; {
		case !slices.Contains(s.keyring.Keys(), key) && n >= lostKeyValues: // a single value may be damaged
			return fmt.Errorf("%w: %d of its values need key %d, which they lack; use the key file that has it", ErrWrongKeys, n, key)
		case slices.Contains(s.keyring.Keys(), key) && !recorded[key] && !slices.Contains(found.Keys, key):
			found.Keys = append(found.Keys, key)
		}
	}
	return nil
}

// openAll opens every secret. Where no record is left that says whether the database was upgraded, nothing may have the form of
// an earlier version: somebody may have kept such a value, and removed the records.
func (s *Store) openAll(ctx context.Context, found *UnrecordedKeys, unknown bool) error {
	earlier := 0
	err := s.walkForm(ctx, found.form, nil, func(_ context.Context, c sealedColumn, values []sealedValue, _ *Progress) error {
		for _, v := range values {
			if _, _, err := s.openValue(c, v); err == nil {
				found.Opened++
				continue
			}
			found.Failed++
			if _, _, err := s.openValue(c.inForm(formPlain), v); err == nil {
				earlier++
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case unknown && earlier > 0:
		return fmt.Errorf("%d secrets have the form of an earlier version, and nothing says any more whether the database was upgraded; restore a backup", earlier)
	case found.Opened == 0 && found.Failed > 0:
		return fmt.Errorf("%w: none of its %d secrets opens; use the key file that was in use", ErrWrongKeys, found.Failed)
	}
	return nil
}

// AcceptKeys records that the database belongs to the keys of UnrecordedKeys, with an event by an actor. It fails as that does.
func (s *Store) AcceptKeys(ctx context.Context, now time.Time, by audit.Actor) error {
	return s.db.Locked(ctx, func() error {
		return s.Transact(ctx, func(ctx context.Context) error {
			found, err := s.UnrecordedKeys(ctx)
			if err != nil {
				return err
			}
			if err := s.saveKeyChecks(ctx, found.Keys, found.form); err != nil {
				return err
			}
			return audit.Append(ctx, s, now, audit.Event{
				Action: audit.IntegrityAccepted, Actor: by,
				Details: map[string]string{"table": (keyCheckRow{}).TableName(), "keys": strings.Trim(fmt.Sprint(found.Keys), "[]")},
			})
		})
	})
}
