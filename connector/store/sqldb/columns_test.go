package sqldb_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/store/sqldb"
)

// A zone may make a year of five digits, or one before 0, of a time that was entered with four. Neither could be read again.
func TestTimestamp_StoresWhatCanBeRead(t *testing.T) {
	for text, stored := range map[string]bool{
		"9999-12-31T23:59:59Z": true, "0000-01-01T00:00:00Z": true, "9999-12-31T23:59:59-01:00": false, "0000-01-01T00:00:00+01:00": false,
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		value, err := sqldb.NewTimestamp(at).Value()
		if (err == nil) != stored {
			t.Errorf("Value of %s = %v, %v; want stored %v", text, value, err, stored)
			continue
		}
		var read sqldb.Timestamp
		if stored && (read.Scan(value) != nil || !read.Time.Equal(at)) {
			t.Errorf("Scan(%v) = %s, want %s", value, read.Time, at)
		}
	}
}
