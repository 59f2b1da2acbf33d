package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store/sqldb"
)

// ErrWrongKeys is returned for a keyring that does not open what a database needs.
var ErrWrongKeys = errors.New("the keys do not belong to this database")

// keyChecksVersion is the version of the schema that has the table key_checks.
const keyChecksVersion = 6

// integrityVersion is the version of the schema that has the columns which values are bound to.
const integrityVersion = 7

// latestVersion stands for the version of a schema that is up to date.
const latestVersion = math.MaxInt64

// keyCheckColumn is the column of a keyCheck, sealed with the key of its row.
const keyCheckColumn = "sealed"

// A keyCheckRow says that the database is sealed with a key.
type keyCheckRow struct {
	KeyID   int64 `gorm:"primaryKey"`
	Sealed  []byte
	Used    sqldb.Timestamp `gorm:"column:used_at"`
	Retired sqldb.Timestamp `gorm:"column:retired_at"`
}

// TableName implements gorm's Tabler.
func (keyCheckRow) TableName() string { return "key_checks" }

// A keyCheck is what the value of a keyCheckRow contains, as JSON.
type keyCheck struct {
	// Hash is the keyed hash of the key's ID: the hashing keys belong to the database, too.
	Hash string `json:"hash"`
	// Form is the form of everything that is sealed. Whoever can only write to the database cannot make such a value, so that
	// values of an older form, which they could have kept, are refused.
	Form int `json:"form"`
}

// A keyState is what the table key_checks says.
type keyState struct {
	live []uint32 // keys that are not retired; none before the first start of a program that knows the table
	form int      // see keyCheck.Form
}

// checkKeys returns what key_checks says, or ErrWrongKeys when the keyring does not open the values of all keys that are neither
// retired nor lost, or seals with a retired one.
func (s *Store) checkKeys(ctx context.Context, lost []uint32) (keyState, error) {
	var rows []keyCheckRow
	if err := s.db.Read(ctx, func(db *gorm.DB) error { return db.Order("key_id").Find(&rows).Error }); err != nil {
		return keyState{}, fmt.Errorf("reading which keys the database needs: %w", err)
	}
	var state keyState
	var missing []string
	known, primary := s.keyring.Keys(), s.keyring.Primary()
	for _, row := range rows {
		key := uint32(row.KeyID)
		switch {
		case !row.Retired.Time.IsZero() && key == primary:
			return keyState{}, fmt.Errorf("%w: they seal with key %d, which was retired; use the current key file", ErrWrongKeys, key)
		case !row.Retired.Time.IsZero(), slices.Contains(lost, key):
			continue
		case !slices.Contains(known, key):
			missing = append(missing, strconv.FormatUint(uint64(key), 10))
			continue
		}
		check, err := s.openKeyCheck(row)
		if err != nil && !errors.Is(err, ErrWrongKeys) {
			err = fmt.Errorf("%w; connector keys accept records the key anew if it opens what is stored", err)
		}
		if err != nil {
			return keyState{}, err
		}
		state.live = append(state.live, key)
		state.form = max(state.form, check.Form)
	}
	if len(missing) > 0 {
		return keyState{}, fmt.Errorf("%w: the database is sealed with key %s, which they lack; use the key file that has it", ErrWrongKeys, strings.Join(missing, ", "))
	}
	return state, nil
}

func (s *Store) openKeyCheck(row keyCheckRow) (keyCheck, error) {
	id := strconv.FormatInt(row.KeyID, 10)
	opened, err := s.keyring.Open(row.Sealed, row.TableName(), id, keyCheckColumn)
	if err != nil {
		return keyCheck{}, fmt.Errorf("checking key %s: %w", id, err)
	}
	var check keyCheck
	if err := json.Unmarshal(opened, &check); err != nil {
		return keyCheck{}, fmt.Errorf("checking key %s: %w", id, err)
	}
	hash, err := s.keyring.Hash(row.TableName(), id)
	if err != nil {
		return keyCheck{}, err
	}
	if hash != check.Hash {
		return keyCheck{}, fmt.Errorf("%w: their hashing key is another one; use the key file that was in use", ErrWrongKeys)
	}
	return check, nil
}

