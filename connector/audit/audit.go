// Package audit defines the audit trail: who did what to which tenant, and with what result.
package audit

import (
	"context"
	"fmt"
	"maps"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/random"
)

// An Action is what was done. Actions are stored and shown on screens, so they must never change their meaning.
type Action string

// The actions. The event of an action is stored in the transaction of the change that it describes.
const (
	InstanceInstalled  Action = "instance.installed"
	InstanceConfigured Action = "instance.configured"
	InstanceUpgraded   Action = "instance.upgraded"
	InstanceMoved      Action = "instance.moved"              // the controller's address changed
	ControllerRefused  Action = "instance.controller_refused" // a call named another controller, which is not used
	InstanceBound      Action = "instance.bound"              // its periodic task or event subscription changed
	CallRefused        Action = "call.refused"                // somebody may not call the operation of the hooks that they called
	InstanceRemoved    Action = "instance.removed"
	TenantProvisioned  Action = "tenant.provisioned"
	TenantConfigured   Action = "tenant.configured"
	CredentialsTested  Action = "tenant.credentials_tested" // of the tenant's own application, before they are stored
	DirectoryResolved  Action = "tenant.directory_resolved" // of a domain that could not be resolved when it was entered
	TenantSuspended    Action = "tenant.suspended"
	TenantResumed      Action = "tenant.resumed"
	TenantLinked       Action = "tenant.linked"               // with its account, for the first time or again
	TenantUnlinked     Action = "tenant.unlinked"             // from its account
	TenantMoved        Action = "tenant.moved"                // to another account
	TenantDoubted      Action = "tenant.doubted"              // the platform may no longer have it
	TenantRecognized   Action = "tenant.recognized"           // the platform has it after all
	TenantReminded     Action = "tenant.reminded"             // the provider reminded the reseller that the token needs a person
	DirectoryDisputed  Action = "instance.directory_disputed" // a second tenant proved a directory; for the provider
	TokensExported     Action = "instance.tokens_exported"    // refresh tokens of its tenants left, sealed; for the provider
	TenantRemoved      Action = "tenant.removed"
	ConsentBegun       Action = "consent.begun"
	ConsentLinked      Action = "consent.linked"
	ConsentGranted     Action = "consent.granted"
	ConsentRefused     Action = "consent.refused"
	ConsentConfirmed   Action = "consent.confirmed"
	ConsentExpired     Action = "consent.expired"  // nobody confirmed it, or entered its claim code, in time
	ConsentClosed      Action = "consent.closed"   // another one took effect first
	ConsentDisowned    Action = "consent.disowned" // the person who gave it took it back at once
	ClaimAccepted      Action = "claim.accepted"
	ClaimRefused       Action = "claim.refused"
	GrantRenewed       Action = "grant.renewed"
	RenewalFailed      Action = "grant.renewal_failed"
	GrantRotated       Action = "grant.rotated" // a successor was stored that came with an access token
	GrantChecked       Action = "grant.checked"
	GrantForgotten     Action = "grant.forgotten"
	GrantExported      Action = "grant.exported"    // a copy left for another program, sealed
	PermissionsChanged Action = "grant.permissions" // the consent lacks other permissions than at the check before
	PredecessorUsed    Action = "grant.predecessor_used"
	CredentialDated    Action = "credential.dated" // Microsoft told when a credential of an application ends
	TokenLent          Action = "token.lent"
	LendingRefused     Action = "token.lending_refused"
	CallForwarded      Action = "call.forwarded"     // the egress added an access token to a client's call
	CustomerConsented  Action = "customer.consented" // an application consent in a customer directory was made, or refused
	CustomerWithdrawn  Action = "customer.withdrawn"
	// RelationshipsEnding is for relationships with customers that end soon, of which people were warned.
	RelationshipsEnding Action = "customer.relationships_ending"
	ClientAdded         Action = "client.added"
	ClientRemoved       Action = "client.removed"
	ClientKeyAdded      Action = "client.key_added"
	ClientKeyRemoved    Action = "client.key_removed"
	ClientRefused       Action = "client.refused"     // a client of the token API asked for what it may not have, or sent nonsense
	LimitReached        Action = "limit.reached"      // too many requests within a minute; only the first refusal
	IntegrityViolated   Action = "integrity.violated" // a row was changed by somebody without our keys
	IntegrityAccepted   Action = "integrity.accepted"
	RenewalsPaused      Action = "renewals.paused" // in one cloud or in all, by an operator, until a time
	RenewalsResumed     Action = "renewals.resumed"
)

