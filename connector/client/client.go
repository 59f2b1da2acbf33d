// Package client keeps the clients of the token API: their keys, and what each of them may do.
package client

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/tenant"
)

// Any stands for all tenants in a scope.
const Any = "any"

// An Operation is what a client may do with the tenants of its scope.
type Operation string

// The operations.
const (
	Lend    Operation = "lend"    // borrow access tokens
	Read    Operation = "read"    // list tenants, read statuses and histories
	Renew   Operation = "renew"   // renew and check tokens
	Consent Operation = "consent" // make links of the manual procedure
	Events  Operation = "events"  // read the audit trail
	Forward Operation = "forward" // have calls forwarded by the egress, as its rules say
	Import  Operation = "import"  // give refresh tokens that it has
)

// Operations returns all operations.
func Operations() []Operation {
	return []Operation{Lend, Read, Renew, Consent, Events, Forward, Import}
}

// Scopes say what a client may do: each of its operations with each of its tenants, and lending and forwarding for each of its
// apis in each of its directories.
type Scopes struct {
	Tenants     []string    `json:"tenants"` // IDs in lower case, or Any
	APIs        []string    `json:"apis"`
	Directories []string    `json:"directories"` // as those of a tenant.Borrower
	Operations  []Operation `json:"operations"`
	Forward     []Rule      `json:"forward,omitempty"` // what Forward may do
}

// A Client is a program that may use the token API.
type Client struct {
	Name string // unique; the client_id of OAuth
	Scopes
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	// Altered means that a column that decides what the client may do was changed by somebody without our keys. The store sets it
	// when it reads the row.
	Altered bool
}

// A Key is what is stored about one of the keys of a client. The key itself is not stored.
type Key struct {
	ID         string // for people, to tell keys apart
	Client     string
	Hash       string // keyed
	PublicKey  string // a JSON Web Key, of a client that signs assertions; else empty
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // to the minute; zero: never
	Altered    bool      // as in Client
}

// Actor returns c as the actor of events.
func (c *Client) Actor() audit.Actor {
	return audit.Actor{Kind: audit.Client, ID: c.Name, Name: c.Name}
}

// May reports whether c may do op.
func (s *Scopes) May(op Operation) bool { return slices.Contains(s.Operations, op) }

// HasTenant reports whether the scope has a tenant.
func (s *Scopes) HasTenant(id string) bool {
	return slices.Contains(s.Tenants, Any) || id != "" && slices.Contains(s.Tenants, id)
}

// OnlyTenant returns the tenant of a scope with a single one.
func (s *Scopes) OnlyTenant() (id string, ok bool) {
	if len(s.Tenants) != 1 || s.Tenants[0] == Any {
		return "", false
	}
	return s.Tenants[0], true
}

// HasDirectory reports whether c may use a customer directory, by its ID or as any.
func (c *Client) HasDirectory(directory string) bool {
	return slices.ContainsFunc(c.Directories, func(d string) bool { return d == tenant.CustomerDirectories || strings.EqualFold(d, directory) })
}

// Borrower returns what c may borrow.
func (c *Client) Borrower() tenant.Borrower {
	return tenant.Borrower{ID: c.Name, APIs: c.APIs, Directories: c.Directories}
}

// clientName is what names of clients look like. OAuth sends them as client_id, without escapes in most programs.
var clientName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// checked returns s in the form in which it is stored, or what is wrong with it. apis are the names of all APIs.
func (s Scopes) checked(apis []string) (Scopes, error) {
	refuse := func(reason string) (Scopes, error) {
		return Scopes{}, failure.New(failure.BadRequest, "reason", reason)
	}
	if len(s.Tenants) == 0 || len(s.APIs) == 0 || len(s.Directories) == 0 || len(s.Operations) == 0 {
		return refuse("tenants, apis, directories and operations must each name at least one")
	}
	s.Tenants, s.APIs, s.Directories = unique(s.Tenants), unique(s.APIs), unique(s.Directories)
	s.Operations = unique(s.Operations)
	for i, id := range s.Tenants {
		parsed, err := uuid.Parse(id)
		if id != Any && err != nil {
			return refuse(quoted(id) + " is neither any nor the ID of a tenant")
		}
		if err == nil {
			s.Tenants[i] = parsed.String()
		}
	}
	for i, id := range s.Directories {
		parsed, err := uuid.Parse(id)
		if id != tenant.CustomerDirectories && id != tenant.PartnerDirectory && err != nil {
			return refuse(quoted(id) + " is neither partner, nor customers, nor the ID of a directory")
		}
		if err == nil {
			s.Directories[i] = parsed.String()
		}
	}
	for _, api := range s.APIs {
		if !slices.Contains(apis, api) {
			return refuse(quoted(api) + " is none of the apis " + strings.Join(apis, ", "))
		}
	}
	for _, op := range s.Operations {
		if !slices.Contains(Operations(), op) {
			return refuse(quoted(string(op)) + " is none of the operations lend, read, renew, consent, events, forward, import")
		}
	}
	return s.checkedRules()
}

// checkedRules returns s with its rules in the form in which they are stored, or what is wrong with them.
func (s Scopes) checkedRules() (Scopes, error) {
	if (len(s.Forward) > 0) != s.May(Forward) || len(s.Forward) > maxRules {
		return Scopes{}, failure.New(failure.BadRequest, "reason", fmt.Sprintf("the operation forward needs 1 to %d rules, and rules need the operation", maxRules))
	}
	s.Forward = slices.Clone(s.Forward)
	for i, rule := range s.Forward {
		var err error
		if s.Forward[i], err = rule.checked(); err != nil {
			return Scopes{}, err
		}
		if !slices.Contains(s.APIs, rule.API) {
			return Scopes{}, failure.New(failure.BadRequest, "reason", "the rule "+quoted(rule.String())+" is for an api that is not among the client's")
		}
	}
	return s, nil
}

// quoted returns a value of a scope as a refusal shows it to the operator who wrote it.
func quoted(value string) string { return strconv.Quote(length.Shorten(value, length.Name)) }

func unique[T ~string](values []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}
