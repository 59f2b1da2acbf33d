package notify_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/token"
)

func TestTriggerOf_WaitsWithAccessTokens(t *testing.T) {
	subject := func(kind, id string) notify.Subject { return notify.Subject{Kind: kind, ID: id} }
	for name, tc := range map[string]struct {
		event audit.Event
		want  notify.Trigger
		ok    bool
	}{
		"a renewal":        {audit.Event{TenantID: "t", InstanceKey: "i", Action: audit.GrantRenewed}, notify.Trigger{Subject: subject(notify.OfTenant, "t")}, true},
		"an issued token":  {audit.Event{TenantID: "t", InstanceKey: "i", Action: audit.TokenLent}, notify.Trigger{}, false},
		"a forwarded call": {audit.Event{TenantID: "t", InstanceKey: "i", Action: audit.CallForwarded}, notify.Trigger{}, false},
		"a successor that came with an access token": {
			audit.Event{TenantID: "t", Action: audit.GrantRotated, Actor: audit.Actor{Kind: audit.Application}},
			notify.Trigger{Subject: subject(notify.OfTenant, "t"), Delay: 24 * time.Hour},
			true,
		},
		"a successor between a renewal and its checks": {audit.Event{TenantID: "t", Action: audit.GrantRotated, Actor: token.Sweeper()}, notify.Trigger{}, false},
		"a refused token":  {audit.Event{TenantID: "t", Action: audit.LendingRefused}, notify.Trigger{Subject: subject(notify.OfTenant, "t"), Delay: 24 * time.Hour}, true},
		"an instance":      {audit.Event{InstanceKey: "i", Action: audit.InstanceConfigured}, notify.Trigger{Subject: subject(notify.OfInstance, "i"), WithTenants: true}, true},
		"neither of these": {audit.Event{}, notify.Trigger{}, false},
	} {
		if got, ok := notify.TriggerOf(tc.event); got != tc.want || ok != tc.ok {
			t.Errorf("TriggerOf() of %s = %+v, %t, want %+v, %t", name, got, ok, tc.want, tc.ok)
		}
	}
}
