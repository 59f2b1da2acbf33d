package store

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// instantLayout is how times are written: fixed width, so that text sorts as time does, and read by both databases.
const instantLayout = "2006-01-02 15:04:05.000"

// An instant is a time as it is stored: UTC, whole milliseconds, NULL for the zero time.
type instant struct{ at time.Time }

// stored returns t as it will be read again.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func instantOf(t time.Time) instant { return instant{stored(t)} }

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if i.at.IsZero() {
		return nil, nil
	}
	return stored(i.at).Format(instantLayout), nil
}

// GormDataType implements gorm's GormDataTypeInterface; without it gorm looks for relations in the fields of a struct.
func (instant) GormDataType() string { return "string" }

// Scan implements sql.Scanner.
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		i.at = time.Time{}
	case time.Time:
		i.at = stored(v)
	case string:
		at, err := time.ParseInLocation(instantLayout, v, time.UTC)
		if err != nil {
			return errors.New("a stored time cannot be read")
		}
		i.at = at
	default:
		return fmt.Errorf("a stored time is a %T", v)
	}
	return nil
}

// An optional is a string that is stored as NULL when it is empty, for unique columns that may be unknown.
type optional string

// Value implements driver.Valuer.
func (o optional) Value() (driver.Value, error) {
	if o == "" {
		return nil, nil
	}
	return string(o), nil
}

// Scan implements sql.Scanner.
func (o *optional) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*o = ""
	case string:
		*o = optional(v)
	case []byte:
		*o = optional(v)
	default:
		return fmt.Errorf("a stored text is a %T", v)
	}
	return nil
}

// facts are stored as JSON; NULL stands for what JSON writes as null.
type facts[T any] struct{ of T }

// Value implements driver.Valuer.
func (f facts[T]) Value() (driver.Value, error) {
	text, err := json.Marshal(f.of)
	if err != nil {
		return nil, fmt.Errorf("writing facts: %w", err)
	}
	if string(text) == "null" {
		return nil, nil
	}
	return string(text), nil
}

// GormDataType implements gorm's GormDataTypeInterface, as instant's does.
func (facts[T]) GormDataType() string { return "string" }

// Scan implements sql.Scanner.
func (f *facts[T]) Scan(v any) error {
	var text []byte
	switch v := v.(type) {
	case nil:
		f.of = *new(T)
		return nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("stored facts are a %T", v)
	}
	var of T // a value of its own: nothing of an earlier row shines through
	if err := json.Unmarshal(text, &of); err != nil {
		return fmt.Errorf("reading facts: %w", err)
	}
	f.of = of
	return nil
}

// actorColumns are an audit.Actor in a row.
type actorColumns struct {
	Kind       string
	ID         string
	Name       string
	AccountID  string
	OriginalID string
}

func actorOf(a audit.Actor) actorColumns {
	return actorColumns{Kind: string(a.Kind), ID: a.ID, Name: a.Name, AccountID: a.AccountID, OriginalID: a.OriginalID}
}

func (c actorColumns) actor() audit.Actor {
	return audit.Actor{Kind: audit.ActorKind(c.Kind), ID: c.ID, Name: c.Name, AccountID: c.AccountID, OriginalID: c.OriginalID}
}

// take reads the one row that query selects into row. It returns tenant.ErrNotFound when there is none.
func take(query *gorm.DB, row any) error {
	err := query.Take(row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return tenant.ErrNotFound
	}
	return err
}

// exact returns tenant.ErrNotFound unless the row that was found has the very name that was asked for: MySQL compares
// without regard to spaces at the end.
func exact(found, asked string) error {
	if found != asked {
		return tenant.ErrNotFound
	}
	return nil
}

// changed returns orElse when a conditional statement met no row.
func changed(done *gorm.DB, orElse error) error {
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected == 0 {
		return orElse
	}
	return nil
}
