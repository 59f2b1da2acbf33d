package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// A transient failure is answered with 202 and changes nothing; the retry does the work.
func TestRetryLater_LifecycleOperations(t *testing.T) {
	for name, tc := range map[string]struct {
		request request
		done    int
		changes string
	}{
		"repeated provisioning": {
			request{method: http.MethodPost, path: "/tenant", identity: userP, body: tenantResource(tenantA, "")},
			http.StatusCreated, "provision " + tenantA,
		},
		"configuring":  {request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: tenantResource(tenantA, "")}, http.StatusOK, "configure tenant " + tenantA},
		"removal":      {request{method: http.MethodDelete, path: "/app/" + rootA, identity: userP}, http.StatusNoContent, "remove " + keyA},
		"the instance": {request{method: http.MethodPut, path: "/app/" + rootA, identity: userP, body: appResource("")}, http.StatusOK, "configure " + keyA},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
			for _, phase := range []string{"sync", "async", ""} {
				tc.request.header = map[string]string{"APS-Request-Phase": phase, "APS-Transaction-ID": "41873-" + phase}
				a := h.accepted(tc.request, http.StatusAccepted)
				if a.header.Get("APS-Retry-Timeout") != "60" || a.header.Get("APS-Info") != "The platform couldn't be reached." {
					t.Errorf("answer has the headers %v, want when to retry and why", a.header)
				}
				same(t, a, `{}`)
			}
			if got := h.changes(); got != "" {
				t.Errorf("changed %q, want nothing", got)
			}
			h.accounts.err = nil
			tc.request.header = map[string]string{"APS-Request-Phase": "async"}
			h.accepted(tc.request, tc.done)
			if got := h.changes(); got != tc.changes {
				t.Errorf("changed %q, want %q once", got, tc.changes)
			}
		})
	}
}

// TestProvision_WhilePlatformFails: nobody has to be looked up for the first creation and the removal of a tenant.
func TestProvision_WhilePlatformFails(t *testing.T) {
	h := installed(t)
	h.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
	h.accepted(request{method: http.MethodPost, path: "/tenant", identity: userP, body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)}, http.StatusCreated)
	h.accepted(request{method: http.MethodDelete, path: "/tenant/" + unknownID, identity: userR2}, http.StatusNoContent)
	if got, want := h.changes(), "provision "+unknownID+"\nunprovision "+unknownID; got != want {
		t.Errorf("changed %q, want %q", got, want)
	}
}

func TestRetryLater_NotForPermanentRefusals(t *testing.T) {
	h := installed(t)
	upgrade := request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1", identity: userP}
	h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR3, body: tenantResource(tenantA, "")}, failure.Forbidden)
	// The platform doesn't accept 202 for an upgrade (docs/reference/aps-protocol.md §1.5).
	h = installed(t)
	h.accounts.err = failure.New(failure.PlatformUnavailable)
	h.refused(upgrade, failure.PlatformUnavailable)
}

// slowTenants blocks until the request's time is over.
type slowTenants struct{ *fakeTenants }

func (slowTenants) Provision(ctx context.Context, _ tenant.Tenant, _ audit.Actor) (tenant.Tenant, error) {
	<-ctx.Done()
	return tenant.Tenant{}, ctx.Err()
}

func (slowTenants) Upgrade(ctx context.Context, _, _, _ string, _ tenant.Settings, _ audit.Actor) (tenant.Instance, error) {
	<-ctx.Done()
	return tenant.Instance{}, ctx.Err()
}

