package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"azure-partner-connector/connector/tenant"
)

// borrowerEntriesSince is the package version whose instances store borrowers as entries. Those of earlier ones store IDs,
// which the programs of their time read.
const borrowerEntriesSince = 2

// A borrowerList is the column of the borrowers: a list of entries, or of IDs.
type borrowerList struct {
	entries []tenant.Borrower
	plain   bool // stored as IDs
}

// borrowersOf returns the column for an instance. What IDs cannot say stays an entry, whatever the package version.
func borrowersOf(in tenant.Instance) borrowerList {
	_, plain := tenant.PlainBorrowers(in.Settings.Borrowers)
	return borrowerList{in.Settings.Borrowers, plain && in.PackageMajor() < borrowerEntriesSince}
}

// MarshalJSON implements json.Marshaler.
func (l borrowerList) MarshalJSON() ([]byte, error) {
	if l.entries == nil {
		return []byte("null"), nil
	}
	if l.plain {
		ids, _ := tenant.PlainBorrowers(l.entries)
		return json.Marshal(ids)
	}
	return json.Marshal(l.entries)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *borrowerList) UnmarshalJSON(text []byte) error {
	var ids []string
	if json.Unmarshal(text, &ids) == nil {
		*l = borrowerList{plain: true}
		for _, id := range ids {
			l.entries = append(l.entries, tenant.NewBorrower(id))
		}
		return nil
	}
	*l = borrowerList{}
	return json.Unmarshal(text, &l.entries)
}

// guarded returns the column for the MAC of its row. The two forms have different names, so that no list of IDs has the MAC
// of a list of entries.
func (l borrowerList) guarded() guardedColumn {
	if ids, _ := tenant.PlainBorrowers(l.entries); l.plain || len(ids) == 0 {
		return guardedColumn{"borrowers", guardedList(ids), formBound}
	}
	entries := make([]string, len(l.entries))
	for i, b := range l.entries {
		parts := []string{b.ID, guardedList(b.APIs), guardedList(b.Directories)}
		if b.Name != "" { // entries had none when the first MACs were made
			parts = append(parts, b.Name)
		}
		entries[i] = guardedList(parts)
	}
	return guardedColumn{"borrower entries", guardedList(entries), formBound}
}

// String returns the list for people to read.
func (l borrowerList) String() string {
	if ids, _ := tenant.PlainBorrowers(l.entries); l.plain || len(ids) == 0 {
		return fmt.Sprintf("%q", ids)
	}
	entries := make([]string, len(l.entries))
	for i, b := range l.entries {
		entries[i] = fmt.Sprintf("%q for %s in %s", strings.TrimSpace(b.Name+" "+b.ID), strings.Join(b.APIs, ", "), strings.Join(b.Directories, ", "))
	}
	return "[" + strings.Join(entries, "; ") + "]"
}
