package notify

import (
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// lendingDelay is how long after a lending stored a successor, or was refused, its tenant is processed. These events are
// frequent, and the only change that they cause is a later expiry of the refresh token.
const lendingDelay = 24 * time.Hour

// A Trigger makes a subject due some time after an event.
type Trigger struct {
	Subject     Subject
	WithTenants bool          // all tenants of the instance become due too
	Delay       time.Duration // after the event
}

// TriggerOf returns the trigger of e; ok is false when e concerns neither a tenant nor an instance, or changes nothing that
// people are notified of.
func TriggerOf(e audit.Event) (trigger Trigger, ok bool) {
	switch {
	case changesNothing(e):
		return Trigger{}, false
	case e.TenantID != "":
		trigger.Subject = Subject{OfTenant, e.TenantID}
		if e.Action == audit.GrantRotated || e.Action == audit.LendingRefused {
			trigger.Delay = lendingDelay
		}
	case e.InstanceKey != "":
		trigger.Subject, trigger.WithTenants = Subject{OfInstance, e.InstanceKey}, !slices.Contains(incidents(), e.Action)
	default:
		return Trigger{}, false
	}
	return trigger, true
}

// changesNothing reports whether an event leaves its tenant as it was: an access token was used, and a successor that came with
// it has an event of its own. A successor that a sweep stores comes between the events of the renewal and of its checks, which
// make the tenant due.
func changesNothing(e audit.Event) bool {
	switch e.Action {
	case audit.TokenLent, audit.CallForwarded:
		return true
	case audit.GrantRotated:
		return e.Actor == token.Sweeper()
	}
	return false
}