// saveKeyChecks inserts or replaces the values of keys, which the keyring must have.
func (s *Store) saveKeyChecks(ctx context.Context, keys []uint32, form int) error {
	for _, key := range keys {
		row := keyCheckRow{KeyID: int64(key)}
		id := strconv.FormatUint(uint64(key), 10)
		hash, err := s.keyring.Hash(row.TableName(), id)
		if err != nil {
			return err
		}
		text, err := json.Marshal(keyCheck{Hash: hash, Form: form})
		if err != nil {
			return fmt.Errorf("encoding the check of key %s: %w", id, err)
		}
		keyring, err := s.keyring.With(key)
		if err != nil {
			return err
		}
		if row.Sealed, err = keyring.Seal(text, row.TableName(), id, keyCheckColumn); err != nil {
			return err
		}
		err = s.db.Write(ctx, func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{
				Columns:   []clause.Column{{Name: "key_id"}},
				DoUpdates: clause.AssignmentColumns([]string{keyCheckColumn}),
			}).Create(&row).Error
		})
		if err != nil {
			return fmt.Errorf("saving the check of key %s: %w", id, err)
		}
	}
	return nil
}

// setForm records the form of everything that is sealed; see keyCheck.Form.
func (s *Store) setForm(ctx context.Context, form int) error {
	return s.Transact(ctx, func(ctx context.Context) error {
		state, err := s.checkKeys(ctx, nil)
		if err != nil {
			return err
		}
		return s.saveKeyChecks(ctx, state.live, form)
	})
}

// CheckKeys returns ErrWrongKeys for a keyring that does not belong to the database, whose schema may have an earlier version,
// and sqldb.ErrNoSchema for a database without tables. It changes nothing.
func (s *Store) CheckKeys(ctx context.Context) error {
	version, err := s.db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	return s.keysBefore(ctx, version, nil)
}

// keysBefore is CheckKeys for a keyring that may lack some keys, which are lost.
func (s *Store) keysBefore(ctx context.Context, version int64, lost []uint32) error {
	if version >= keyChecksVersion {
		state, err := s.checkKeys(ctx, lost)
		if err != nil || len(state.live) > 0 {
			return err
		}
	}
	_, err := s.sampleKeys(ctx, version, lost)
	return err
}

// keysAfter records with which keys the database is sealed: the one that seals from now on, and in a database of an earlier
// program those that its values need. It retires keys that are lost.
func (s *Store) keysAfter(ctx context.Context, lost []uint32) error {
	state, err := s.checkKeys(ctx, lost)
	if err != nil {
		return err
	}
	var added []uint32
	if len(state.live) == 0 {
		if added, err = s.sampleKeys(ctx, latestVersion, lost); err != nil {
			return err
		}
	}
	if primary := s.keyring.Primary(); !slices.Contains(state.live, primary) && !slices.Contains(added, primary) {
		added = append(added, primary)
	}
	err = s.Transact(ctx, func(ctx context.Context) error {
		for _, key := range lost {
			if err := s.retire(ctx, key); err != nil {
				return err
			}
		}
		return errors.Join(s.saveKeyChecks(ctx, added, state.form), s.TouchKey(ctx))
	})
	if err != nil {
		return err
	}
	return s.upgrade(ctx, state.form)
}

// KeepKey records that the database is sealed with another key of the keyring from now on. Call it before the first process
// seals with that key.
func (s *Store) KeepKey(ctx context.Context, key uint32) error {
	return s.Transact(ctx, func(ctx context.Context) error {
		state, err := s.checkKeys(ctx, nil)
		if err != nil || slices.Contains(state.live, key) {
			return err
		}
		return s.saveKeyChecks(ctx, []uint32{key}, state.form)
	})
}

