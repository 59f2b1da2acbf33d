package notify

import (
	"context"
	"errors"
	"time"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var (
	// ErrHeld is returned by stores when somebody else holds a subject, or nobody needs to look at it any more.
	ErrHeld = errors.New("the subject is held by somebody else")
	// ErrUndeliverable is returned by channels for a notice that trying again does not deliver.
	ErrUndeliverable = errors.New("the notice cannot be delivered")
)

// The kinds of subject.
const (
	OfTenant   = "tenant"   // ID is that of the tenant
	OfInstance = "instance" // ID is the key of the instance
)

// A Subject is what notices are about.
type Subject struct {
	Kind string
	ID   string
}

// An Announcement is what was told of a subject, held by one process until its lease ends.
type Announcement struct {
	Subject Subject
	Owner   string // who holds it
	Memory  Memory
	Version int64 // advanced by every event of the subject
}

// Store keeps announcements. Every event of a tenant or instance makes its subject due, in the event's own
// transaction. Methods are safe for concurrent use, in one process and across replicas.
type Store interface {
	Instance(ctx context.Context, key string) (tenant.Instance, error)
	Tenant(ctx context.Context, id string) (tenant.Tenant, error)

	// DueAnnouncements returns up to limit subjects that are to be looked at by now and that nobody holds, the longest
	// due first.
	DueAnnouncements(ctx context.Context, now time.Time, limit int) ([]Subject, error)
	// HoldAnnouncement takes a due subject for owner by one conditional UPDATE, or returns ErrHeld. A hold that ended
	// before now may be taken over.
	HoldAnnouncement(ctx context.Context, subject Subject, owner string, now, until time.Time) (Announcement, error)
	// SaveMemory keeps a's memory while a's owner holds it, else it returns ErrHeld.
	SaveMemory(ctx context.Context, a Announcement) error
	// ReleaseAnnouncement ends the hold of a's owner and says when to look next; zero: not before the next event. A
	// subject that had an event since it was held stays due.
	ReleaseAnnouncement(ctx context.Context, a Announcement, lookAt time.Time) error
	// DropAnnouncement forgets a subject that is gone, unless it had an event since it was held.
	DropAnnouncement(ctx context.Context, a Announcement) error
}

// Statuses tells what is true of a tenant's token; token.Service is one.
type Statuses interface {
	Status(ctx context.Context, r tenant.Resolved) (token.Status, error)
}

// Platform stores properties of a tenant's resource at the platform of in, which is not called back for it.
type Platform interface {
	PushTenant(ctx context.Context, in tenant.Instance, tenantID string, properties map[string]any) error
}

// A Channel brings notices to people. Send is tried again later when it returns an error, other than ErrUndeliverable;
// a notice that was on its way when that happened may then arrive twice, with the same ID. Send is safe for concurrent
// use and keeps its error free of secrets.
type Channel interface {
	// Name is stored beside what is still to be sent, so it never changes.
	Name() string
	Send(ctx context.Context, n Notice) error
}
