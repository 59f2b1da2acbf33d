package sqldb

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/clock"
)

// timestampLayout has a fixed width, so that texts sort like times. Both databases accept it.
const timestampLayout = "2006-01-02 15:04:05.000"

// A Timestamp is a column that holds a time in UTC, in whole milliseconds, and NULL for the zero time.
type Timestamp struct{ Time time.Time }

// StoredTime returns t as a Timestamp keeps it.
func StoredTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// NewTimestamp returns t as a column.
func NewTimestamp(t time.Time) Timestamp { return Timestamp{StoredTime(t)} }

// Value implements driver.Valuer.
func (t Timestamp) Value() (driver.Value, error) {
	if t.Time.IsZero() {
		return nil, nil
	}
	if !clock.Storable(t.Time) { // its text would not sort like its time, and could not be read
		return nil, fmt.Errorf("the time %s cannot be stored", t.Time)
	}
	return StoredTime(t.Time).Format(timestampLayout), nil
}

// GormDataType implements gorm's GormDataTypeInterface; without it gorm looks for relations in the fields of a struct.
func (Timestamp) GormDataType() string { return "string" }

// Scan implements sql.Scanner.
func (t *Timestamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = StoredTime(v)
	case string:
		at, err := time.ParseInLocation(timestampLayout, v, time.UTC)
		if err != nil {
			return errors.New("a stored time is malformed")
		}
		t.Time = at
	default:
		return fmt.Errorf("a stored time is a %T", v)
	}
	return nil
}

// A NullString is a column that holds a string, and NULL for the empty one: for unique columns that may be unknown.
type NullString string

// Value implements driver.Valuer.
func (s NullString) Value() (driver.Value, error) {
	if s == "" {
		return nil, nil
	}
	return string(s), nil
}

// Scan implements sql.Scanner.
func (s *NullString) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s = ""
	case string:
		*s = NullString(v)
	case []byte:
		*s = NullString(v)
	default:
		return fmt.Errorf("a stored text is a %T", v)
	}
	return nil
}

// A JSONColumn is a column that holds V as JSON, and NULL for a V whose JSON is null.
type JSONColumn[T any] struct{ V T }

// NewJSONColumn returns v as a column.
func NewJSONColumn[T any](v T) JSONColumn[T] { return JSONColumn[T]{v} }

// Value implements driver.Valuer.
func (c JSONColumn[T]) Value() (driver.Value, error) {
	text, err := json.Marshal(c.V)
	if err != nil {
		return nil, fmt.Errorf("encoding a JSON column: %w", err)
	}
	if string(text) == "null" {
		return nil, nil
	}
	return string(text), nil
}

// GormDataType implements gorm's GormDataTypeInterface, for the same reason as that of Timestamp.
func (JSONColumn[T]) GormDataType() string { return "string" }

// Scan implements sql.Scanner.
func (c *JSONColumn[T]) Scan(v any) error {
	var text []byte
	switch v := v.(type) {
	case nil:
		c.V = *new(T)
		return nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("a stored JSON column is a %T", v)
	}
	var value T // not c.V, whose map entries of an earlier row would remain
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("decoding a JSON column: %w", err)
	}
	c.V = value
	return nil
}
