package notify

import (
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
)

// lendingDelay is how long after an access token was issued, or refused, its tenant is processed. These events are frequent,
// and the only change that they cause is a later expiry of the refresh token.
const lendingDelay = 24 * time.Hour

// A Trigger makes a subject due some time after an event.
type Trigger struct {
	Subject     Subject
	WithTenants bool          // all tenants of the instance become due too
	Delay       time.Duration // after the event
}

// TriggerOf returns the trigger of e; ok is false when e concerns neither a tenant nor an instance.
func TriggerOf(e audit.Event) (trigger Trigger, ok bool) {
	switch {
	case e.TenantID != "":
		trigger.Subject = Subject{OfTenant, e.TenantID}
		if e.Action == audit.TokenLent || e.Action == audit.LendingRefused {
			trigger.Delay = lendingDelay
		}
	case e.InstanceKey != "":
		trigger.Subject, trigger.WithTenants = Subject{OfInstance, e.InstanceKey}, !slices.Contains(incidents(), e.Action)
	default:
		return Trigger{}, false
	}
	return trigger, true
}