// Actions returns all actions.
func Actions() []Action {
	return []Action{
		InstanceInstalled, InstanceConfigured, InstanceUpgraded, InstanceMoved, ControllerRefused, InstanceBound, CallRefused,
		InstanceRemoved, TenantProvisioned, TenantConfigured, CredentialsTested, DirectoryResolved, TenantSuspended, TenantResumed,
		TenantLinked, TenantUnlinked, TenantMoved, TenantDoubted, TenantRecognized, TenantReminded, DirectoryDisputed, TokensExported,
		TenantRemoved, ConsentBegun, ConsentLinked, ConsentGranted, ConsentRefused, ConsentConfirmed, ConsentExpired, ConsentClosed,
		ConsentDisowned, ClaimAccepted, ClaimRefused, GrantRenewed, RenewalFailed, GrantRotated, GrantChecked, GrantForgotten,
		GrantExported, PermissionsChanged, PredecessorUsed, CredentialDated, TokenLent, LendingRefused, CallForwarded, CustomerConsented,
		CustomerWithdrawn, RelationshipsEnding, ClientAdded, ClientRemoved, ClientKeyAdded, ClientKeyRemoved, ClientRefused,
		LimitReached, IntegrityViolated, IntegrityAccepted, RenewalsPaused, RenewalsResumed,
	}
}

// An ActorKind is the kind of an actor.
type ActorKind string

// The kinds of actor.
const (
	User        ActorKind = "user"        // a person at a panel
	Platform    ActorKind = "platform"    // the platform itself: lifecycle, events, tasks
	Application ActorKind = "application" // another application of the platform
	Scheduler   ActorKind = "scheduler"   // our own scheduler
	Visitor     ActorKind = "visitor"     // a person on the onboarding pages
	Operator    ActorKind = "operator"    // a person at the command line
	Client      ActorKind = "client"      // a client of the token API
)

// An Actor is the person or program that acted.
type Actor struct {
	Kind      ActorKind
	ID        string
	Name      string // for people to read
	AccountID string // account of the platform
	// OriginalID is the user who "logged in as" the actor in the panel (APS-Original-Identity-ID,
	// docs/reference/aps-protocol.md §1.1); usually empty.
	OriginalID string
}

// An Event is one entry of the audit trail. It contains no token, code, claim code, secret, key, signature or cookie.
type Event struct {
	ID          string
	At          time.Time
	InstanceKey string
	TenantID    string // empty for events of an instance
	Action      Action
	Actor       Actor
	// Result is "ok" or the failure code that ended the action.
	Result string
	// Reference is the correlation ID of the log records about the action.
	Reference string
	// Details are shown on the history screen: directory, username, microsoft_code, api, procedure, …
	Details map[string]string
}

// maxDetails is how many details of an event are kept.
const maxDetails = 16

// Bounded returns a as it is stored. Its name and IDs come from outside, and say only who acted; a trail must not fail because of
// a long one.
func (a Actor) Bounded() Actor {
	a.ID, a.AccountID, a.OriginalID = length.Shorten(a.ID, length.ForeignID), length.Shorten(a.AccountID, length.ForeignID), length.Shorten(a.OriginalID, length.ForeignID)
	a.Name = length.Shorten(a.Name, length.Name)
	return a
}

// OK is the Result of an action that succeeded.
const OK = "ok"

// A Trail stores events. It is safe for concurrent use.
type Trail interface {
	// AppendEvent stores e in the transaction of ctx.
	AppendEvent(ctx context.Context, e Event) error
}

type clientKey struct{}

// WithClient returns a context that carries the network address of whoever makes the request, for its events.
func WithClient(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, clientKey{}, address)
}

// Completed returns e with a new ID, the time, the reference and the client's address of ctx and, when it has no result, OK. Texts
// that are too long are shortened: an action must not fail because of its event.
func Completed(ctx context.Context, now time.Time, e Event) Event {
	e.ID, e.At, e.Reference = random.ID(), now, length.Shorten(failure.Reference(ctx), length.ID)
	if client, ok := ctx.Value(clientKey{}).(string); ok {
		details := maps.Clone(e.Details)
		if details == nil {
			details = map[string]string{}
		}
		details["client"], e.Details = client, details
	}
	e.Actor, e.Details = e.Actor.Bounded(), length.ShortenAll(e.Details, maxDetails, length.Detail)
	if e.Result == "" {
		e.Result = OK
	}
	return e
}

// Append completes e and appends it to the trail in the transaction of ctx.
func Append(ctx context.Context, trail Trail, now time.Time, e Event) error {
	e = Completed(ctx, now, e)
	if err := trail.AppendEvent(ctx, e); err != nil {
		return fmt.Errorf("appending event %s: %w", e.Action, err)
	}
	return nil
}
