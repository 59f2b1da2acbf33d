package notify

import (
	"context"
	"errors"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var (
	// ErrLeased is returned by stores when another owner has leased a subject, or when the subject is not due.
	ErrLeased = errors.New("the subject is leased by another owner")
	// ErrUndeliverable is returned by channels for a notice that a retry would not deliver.
	ErrUndeliverable = errors.New("the notice cannot be delivered")
)

// Kinds of subjects.
const (
	OfTenant   = "tenant"   // ID is the ID of the tenant
	OfInstance = "instance" // ID is the key of the instance
)

// A Subject is what notices are about.
type Subject struct {
	Kind string
	ID   string
}

// An Announcement is a subject that one process has leased, with its state.
type Announcement struct {
	Subject Subject
	Owner   string // of the lease
	State   State
	// DisownedAt is when a consent of the tenant was last taken back (audit.ConsentDisowned); zero when none ever was.
	DisownedAt time.Time
	Version    int64 // advanced by every event of the subject
}

// Store keeps announcements. Every event of a tenant or instance makes its subject due, in the transaction of the event.
// Methods are safe for concurrent use, in one process and across replicas.
type Store interface {
	// Transact runs fn in one transaction, which the methods join that get its context.
	Transact(ctx context.Context, fn func(ctx context.Context) error) error
	AppendEvent(ctx context.Context, e audit.Event) error

	Instance(ctx context.Context, key string) (tenant.Instance, error)
	Tenant(ctx context.Context, id string) (tenant.Tenant, error)
	// InstanceEvents returns the events of an instance itself, not of its tenants, with one of the actions that happened after
	// the given time, newest first, up to limit.
	InstanceEvents(ctx context.Context, key string, actions []audit.Action, after time.Time, limit int) ([]audit.Event, error)

	// RecentEvents is InstanceEvents for the events of a tenant.
	RecentEvents(ctx context.Context, tenantID string, actions []audit.Action, after time.Time, limit int) ([]audit.Event, error)

	// QueueNotices stores notices for their recipients, unless they are stored already, and makes the recipients due at a time.
	QueueNotices(ctx context.Context, queued []Queued, due time.Time) error
	// QueuedNotices returns up to limit notices for a recipient, the first queued first.
	QueuedNotices(ctx context.Context, recipient string, limit int) ([]Queued, error)
	DequeueNotices(ctx context.Context, queued []Queued) error
	// ReviveQueue makes recipients of queued notices due at now that are no subjects: programs before this one drop
	// subjects of a kind that they do not know.
	ReviveQueue(ctx context.Context, now time.Time) error

	// DueAnnouncements returns up to limit subjects that are due and not leased, the longest due first. Those follow that only
	// count as due or not leased, because a wrong clock stored their times: they are farther ahead than LongestWait or the
	// longest lease (token.LongestLease), and token.Tolerance.
	DueAnnouncements(ctx context.Context, now time.Time, limit int) ([]Subject, error)
	// LeaseAnnouncement leases a due subject to owner by one conditional UPDATE, or returns ErrLeased. It replaces a lease
	// that expired before now, or that ends later than a lease may.
	LeaseAnnouncement(ctx context.Context, subject Subject, owner string, now, until time.Time) (Announcement, error)
	// SaveAnnouncement stores the state of a while its owner holds the lease, else it returns ErrLeased.
	SaveAnnouncement(ctx context.Context, a Announcement) error
	// ReleaseAnnouncement ends the lease of a's owner and makes the subject due at next, or when next is zero at the next
	// event. A subject that had an event during the lease stays due.
	ReleaseAnnouncement(ctx context.Context, a Announcement, next time.Time) error
	// DropAnnouncement deletes a subject that no longer exists, unless it had an event during the lease.
	DropAnnouncement(ctx context.Context, a Announcement) error
}

// Statuses returns the status of a tenant's token; token.Service implements it.
type Statuses interface {
	Status(ctx context.Context, r tenant.Resolved) (token.Status, error)
}

// Platform is what the service needs from platforms. It is safe for concurrent use.
type Platform interface {
	// PushTenant stores properties of a tenant's resource on the platform of in, which calls no hook for that.
	PushTenant(ctx context.Context, in tenant.Instance, tenantID string, properties map[string]any) error
}

// A Channel sends notices to people. An error of Send, other than ErrUndeliverable, is retried later, so that a notice may
// arrive twice, with the same ID. Send is safe for concurrent use and its errors contain no secret.
type Channel interface {
	// Name is stored with unsent notices, so it must never change.
	Name() string
	// Audience says which notices the channel gets.
	Audience() Audience
	Send(ctx context.Context, n Notice) error
}

// A Reacher is a channel that can tell whether its server answers, without sending a notice. The error has no secret.
type Reacher interface {
	Reach(ctx context.Context) error
}

// An Audience is the people that a channel reaches.
type Audience int

// The audiences.
const (
	// Everyone gets every notice. The channel sends those about a tenant to its reseller, and the others to the provider.
	Everyone Audience = iota
	// Provider gets every notice too, but that of a reseller with recipients of its own only when time runs out
	// (Config.EscalateAfter).
	Provider
	// Reseller gets the notices about tenants that have recipients of their own (tenant.Notices).
	Reseller
)
