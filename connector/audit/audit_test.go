package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
)

// TestCompleted_Fits completes an event whose texts came from outside and are too long.
func TestCompleted_Fits(t *testing.T) {
	long := strings.Repeat("<", 100_000) // 6 bytes in JSON
	details := map[string]string{}
	for i := range 20 {
		details[fmt.Sprintf("a_long_name_of_a_detail_%d", i)] = long
	}
	e := audit.Completed(failure.WithReference(t.Context(), long), time.Now(), audit.Event{
		Action: audit.TokenLent, Details: details,
		Actor: audit.Actor{Kind: audit.User, ID: long, Name: long, AccountID: long, OriginalID: long},
	})
	text, err := json.Marshal(e.Details)
	if err != nil || len(text) > length.Details {
		t.Errorf("the details have %d bytes as JSON, %v, want at most %d", len(text), err, length.Details)
	}
	for name, got := range map[string]struct {
		text string
		most int
	}{
		"ID": {e.Actor.ID, length.ForeignID}, "name": {e.Actor.Name, length.Name}, "account": {e.Actor.AccountID, length.ForeignID},
		"original ID": {e.Actor.OriginalID, length.ForeignID}, "reference": {e.Reference, length.ID},
	} {
		if !length.Fits(got.text, got.most) || got.text == "" {
			t.Errorf("the %s has %d bytes, want at most %d characters", name, len(got.text), got.most)
		}
	}
	if len(details) != 20 {
		t.Error("Completed() changed the details of its caller")
	}
}

func TestCompleted_NamesTheClient(t *testing.T) {
	details := map[string]string{"procedure": "manual"}
	ctx := audit.WithClient(t.Context(), "192.0.2.7")
	e := audit.Completed(ctx, time.Now(), audit.Event{Action: audit.ConsentGranted, Details: details})
	if e.Details["client"] != "192.0.2.7" || e.Details["procedure"] != "manual" || len(details) != 1 {
		t.Errorf("Completed() has the details %v and changed the caller's to %v, want the client added to a copy", e.Details, details)
	}
	if e := audit.Completed(t.Context(), time.Now(), audit.Event{}); len(e.Details) != 0 {
		t.Errorf("Completed() without a client has the details %v, want none", e.Details)
	}
}