// TouchKey records that this process seals with the primary key now. It returns ErrWrongKeys when that key was retired: what it
// seals, no other process can open.
func (s *Store) TouchKey(ctx context.Context) error {
	key := s.keyring.Primary()
	err := s.db.Write(ctx, func(db *gorm.DB) error {
		return mustAffect(db.Model(&keyCheckRow{}).Where("key_id = ? AND retired_at IS NULL", int64(key)).
			Update("used_at", gorm.Expr(s.db.Now(0))), ErrWrongKeys)
	})
	if err != nil {
		return fmt.Errorf("recording that key %d seals: %w", key, err)
	}
	return nil
}

// around returns what Migrate does besides the migrations for a keyring that may lack some keys, which are lost.
func (s *Store) around(lost []uint32) sqldb.Around {
	return sqldb.Around{
		Before: func(ctx context.Context, version int64) error { return s.keysBefore(ctx, version, lost) },
		After:  func(ctx context.Context) error { return s.keysAfter(ctx, lost) },
	}
}

const (
	// sampleSize is how many values of a column and a key are opened to learn whether the keyring belongs to a database.
	sampleSize = 20
	// lostKeyValues is how many values show that their key is missing. A single one may be damaged, and must not stop the
	// others from being used.
	lostKeyValues = 2
)

// sampleKeys opens some values of each kind in a database without key checks, which an earlier program filled, and returns the
// keys that sealed them. It returns ErrWrongKeys when none opens, or several need a key that the keyring lacks. It leaves out the
// values of lost keys.
func (s *Store) sampleKeys(ctx context.Context, version int64, lost []uint32) (needed []uint32, err error) {
	if version == 0 {
		return nil, nil
	}
	uses, err := s.keyUses(ctx, version)
	if err != nil {
		return nil, err
	}
	values, opened, upgraded := 0, 0, 0
	missing := map[uint32]int{} // key → values
	for _, use := range uses {
		if slices.Contains(lost, use.Key) {
			continue
		}
		values += use.Values
		if !slices.Contains(s.keyring.Keys(), use.Key) {
			missing[use.Key] += use.Values
			continue
		}
		if isMAC(use) {
			continue
		}
		n, current, err := s.openSample(ctx, use, version)
		if err != nil {
			return nil, err
		}
		upgraded += current
		if opened += n; n > 0 && !slices.Contains(needed, use.Key) {
			needed = append(needed, use.Key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		if n := missing[key]; n >= lostKeyValues || opened == 0 {
			return nil, fmt.Errorf("%w: %d of its secrets need key %d, which they lack; use the key file that has it", ErrWrongKeys, n, key)
		}
	}
	if values > 0 && opened == 0 && upgraded > 0 {
		return nil, ErrUpgradedBefore
	}
	if values > 0 && opened == 0 {
		return nil, fmt.Errorf("%w: none of its %d secrets opens; use the key file that was in use", ErrWrongKeys, values)
	}
	return needed, nil
}

// openSample returns how many of a few values that use counts can be opened: those of the earlier form, and those of the current one.
func (s *Store) openSample(ctx context.Context, use KeyUse, version int64) (opened, upgraded int, err error) {
	c := columnOf(use)
	if version < integrityVersion {
		c = c.inForm(formPlain)
	}
	values, err := s.sealedValues(ctx, c, func(query *gorm.DB) *gorm.DB {
		return query.Where(fmt.Sprintf("SUBSTR(%s, 1, %d) = ?", c.column, seal.PrefixSize), seal.PrefixOf(use.Key)).Limit(sampleSize)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading %s.%s: %w", c.table, c.column, err)
	}
	for _, v := range values {
		if _, _, err := s.openValue(c.inForm(formPlain), v); err == nil {
			opened++
		} else if _, _, err := s.openValue(c, v); err == nil {
			upgraded++
		}
	}
	return opened, upgraded, nil
}
