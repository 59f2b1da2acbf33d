package notify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

// TestState_Fits fills a state with as many notices as are kept, each with the longest texts that the domain stores.
func TestState_Fits(t *testing.T) {
	text := func(characters int) string { return strings.Repeat("<", characters) } // 6 bytes in JSON
	reason := failure.New(failure.MicrosoftUnavailable)
	for i := range 20 {
		reason.Params[fmt.Sprintf("a_long_name_of_a_param_%d", i)] = text(length.Name)
	}
	now := time.Now()
	state := notify.State{
		Pushed: text(1000), Push: notify.Retry{Attempts: 1, NotBefore: now}, Trouble: text(length.Code), FailingSince: now,
		Expiry: notify.Countdown{Ends: now, Notified: 30}, Credential: notify.Countdown{Ends: now, Notified: 30},
	}
	state.Relationships = map[string]notify.WarnedRelationship{}
	for range notify.MaxRelationships {
		state.Relationships[random.ID()] = notify.WarnedRelationship{Ends: now, Notified: 30}
	}
	var customers []notify.CustomerEnd
	for range notify.MaxNamed {
		customers = append(customers, notify.CustomerEnd{Directory: random.ID(), Name: text(notify.MaxName), Ends: now})
	}
	for range notify.MaxOutbox {
		state.Outbox = append(state.Outbox, notify.Delivery{
			Channel: text(length.ID), Retry: notify.Retry{Attempts: 9, NotBefore: now},
			Notice: notify.Notice{
				ID: random.ID(), At: now, Kind: notify.CredentialWarning, InstanceKey: text(length.Key), TenantID: text(length.ID),
				Name: text(length.Name), Marketplace: text(length.Name), AccountID: text(length.ForeignID), State: token.StateRenewalFailing,
				Reason: failure.NewRecord(failure.WithReference(t.Context(), text(length.ID)), reason), Ends: now, Days: 90,
				Customers: customers, Count: 5000,
			},
		})
	}
	stored, err := json.Marshal(state)
	if err != nil || len(stored) > length.Notices {
		t.Errorf("the state has %d bytes as JSON, %v, want at most %d", len(stored), err, length.Notices)
	}
}

// TestSweep_CountsWhatItDrops: an alert tells of notices that nobody gets, also of those that made room for newer ones.
func TestSweep_CountsWhatItDrops(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.panel.fail(errDown)
		h.mail.fail(errDown)
		for range notify.MaxOutbox {
			h.fails(token.StateActionRequired, failure.GrantRevoked)
			h.sweep()
			h.granted()
			h.sweep()
		}
		notices := 2 * 2 * notify.MaxOutbox // an alarm and a recovery each time, by both channels
		if dropped := h.results["panel given_up"] + h.results["mail given_up"]; dropped != notices-notify.MaxOutbox {
			h.Errorf("%d notices are given up, want %d, which is all but %d: %v", dropped, notices-notify.MaxOutbox, notify.MaxOutbox, h.results)
		}
	})
}
