package notify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/token"
)

// TestSweep_NotifiesNobodyWhileTheClockIsWrong sends an alarm that is due once the clock is right, or its error is small or unknown.
func TestSweep_NotifiesNobodyWhileTheClockIsWrong(t *testing.T) {
	wrong := []clock.Skew{
		{By: clock.WrongFrom, Known: true}, {By: -clock.WrongFrom, Known: true}, {By: 85 * day, Known: true}, {By: -150 * day, Known: true},
	}
	for _, tolerable := range []clock.Skew{
		{}, {By: time.Second, Known: true}, {By: clock.WrongFrom - time.Second, Known: true}, {By: time.Second - clock.WrongFrom, Known: true},
	} {
		t.Run(tolerable.String(), func(t *testing.T) {
			each(t, func(h *harness) {
				var skew clock.Skew
				service, err := notify.New(notify.Config{
					Store: h.store, Statuses: h, Platform: h, Channels: []notify.Channel{h.panel, h.mail}, Now: h.now,
					Skew:       func(context.Context) clock.Skew { return skew },
					Properties: func(s token.Status) map[string]any { return map[string]any{"tokenStatus": string(s.State)} },
				})
				h.must(err)
				h.fails(token.StateActionRequired, failure.GrantRevoked)
				for _, skew = range wrong {
					h.must(service.Sweep(t.Context()))
					h.checkSent()
					if pushed := h.takePushed(); len(pushed) > 0 {
						t.Errorf("with a clock that is %s, %q was pushed", skew, pushed)
					}
				}
				skew = tolerable
				h.must(service.Sweep(t.Context()))
				h.checkSent("alarm 90 grant_revoked")
				if pushed := h.takePushed(); fmt.Sprint(pushed) != "[action_required]" {
					t.Errorf("pushed %q, want the status", pushed)
				}
			})
		})
	}
}

// TestSweep_ClockThatChangesDuringASweep sets the clock ahead after a sweep has compared it: nobody is warned by it.
func TestSweep_ClockThatChangesDuringASweep(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.takePushed()
		var ahead time.Duration
		compared := false
		service, err := notify.New(notify.Config{
			Store: h.store, Statuses: h, Platform: h, Channels: []notify.Channel{h.panel, h.mail}, Now: h.now,
			Skew: func(context.Context) clock.Skew {
				skew := clock.Skew{By: -ahead, Known: true}
				if !compared {
					compared, ahead = true, 85*day
					h.advance(ahead)
				}
				return skew
			},
			Properties: func(s token.Status) map[string]any { return map[string]any{"tokenStatus": string(s.State)} },
		})
		h.must(err)
		h.happen(audit.GrantChecked)
		h.must(service.Sweep(t.Context()))
		h.checkSent()
		h.advance(-ahead)
		ahead = 0
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.must(service.Sweep(t.Context()))
		h.checkSent("alarm 90 grant_revoked")
	})
}
