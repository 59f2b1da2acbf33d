package tenant

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
)

// PartnerDirectory stands for the partner's own directory in the directories of a Borrower, whatever its ID is.
const PartnerDirectory = "partner"

// CustomerDirectories stands for every customer directory that the instance allows in the directories of a Borrower.
const CustomerDirectories = "customers"

// The values of Settings.CustomerDirectories.
const (
	NoCustomers     = "none"
	ListedCustomers = "listed" // with an active relationship (GDAP), or in Partner Center's list of customers
	AnyCustomers    = "any"
)

// apis are the names of the APIs that access tokens are issued for.
var apis = []string{"partnercenter", "graph", "arm"}

// APIs returns the names of the APIs that access tokens are issued for.
func APIs() []string { return slices.Clone(apis) }

// A Borrower is an application of the platform that may borrow access tokens.
type Borrower struct {
	ID          string   `json:"id"`             // APS instance ID, in lower case
	Name        string   `json:"name,omitempty"` // for people; the platform tells none
	APIs        []string `json:"apis"`           // for which it may borrow
	Directories []string `json:"directories"`    // IDs in lower case, or PartnerDirectory
}

// NewBorrower returns what package version 1 meant by the ID of an application: all APIs, in the partner's own directory.
func NewBorrower(id string) Borrower {
	return Borrower{ID: id, APIs: slices.Clone(apis), Directories: []string{PartnerDirectory}}
}

// PlainBorrowers returns the IDs of all, and whether the IDs say all that there is to say, as in package version 1.
func PlainBorrowers(all []Borrower) (ids []string, plain bool) {
	ids, plain = make([]string, len(all)), true
	for i, b := range all {
		ids[i] = b.ID
		plain = plain && b.Name == "" && len(b.APIs) == len(apis) && slices.Equal(b.Directories, []string{PartnerDirectory})
	}
	return ids, plain
}

// MayBorrow reports whether b may borrow an access token of api for a directory, given by its ID or as PartnerDirectory.
func (b Borrower) MayBorrow(api, directory string) bool {
	return slices.Contains(b.APIs, api) && slices.Contains(b.Directories, directory)
}

// MayBorrowFor reports whether b may borrow an access token of api for a customer directory, given by its ID.
func (b Borrower) MayBorrowFor(api, directory string) bool {
	return b.MayBorrow(api, directory) || b.MayBorrow(api, CustomerDirectories)
}

// Borrower returns the application with an ID, if it may borrow anything.
func (s *Settings) Borrower(id string) (Borrower, bool) {
	i := slices.IndexFunc(s.Borrowers, func(b Borrower) bool { return b.ID == id })
	if id == "" || i < 0 {
		return Borrower{}, false
	}
	return s.Borrowers[i], true
}

// checkBorrowers refuses entries that would mean something else than they seem to. apis are the names of all APIs.
func checkBorrowers(all []Borrower, apis []string) error {
	refuse := func(reason string) error { return failure.New(failure.BadRequest, "reason", "borrowers: "+reason) }
	seen := make(map[string]bool)
	for _, b := range all {
		switch {
		case seen[b.ID]:
			return refuse("an application is listed twice")
		case len(b.APIs) == 0 || len(b.Directories) == 0:
			return refuse("an entry has an empty list; remove the entry, or the list for its default")
		case len(unique(b.APIs)) < len(b.APIs) || len(unique(b.Directories)) < len(b.Directories):
			return refuse("a value is listed twice")
		}
		seen[b.ID] = true
		for _, api := range b.APIs {
			if !slices.Contains(apis, api) {
				return refuse("an api is none of " + strings.Join(apis, ", "))
			}
		}
		for _, directory := range b.Directories {
			if directory == PartnerDirectory || directory == CustomerDirectories {
				continue
			}
			if id, err := uuid.Parse(directory); err != nil || id.String() != directory {
				return refuse("a directory is neither partner, customers nor the id of a directory")
			}
		}
	}
	return nil
}

func unique(values []string) []string {
	sorted := slices.Sorted(slices.Values(values))
	return slices.Compact(sorted)
}
