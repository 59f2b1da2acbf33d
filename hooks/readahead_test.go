package hooks_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// meetingNonces stores a nonce only when the snapshot of a tenant was read.
type meetingNonces struct {
	*fakeNonces
	read chan struct{}
}

func (n meetingNonces) RememberNonce(ctx context.Context, key, nonce string, at, until time.Time) (bool, error) {
	select {
	case <-n.read:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return n.fakeNonces.RememberNonce(ctx, key, nonce, at, until)
}

type readingTokens struct {
	*fakeTokens
	read  chan struct{}
	reads atomic.Int32
}

func (r *readingTokens) ReadTenant(ctx context.Context, key, id string) (tenant.Resolved, token.Snapshot, error) {
	r.reads.Add(1)
	r.read <- struct{}{}
	return r.fakeTokens.ReadTenant(ctx, key, id)
}

// Status reads in the ordinary way, which no test here wants.
func (r *readingTokens) Status(context.Context, tenant.Resolved) (token.Status, error) {
	panic("read twice")
}

func TestReadAhead_ReadsWhileNonceIsStored(t *testing.T) {
	read := make(chan struct{}, 1)
	tokens := &readingTokens{fakeTokens: newFakeTokens(), read: read}
	h := installed(t, func(cfg *hooks.Config) {
		cfg.Tokens = tokens
		cfg.Nonces = meetingNonces{&fakeNonces{seen: map[string]bool{}}, read}
	})
	tokens.tenants = h.tenants
	for n, path := range []string{"/tenant/" + tenantA + "/tokenStatus", "/tenant/" + tenantA} {
		r := request{method: http.MethodGet, path: path, identity: userR2, nonce: "0123456789abcdef0123456789abcde" + string(rune('0'+n)), at: h.clock()}
		h.accepted(r, http.StatusOK)
		// What was read ahead is not answered to a replay, nor to somebody who may not see it.
		a := h.refused(r, failure.Unauthorized)
		if strings.Contains(a.text, tenantA) {
			t.Errorf("the answer to a replay is %s", a.text)
		}
		r.nonce, r.identity = "", userR3
		h.refused(r, failure.Forbidden)
	}
	if got := tokens.reads.Load(); got != 6 {
		t.Errorf("%d snapshots were read ahead, want one for each request", got)
	}
}

// TestReadAhead_Lends: a borrower that has a nonce gets what was read ahead, and a replay gets nothing.
func TestReadAhead_Lends(t *testing.T) {
	read := make(chan struct{}, 1)
	tokens := &readingTokens{fakeTokens: newFakeTokens(), read: read}
	h := installed(t, func(cfg *hooks.Config) {
		cfg.Tokens = tokens
		cfg.Nonces = meetingNonces{&fakeNonces{seen: map[string]bool{}}, read}
	})
	tokens.tenants = h.tenants
	lending := request{
		method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: `{"api":"graph"}`,
		nonce: "0123456789abcdef0123456789abcdef", at: h.clock(),
	}
	h.accepted(lending, http.StatusOK)
	if tokens.snapshot == nil {
		t.Error("Lend() got no snapshot, want the one that was read ahead")
	}
	h.refused(lending, failure.Unauthorized)
	if got := len(tokens.changes()); got != 1 {
		t.Errorf("%d access tokens were lent, want one", got)
	}
	lending.nonce, lending.application, lending.identity = "", "", userR2
	h.refused(lending, failure.Forbidden)
	lending.path = "/tenant/" + tenantB + "/accessToken" // of another instance
	h.refused(lending, failure.NotFound)
	if got := len(tokens.changes()); got != 1 {
		t.Errorf("%d access tokens were lent, want one", got)
	}
}

// TestReadAhead_OnlyWhatReads: an operation that changes something begins when its nonce is stored, and lending lends nothing
// before.
func TestReadAhead_OnlyWhatReads(t *testing.T) {
	resolving := &resolvingTenants{fakeTenants: newFakeTenants()}
	h := installed(t, func(cfg *hooks.Config) { cfg.Tenants = resolving })
	resolving.fakeTenants = h.tenants
	h.tokens.tenants = nil
	h.nonces.err = failure.New(failure.DatabaseUnavailable)
	for _, path := range []string{"/renew", "/forget", "/accessToken", "/consents"} {
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + path, identity: userR2, body: `{}`}, failure.DatabaseUnavailable)
	}
	h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/history", identity: userR2}, failure.DatabaseUnavailable)
	if got := resolving.calls.Load(); got != 0 || h.changes() != "" {
		t.Errorf("tenants were read %d times, and changed by %q, although no nonce was stored", got, h.changes())
	}
}

type resolvingTenants struct {
	*fakeTenants
	calls atomic.Int32
}

func (r *resolvingTenants) Resolve(ctx context.Context, key, id string) (tenant.Resolved, error) {
	r.calls.Add(1)
	return r.fakeTenants.Resolve(ctx, key, id)
}

type panickingTokens struct{ *fakeTokens }

func (panickingTokens) ReadTenant(context.Context, string, string) (tenant.Resolved, token.Snapshot, error) {
	panic("c4n4ry")
}

func (panickingTokens) Status(context.Context, tenant.Resolved) (token.Status, error) {
	panic("c4n4ry")
}

func TestReadAhead_PanicIsAnsweredAndLogged(t *testing.T) {
	h := installed(t, func(cfg *hooks.Config) { cfg.Tokens = panickingTokens{newFakeTokens()} })
	a := h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}, failure.InternalError)
	if strings.Contains(a.text, "c4n4ry") || !strings.Contains(h.log.String(), "c4n4ry") {
		t.Errorf("answer = %s, want the panic in the log only", a.text)
	}
}

// TestAnswer_HasItsLength: also one that is longer than what net/http counts by itself.
func TestAnswer_HasItsLength(t *testing.T) {
	h := installed(t)
	h.tokens.events = make([]audit.Event, 100)
	a := h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/history", identity: userR2}, http.StatusOK)
	if len(a.text) < 4096 || a.header.Get("Content-Length") == "" {
		t.Errorf("an answer of %d bytes has the headers %v, want its length", len(a.text), a.header)
	}
}
