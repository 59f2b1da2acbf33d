package hooks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// What cannot be done now but later is answered with 202, begins nothing, and is done by the poll.
func TestLifecycleOperationsThatHaveToWait(t *testing.T) {
	for name, tc := range map[string]struct {
		request request
		done    int
		changes string
	}{
		"provisioning": {
			request{method: http.MethodPost, path: "/tenant", identity: userP, body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)},
			http.StatusCreated, "provision " + unknownID,
		},
		"configuring":    {request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: tenantResource(tenantA, "")}, http.StatusOK, "configure tenant " + tenantA},
		"unprovisioning": {request{method: http.MethodDelete, path: "/tenant/" + tenantA, identity: userR2}, http.StatusNoContent, "unprovision " + tenantA},
		"the instance":   {request{method: http.MethodPut, path: "/app/" + rootA, identity: userP, body: appResource("")}, http.StatusOK, "configure " + keyA},
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			w.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
			for _, phase := range []string{"sync", "async", ""} {
				tc.request.header = map[string]string{"APS-Request-Phase": phase, "APS-Transaction-ID": "41873-" + phase}
				a := w.accepted(tc.request, http.StatusAccepted)
				if a.header.Get("APS-Retry-Timeout") != "60" || a.header.Get("APS-Info") != "The platform could not be reached." {
					t.Errorf("answer has the headers %v, want when to ask again and why", a.header)
				}
				same(t, a, `{}`)
			}
			if got := w.changes(); got != "" {
				t.Errorf("changed %q, want nothing begun", got)
			}
			w.accounts.err = nil
			tc.request.header = map[string]string{"APS-Request-Phase": "async"}
			w.accepted(tc.request, tc.done)
			if got := w.changes(); got != tc.changes {
				t.Errorf("changed %q, want %q once", got, tc.changes)
			}
		})
	}
}

func TestWhatIsRefusedForGoodDoesNotWait(t *testing.T) {
	w := settled(t)
	upgrade := request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1", identity: userP}
	w.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR3, body: tenantResource(tenantA, "")}, failure.Forbidden)
	// The platform knows no 202 as an answer to an upgrade (aps-protocol.md §1.5).
	w = settled(t)
	w.accounts.err = failure.New(failure.PlatformUnavailable)
	w.refused(upgrade, failure.PlatformUnavailable)
}

// slowTenants takes longer than anybody waits.
type slowTenants struct{ *fakeTenants }

func (slowTenants) Provision(ctx context.Context, _ tenant.Tenant, _ audit.Actor) (tenant.Tenant, error) {
	<-ctx.Done()
	return tenant.Tenant{}, ctx.Err()
}

func (slowTenants) Upgrade(ctx context.Context, _, _, _ string, _ tenant.Settings, _ audit.Actor) (tenant.Instance, error) {
	<-ctx.Done()
	return tenant.Instance{}, ctx.Err()
}

func TestASlowDatabase(t *testing.T) {
	fake := newFakeTenants()
	w := settled(t, func(cfg *hooks.Config) { cfg.Tenants, cfg.Timeout = slowTenants{fake}, time.Millisecond })
	fake.instances, fake.tenants = w.tenants.instances, w.tenants.tenants
	a := w.accepted(request{method: http.MethodPost, path: "/tenant", body: tenantResource(tenantA, "")}, http.StatusAccepted)
	if !strings.Contains(a.header.Get("APS-Info"), "goes on") {
		t.Errorf("APS-Info = %q, want that it goes on", a.header.Get("APS-Info"))
	}
	w.refused(request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1"}, failure.StillRunning)
}

// slowTokens takes until the test lets it go on, and does not stop when its caller does.
type slowTokens struct {
	*fakeTokens
	goOn chan struct{}
}

func (s slowTokens) Renew(ctx context.Context, id string, by audit.Actor) (token.Status, error) {
	<-s.goOn
	if err := ctx.Err(); err != nil {
		return token.Status{}, err
	}
	return s.fakeTokens.Renew(ctx, id, by)
}

func (s slowTokens) Check(context.Context, string, audit.Actor) (token.Status, error) {
	panic("c4n4ry of a panic")
}

func TestWorkGoesOnWhenNobodyWaits(t *testing.T) {
	slow := slowTokens{newFakeTokens(), make(chan struct{})}
	w := settled(t, func(cfg *hooks.Config) { cfg.Tokens, cfg.Timeout = slow, 10*time.Millisecond })
	a := w.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2}, failure.StillRunning)
	if a.header.Get("APS-Transient-Error") != "" {
		t.Errorf("answer has the headers %v, want that it may be repeated", a.header)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.door.Wait(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() while work goes on = %v, want %v", err, context.Canceled)
	}
	close(slow.goOn)
	if err := w.door.Wait(t.Context()); err != nil {
		t.Errorf("Wait() = %v", err)
	}
	if got, want := strings.Join(slow.changes(), "\n"), "renew "+tenantA; got != want {
		t.Errorf("changed %q, want %q after all", got, want)
	}
}

func TestAPanicInWorkIsAnAnswer(t *testing.T) {
	w := settled(t, func(cfg *hooks.Config) { cfg.Tokens = slowTokens{newFakeTokens(), nil} })
	a := w.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/check", identity: userR2}, failure.InternalError)
	if strings.Contains(a.text, "c4n4ry") || !strings.Contains(w.log.String(), "c4n4ry of a panic") {
		t.Errorf("answer = %s, want the panic in the log alone", a.text)
	}
}
