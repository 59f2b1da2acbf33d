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

// fakeBindings records calls.
type fakeBindings struct {
	task  string
	err   error
	calls []string
}

func (f *fakeBindings) RenewalTask(context.Context, tenant.Instance) (string, error) {
	return f.task, nil
}

func (f *fakeBindings) SubscribeAccount(_ context.Context, in tenant.Instance, accountID string) (bool, error) {
	f.calls = append(f.calls, in.Key+" subscribe "+accountID)
	return f.err == nil, f.err
}

func (f *fakeBindings) Unsubscribe(_ context.Context, in tenant.Instance) error {
	f.calls = append(f.calls, in.Key+" unsubscribe")
	return f.err
}

func TestRenewTokens_TriggersRenewal(t *testing.T) {
	triggered := 0
	h := installed(t, func(cfg *hooks.Config) { cfg.RenewDue = func() { triggered++ } })
	r := request{method: http.MethodGet, path: "/app/" + rootA + "/renewTokens"}
	same(t, h.accepted(r, http.StatusOK), `{"status":"ok"}`)
	if triggered != 1 {
		t.Errorf("the renewal was triggered %d times, want once", triggered)
	}
	r.identity = userR2
	h.refused(r, failure.Forbidden)
	r.identity, r.path = "", "/app/"+unknownID+"/renewTokens"
	h.refused(r, failure.NotFound)
	if triggered != 1 {
		t.Errorf("a refused request triggered the renewal")
	}
}

func TestRetrieveApp_HasPeriodicTask(t *testing.T) {
	bindings := &fakeBindings{task: "a task"}
	h := installed(t, func(cfg *hooks.Config) { cfg.Bindings = bindings })
	if a := h.accepted(request{method: http.MethodGet, path: "/app/" + rootA}, http.StatusOK); a.json(t)["renewalTask"] != "a task" {
		t.Errorf("GET of the root = %s, want the task", a.text)
	}
}

// A hook succeeds even when the platform binding fails.
func TestBindings_AreBestEffort(t *testing.T) {
	for name, err := range map[string]error{"platform works": nil, "platform fails": failure.New(failure.PlatformUnavailable)} {
		t.Run(name, func(t *testing.T) {
			bindings := &fakeBindings{err: err}
			h := installed(t, func(cfg *hooks.Config) { cfg.Bindings = bindings })
			h.accepted(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)}, http.StatusCreated)
			h.accepted(request{method: http.MethodDelete, path: "/app/" + rootA}, http.StatusNoContent)
			if got, want := strings.Join(bindings.calls, ", "), keyA+" subscribe "+accountR2+", "+keyA+" unsubscribe"; got != want {
				t.Errorf("calls = %q, want %q", got, want)
			}
		})
	}
}

func changed(account string) request {
	return request{method: http.MethodPost, path: "/app/" + rootA + "/onAccountChange", body: `{"event":"http://aps-standard.org/core/events/changed",
		"time":"2026-11-23T08:21:07Z","serial":10442,"subscription":"b1e0","source":{"type":"http://aps-standard.org/types/core/account/1.0","id":"` + account + `"}}`}
}

func TestAccountChanged_RenamesTenants(t *testing.T) {
	h := installed(t)
	// This caches the old name.
	h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1}, http.StatusOK)
	h.accounts.accounts[accountR2] = tenant.Account{ID: accountR2, Type: tenant.ResellerAccount, ParentID: accountR1, Name: "Fabrikam Group"}
	same(t, h.accepted(changed(accountR2), http.StatusOK), `{}`)
	want := "rename " + tenantA + " to Fabrikam Group at Cloud Market"
	if got := h.changes(); got != want {
		t.Errorf("the event changed %q, want %q", got, want)
	}
	// The platform's type of a notification has another name for the first field.
	other := changed(accountR2)
	other.body = strings.Replace(other.body, `"event"`, `"type"`, 1)
	h.accepted(other, http.StatusOK)
	if got := h.changes(); got != want+"\n"+want {
		t.Errorf("the events changed %q, want the same again", got)
	}
}

// The platform would repeat a refused event up to ten times without another result.
func TestAccountChanged_AcceptsUnreadableEvents(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":            "",
		"no JSON":            "{",
		"a list":             "[]",
		"no source":          "{}",
		"a malformed source": `{"source":7}`,
		"a malformed id":     `{"source":{"id":"../x"}}`,
		"an unknown account": `{"source":{"id":"` + accountR3 + `"}}`,
		"a missing account":  `{"source":{"id":"` + unknownID + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			r := changed(accountR2)
			r.body = body
			h.accepted(r, http.StatusOK)
			if got := h.changes(); got != "" {
				t.Errorf("the event changed %q, want nothing", got)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		h := installed(t, func(cfg *hooks.Config) { cfg.BodyLimit = 100 })
		h.accepted(changed(accountR2), http.StatusOK)
	})
	t.Run("a deleted account", func(t *testing.T) {
		h := installed(t)
		delete(h.accounts.accounts, accountR2)
		h.accepted(changed(accountR2), http.StatusOK)
	})
}

func TestAccountChanged_RefusesWhilePlatformFails(t *testing.T) {
	h := installed(t)
	h.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
	h.refused(changed(accountR2), failure.PlatformUnavailable)
	h.accounts.err = nil
	h.accepted(changed(accountR2), http.StatusOK)
}
