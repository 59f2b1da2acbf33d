package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/tenant"
)

// touchedWithin is how long after its last TouchKey a process may still run. It calls TouchKey every minute.
const touchedWithin = 5 * time.Minute

// A KeyNeededError says why a key cannot be retired.
type KeyNeededError struct {
	Key uint32
	// Seals means that a running process seals with the key.
	Seals bool
	Uses  []KeyUse
}

// Error implements error.
func (e *KeyNeededError) Error() string {
	var needs []string
	if e.Seals {
		needs = append(needs, fmt.Sprintf("a connector sealed with it less than %s ago", touchedWithin))
	}
	for _, use := range e.Uses {
		needs = append(needs, fmt.Sprintf("%s.%s: %d", use.Table, use.Column, use.Values))
	}
	return fmt.Sprintf("key %d is still needed: %s", e.Key, strings.Join(needs, ", "))
}

// RetireKey ends the use of a key other than the primary one: no process can start with a keyring in which it seals. It returns
// a *KeyNeededError while a value needs the key or a process seals with it. It waits for programs that are starting.
func (s *Store) RetireKey(ctx context.Context, key uint32) error {
	if key == s.keyring.Primary() {
		return fmt.Errorf("key %d seals; only an older key can be retired", key)
	}
	return s.db.Locked(ctx, func() error {
		return s.Transact(ctx, func(ctx context.Context) error {
			if err := s.mustKnow(ctx, key); err != nil {
				return err
			}
			needed := &KeyNeededError{Key: key}
			var err error
			if needed.Seals, err = s.touched(ctx, key); err != nil {
				return err
			}
			if needed.Uses, err = s.usesOf(ctx, key); err != nil {
				return err
			}
			if needed.Seals || len(needed.Uses) > 0 {
				return needed
			}
			return s.retire(ctx, key)
		})
	})
}

// mustKnow returns seal.ErrNoKey when neither the keyring nor the database has a key.
func (s *Store) mustKnow(ctx context.Context, key uint32) error {
	if slices.Contains(s.keyring.Keys(), key) {
		return nil
	}
	err := s.db.Read(ctx, func(db *gorm.DB) error { return takeOne(db.Where("key_id = ?", int64(key)), &keyCheckRow{}) })
	if errors.Is(err, tenant.ErrNotFound) {
		err = seal.ErrNoKey
	}
	if err != nil {
		return fmt.Errorf("looking for key %d: %w", key, err)
	}
	return nil
}

// LoseKeys migrates the schema and ends the use of keys that are lost, whatever needs them: their values count as absent, and what
// decides access counts as it stands. Then it writes an event by an actor; if that fails, it may be called again.
func (s *Store) LoseKeys(ctx context.Context, keys []uint32, now time.Time, by audit.Actor) error {
	for _, key := range keys {
		if slices.Contains(s.keyring.Keys(), key) {
			return fmt.Errorf("key %d is not lost: the keyring has it", key)
		}
		if s.CheckKeys(ctx) == nil && errors.Is(s.mustKnow(ctx, key), seal.ErrNoKey) { // a typing error: nothing is lost
			return fmt.Errorf("the database does not know key %d, and no key that it knows is missing", key)
		}
	}
	if err := s.db.Migrate(ctx, s.around(keys)); err != nil {
		return err
	}
	return audit.Append(ctx, s, now, audit.Event{
		Action: audit.IntegrityAccepted, Actor: by,
		Details: map[string]string{"table": (keyCheckRow{}).TableName(), "lost": strings.Trim(fmt.Sprint(keys), "[]")},
	})
}

// retire marks a key as retired.
func (s *Store) retire(ctx context.Context, key uint32) error {
	row := keyCheckRow{KeyID: int64(key)}
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return err
		}
		return db.Model(&row).Updates(map[string]any{keyCheckColumn: nil, "retired_at": gorm.Expr(s.db.Now(0))}).Error
	})
	if err != nil {
		return fmt.Errorf("retiring key %d: %w", key, err)
	}
	return nil
}

// touched reports whether a process sealed with a key recently.
func (s *Store) touched(ctx context.Context, key uint32) (bool, error) {
	var n int64
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Model(&keyCheckRow{}).Where("key_id = ? AND used_at > "+s.db.Now(-touchedWithin), int64(key)).Count(&n).Error
	})
	if err != nil {
		return false, fmt.Errorf("reading who seals with key %d: %w", key, err)
	}
	return n > 0, nil
}

// usesOf returns what needs a key. A value that the key of this keyring does not open does not count.
func (s *Store) usesOf(ctx context.Context, key uint32) ([]KeyUse, error) {
	uses, err := s.keyUses(ctx, latestVersion)
	if err != nil {
		return nil, err
	}
	uses = slices.DeleteFunc(uses, func(use KeyUse) bool { return use.Key != key })
	if !slices.Contains(s.keyring.Keys(), key) {
		return uses, nil
	}
	var needed []KeyUse
	for _, use := range uses {
		if isMAC(use) {
			needed = append(needed, use)
			continue
		}
		n := 0
		c := columnOf(use)
		err := s.walkColumn(ctx, c, func(values []sealedValue) error {
			for _, v := range values {
				if sealing, _ := seal.KeyOf(v.ciphertext); sealing != key {
					continue
				}
				if _, _, err := s.openValue(c, v); err == nil {
					n++
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if use.Values = n; n > 0 {
			needed = append(needed, use)
		}
	}
	return needed, nil
}

// columnOf returns the column that use counts.
func columnOf(use KeyUse) sealedColumn {
	columns := sealedColumns()
	return columns[slices.IndexFunc(columns, func(c sealedColumn) bool { return c.table == use.Table && c.column == use.Column })]
}

// KeyUses counts what each key sealed.
func (s *Store) KeyUses(ctx context.Context) ([]KeyUse, error) { return s.keyUses(ctx, latestVersion) }

// A KeyUse is how many values of a column a key sealed.
type KeyUse struct {
	Table, Column string
	Key           uint32
	Values        int
}

// keyUses counts what each key sealed in a schema of some version. Values that no key of this program sealed are left out.
func (s *Store) keyUses(ctx context.Context, version int64) ([]KeyUse, error) {
	var uses []KeyUse
	for _, c := range slices.Concat(sealedColumns(), macColumns()) {
		if c.since > version {
			continue
		}
		var groups []struct {
			Prefix []byte
			Number int
		}
		err := s.db.Read(ctx, func(db *gorm.DB) error {
			groups = nil
			if c.table == "events" {
				db = db.Where("checkpoint IS NULL")
			}
			return db.Table(c.table).Select(fmt.Sprintf("SUBSTR(%s, 1, %d) AS prefix, COUNT(*) AS number", c.column, seal.PrefixSize)).
				Where(c.column + " IS NOT NULL").Group("prefix").Find(&groups).Error
		})
		if err != nil {
			return nil, fmt.Errorf("counting the keys of %s.%s: %w", c.table, c.column, err)
		}
		for _, group := range groups {
			if key, ok := seal.KeyOf(group.Prefix); ok {
				uses = append(uses, KeyUse{c.table, c.column, key, group.Number})
			}
		}
	}
	return uses, nil
}