func TestTimeout_SlowDatabase(t *testing.T) {
	fake := newFakeTenants()
	h := installed(t, func(cfg *hooks.Config) { cfg.Tenants, cfg.Timeout = slowTenants{fake}, time.Millisecond })
	fake.instances, fake.tenants = h.tenants.instances, h.tenants.tenants
	a := h.accepted(request{method: http.MethodPost, path: "/tenant", body: tenantResource(tenantA, "")}, http.StatusAccepted)
	if !strings.Contains(a.header.Get("APS-Info"), "continues") {
		t.Errorf("APS-Info = %q, want one that says the work continues", a.header.Get("APS-Info"))
	}
	in := fake.instances[keyA]
	in.PackageVersion = "1-1"
	fake.instances[keyA] = in
	h.refused(request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1"}, failure.StillRunning)
}

// slowTokens blocks until the test closes proceed, even if the request is cancelled.
type slowTokens struct {
	*fakeTokens
	proceed chan struct{}
}

func (s slowTokens) Renew(ctx context.Context, id string, by audit.Actor) (token.Status, error) {
	<-s.proceed
	if err := ctx.Err(); err != nil {
		return token.Status{}, err
	}
	return s.fakeTokens.Renew(ctx, id, by)
}

func (s slowTokens) Check(context.Context, string, audit.Actor) (token.Status, error) {
	panic("c4n4ry of a panic")
}

// hangingTokens has an access token in memory, and a database that does not store its event.
type hangingTokens struct{ *fakeTokens }

func (hangingTokens) LendCached(ctx context.Context, _ tenant.Resolved, _ token.LoanRequest, _ audit.Actor) (token.Loan, bool, error) {
	<-ctx.Done()
	return token.Loan{}, true, ctx.Err()
}

// TestAccessToken_FromMemory lends without work that outlives the request, and answers in time when the database hangs.
func TestAccessToken_FromMemory(t *testing.T) {
	r := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: `{"api":"graph"}`}
	h := installed(t)
	h.tokens.cached = token.Loan{API: token.Graph, AccessToken: secret.New("from memory"), DirectoryID: "dir"}
	if a := h.accepted(r, http.StatusOK); !strings.Contains(a.text, "from memory") || h.changes() != "" {
		t.Errorf("answer = %s after the changes %q, want the token in memory, and none", a.text, h.changes())
	}
	h.tokens.cached, h.tokens.cachedErr = token.Loan{}, failure.New(failure.DatabaseUnavailable)
	h.refused(r, failure.DatabaseUnavailable)
	h.tokens.cachedErr = fmt.Errorf("storing an event: %w", context.Canceled) // the caller is gone
	h.refused(r, failure.StillRunning)
	hanging := installed(t, func(cfg *hooks.Config) { cfg.Tokens, cfg.Timeout = hangingTokens{newFakeTokens()}, 10*time.Millisecond })
	hanging.refused(r, failure.StillRunning)
	if err := hanging.handler.Wait(t.Context()); err != nil {
		t.Errorf("Wait() = %v, want nothing that goes on", err)
	}
}

func TestRunDetached_OutlivesRequest(t *testing.T) {
	slow := slowTokens{newFakeTokens(), make(chan struct{})}
	h := installed(t, func(cfg *hooks.Config) { cfg.Tokens, cfg.Timeout = slow, 10*time.Millisecond })
	a := h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2}, failure.StillRunning)
	if a.header.Get("APS-Transient-Error") != "" {
		t.Errorf("answer has the headers %v, want none that forbids a retry", a.header)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.handler.Wait(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() while work runs = %v, want %v", err, context.Canceled)
	}
	close(slow.proceed)
	if err := h.handler.Wait(t.Context()); err != nil {
		t.Errorf("Wait() = %v", err)
	}
	if got, want := strings.Join(slow.changes(), "\n"), "renew "+tenantA; got != want {
		t.Errorf("changed %q, want %q by the work that outlived the request", got, want)
	}
}

func TestRunDetached_RecoversPanic(t *testing.T) {
	h := installed(t, func(cfg *hooks.Config) { cfg.Tokens = slowTokens{newFakeTokens(), nil} })
	a := h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/check", identity: userR2}, failure.InternalError)
	if strings.Contains(a.text, "c4n4ry") || !strings.Contains(h.log.String(), "c4n4ry of a panic") {
		t.Errorf("answer = %s, want the panic in the log only", a.text)
	}
}
