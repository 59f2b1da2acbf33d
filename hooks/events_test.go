package hooks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/hooks"
)

// fakeBindings notes what the door asks for.
type fakeBindings struct {
	task  string
	err   error
	calls []string
}

func (f *fakeBindings) RenewalTask(context.Context, tenant.Instance) (string, error) {
	return f.task, nil
}

func (f *fakeBindings) SubscribeAccount(_ context.Context, in tenant.Instance, accountID string) error {
	f.calls = append(f.calls, in.Key+" subscribe "+accountID)
	return f.err
}

func (f *fakeBindings) Unsubscribe(_ context.Context, in tenant.Instance) error {
	f.calls = append(f.calls, in.Key+" unsubscribe")
	return f.err
}

func TestThePlatformsClockWakesTheRenewal(t *testing.T) {
	rings := 0
	w := settled(t, func(cfg *hooks.Config) { cfg.RenewDue = func() { rings++ } })
	ring := request{method: http.MethodGet, path: "/app/" + rootA + "/renewTokens"}
	same(t, w.accepted(ring, http.StatusOK), `{"status":"ok"}`)
	if rings != 1 {
		t.Errorf("the renewal was woken %d times, want once", rings)
	}
	ring.identity = userR2
	w.refused(ring, failure.Forbidden)
	ring.identity, ring.path = "", "/app/"+unknownID+"/renewTokens"
	w.refused(ring, failure.NotFound)
	if rings != 1 {
		t.Errorf("the renewal was woken by a refused request")
	}
}

func TestTheTaskIsShownToThePlatform(t *testing.T) {
	bindings := &fakeBindings{task: "a task"}
	w := settled(t, func(cfg *hooks.Config) { cfg.Bindings = bindings })
	if a := w.accepted(request{method: http.MethodGet, path: "/app/" + rootA}, http.StatusOK); a.json(t)["renewalTask"] != "a task" {
		t.Errorf("GET of the root = %s, want the task", a.text)
	}
}

// What ties an instance to its platform never stands in the way of what was asked for.
func TestTiesAreMadeAndReleasedByTheWay(t *testing.T) {
	for name, err := range map[string]error{"the platform helps": nil, "it does not": failure.New(failure.PlatformUnavailable)} {
		t.Run(name, func(t *testing.T) {
			bindings := &fakeBindings{err: err}
			w := settled(t, func(cfg *hooks.Config) { cfg.Bindings = bindings })
			w.accepted(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)}, http.StatusCreated)
			w.accepted(request{method: http.MethodDelete, path: "/app/" + rootA}, http.StatusNoContent)
			if got, want := strings.Join(bindings.calls, ", "), keyA+" subscribe "+accountR2+", "+keyA+" unsubscribe"; got != want {
				t.Errorf("asked for %q, want %q", got, want)
			}
		})
	}
}

func changed(account string) request {
	return request{method: http.MethodPost, path: "/app/" + rootA + "/onAccountChange", body: `{"event":"http://aps-standard.org/core/events/changed",
		"time":"2026-11-23T08:21:07Z","serial":10442,"subscription":"b1e0","source":{"type":"http://aps-standard.org/types/core/account/1.0","id":"` + account + `"}}`}
}

func TestAChangedAccountRenamesItsTenants(t *testing.T) {
	w := settled(t)
	// His name is remembered from before.
	w.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1}, http.StatusOK)
	w.accounts.accounts[accountR2] = tenant.Account{ID: accountR2, Type: tenant.ResellerAccount, ParentID: accountR1, Name: "Fabrikam Group"}
	same(t, w.accepted(changed(accountR2), http.StatusOK), `{}`)
	want := "rename " + tenantA + " to Fabrikam Group at Cloud Market"
	if got := w.changes(); got != want {
		t.Errorf("the event changed %q, want %q", got, want)
	}
	// The stored type of a notification names its first field otherwise.
	other := changed(accountR2)
	other.body = strings.Replace(other.body, `"event"`, `"type"`, 1)
	w.accepted(other, http.StatusOK)
	if got := w.changes(); got != want+"\n"+want {
		t.Errorf("the events changed %q, want the same again", got)
	}
}

// The platform repeats what is refused, up to ten times and for nothing.
func TestEventsThatCannotBeReadAreSwallowed(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                "",
		"no JSON":                "{",
		"a list":                 "[]",
		"no source":              "{}",
		"a source that is none":  `{"source":7}`,
		"an id that is none":     `{"source":{"id":"../x"}}`,
		"an account of nobody":   `{"source":{"id":"` + accountR3 + `"}}`,
		"an account that is not": `{"source":{"id":"` + unknownID + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			r := changed(accountR2)
			r.body = body
			w.accepted(r, http.StatusOK)
			if got := w.changes(); got != "" {
				t.Errorf("the event changed %q, want nothing", got)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		w := settled(t, func(cfg *hooks.Config) { cfg.BodyLimit = 100 })
		w.accepted(changed(accountR2), http.StatusOK)
	})
	t.Run("an account that is gone", func(t *testing.T) {
		w := settled(t)
		delete(w.accounts.accounts, accountR2)
		w.accepted(changed(accountR2), http.StatusOK)
	})
}

func TestAnEventThatCannotBeHandledNowIsRepeated(t *testing.T) {
	w := settled(t)
	w.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
	w.refused(changed(accountR2), failure.PlatformUnavailable)
	w.accounts.err = nil
	w.accepted(changed(accountR2), http.StatusOK)
}
