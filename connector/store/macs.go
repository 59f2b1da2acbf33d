package store

import (
	"strconv"

	"azure-partner-connector/connector/seal"
)

// The forms of what is stored; see keyCheck.Form. A later form gets the next even number.
const (
	// formPlain is that of the first programs: seals without a form or bound columns, and no MACs.
	formPlain = 0
	// formBegun is that of a database whose upgrade to formBound was interrupted: values of both forms are right.
	formBegun = 1
	// formBound has seals that are bound to their form and to other columns of the row, MACs of the columns that decide who
	// has access, and events with MACs and checkpoints.
	formBound = 2
	// formProven has the seals of formBound, and MACs that also cover which directory a tenant has proven.
	formProven = 4

	currentForm = formProven
	sealedForm  = formBound // of seals
)

// boundForm returns the values that a seal of the current form is bound to.
func boundForm(bound []string) []string {
	return append([]string{strconv.Itoa(sealedForm)}, bound...)
}

// rowPurpose is the purpose of the MACs of rows.
const rowPurpose = "row"

// A guardedRow is what the MAC of a row proves.
type guardedRow struct {
	table   string
	id      string
	columns []guardedColumn
}

// A guardedColumn is a column that decides who has access. A new one joins with the next form.
type guardedColumn struct {
	name, value string
	since       int // the first form in which the MAC covers it
}

// guardedList returns a list as the value of a guardedColumn.
func guardedList(values []string) string { return string(seal.Encode(values...)) }

func (row guardedRow) parts(form int) []string {
	parts := []string{row.table, row.id, strconv.Itoa(form)}
	for _, c := range row.columns {
		if c.since <= form {
			parts = append(parts, c.name, c.value)
		}
	}
	return parts
}

func (s *Store) rowMAC(row guardedRow) []byte {
	return s.keyring.MAC(rowPurpose, row.parts(currentForm)...)
}

// proven reports whether mac is right for row. A missing MAC is wrong.
func (s *Store) proven(row guardedRow, mac []byte) bool { return s.provenIn(currentForm, row, mac) }

// provenIn is proven for a MAC of an earlier form.
func (s *Store) provenIn(form int, row guardedRow, mac []byte) bool {
	return s.keyring.CheckMAC(mac, rowPurpose, row.parts(form)...)
}
