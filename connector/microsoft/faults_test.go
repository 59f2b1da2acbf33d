package microsoft_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

// withShortTimeout sets a timeout of 300 milliseconds instead of 30 or 60 seconds.
func withShortTimeout(t *testing.T) func(*microsoft.Config) {
	t.Helper()
	web, err := httpclient.New(httpclient.Config{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	return func(c *microsoft.Config) { c.HTTP, c.ProbeHTTP, c.Wait = web, web, nil }
}

// A Microsoft that does not answer, or stops in the middle of an answer, is unavailable: each call ends, and a code is
// not posted again.
func TestCalls_TimeOut(t *testing.T) {
	s := newSigner(t, "k1")
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stopping := func(w http.ResponseWriter, r *http.Request) {
		respond(200, `{"token_type":"Bearer","access_token":"`+canaryAccess)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, answer := range map[string]http.HandlerFunc{"silent": silent, "stopping": stopping} {
		for what, tc := range map[string]struct {
			path string
			call func(h *harness) error
		}{
			"Redeem": {tokenPath, func(h *harness) error { _, err := redeem(h); return err }},
			"Renew":  {tokenPath, func(h *harness) error { _, err := renew(h, token.Graph); return err }},
			"Identity": {keysPath, func(h *harness) error {
				_, err := identify(h, s.sign(t, idClaims(h, nil)))
				return err
			}},
			"Probe": {pcPath, func(h *harness) error { return probe(h, token.PartnerCenter).Failure.Error() }},
			"ResolveDirectory": {discoveryPath, func(h *harness) error {
				_, err := h.client.ResolveDirectory(t.Context(), "test", "contoso.onmicrosoft.com")
				return err
			}},
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				h := newHarness(t, withShortTimeout(t))
				h.route(tc.path, answer)
				err := tc.call(h)
				if n := len(h.seen(tc.path)); codeOf(err) != failure.MicrosoftUnavailable || n > 1 {
					t.Errorf("%s() = %v after %d requests, want %s after 1", what, err, n, failure.MicrosoftUnavailable)
				}
				h.checkRedacted(err)
			})
		}
	}
}

// If the connection fails, the code may be used up. It is posted once. The person may try again, and the second answer
// says what happened to the code.
func TestRedeem_ConnectionFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fault simulated.Fault
		first failure.Code
		then  failure.Code // of the same code
	}{
		"cut before processing":   {simulated.Fault{Reset: true}, failure.MicrosoftUnavailable, ""},
		"cut after processing":    {simulated.Fault{Reset: true, AfterProcessing: true}, failure.MicrosoftUnavailable, failure.CodeUsed},
		"outage after processing": {simulated.Fault{Status: 503, AfterProcessing: true}, failure.MicrosoftUnavailable, failure.CodeUsed},
		"half of the answer":      {simulated.Fault{Truncate: true}, failure.MicrosoftAnswer, failure.CodeUsed},
		"page of a gateway":       {simulated.BrokenGateway(simulated.Login), failure.MicrosoftUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Wait = noWait })
			code := c.consented()
			c.sim.ForgetRequests()
			tc.fault.Path, tc.fault.Times = "/token", 1
			c.sim.AddFault(tc.fault)
			if _, err := c.redeem(code); codeOf(err) != tc.first || len(c.sim.Requests()) != 1 {
				t.Errorf("Redeem() = %v after %d requests, want %s after 1", err, len(c.sim.Requests()), tc.first)
			}
			if _, err := c.redeem(code); codeOf(err) != tc.then {
				t.Errorf("Redeem() of the same code = %v, want %q", err, tc.then)
			}
		})
	}
}

func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// A renewal can be sent again: whatever happened to the first request, both refresh tokens work.
func TestRenew_ConnectionFails(t *testing.T) {
	for name, fault := range map[string]simulated.Fault{
		"cut before processing":   {Reset: true},
		"cut after processing":    {Reset: true, AfterProcessing: true},
		"outage after processing": {Status: 503, AfterProcessing: true},
		"page of a gateway":       simulated.BrokenGateway(simulated.Login),
	} {
		t.Run(name, func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Wait = noWait })
			c.consent()
			refreshToken := c.refreshToken(admin)
			fault.Path, fault.Times = "/token", 2
			c.sim.AddFault(fault)
			got, err := c.renew(refreshToken, token.Graph)
			if err != nil || got.RefreshToken.Empty() || len(c.sim.Requests()) != 3 {
				t.Errorf("Renew() = %v after %d requests, want a successor after 3", err, len(c.sim.Requests()))
			}
		})
	}
}

// Clocks may differ by five minutes (docs/reference/microsoft-identity.md §4.2), and an id_token may say that it was issued five
// minutes ago (docs/reference/microsoft-identity.md §3.9). At eleven minutes, one from the future is refused; one from the past is
// not, because it lives for an hour. Our clock does not decide when a token was issued.
func TestIdentity_ClocksDiffer(t *testing.T) {
	for ours, want := range map[time.Duration]failure.Code{
		-11 * time.Minute: failure.IDTokenInvalid, -4 * time.Minute: "", 4 * time.Minute: "", 10 * time.Minute: "", 80 * time.Minute: failure.IDTokenInvalid,
	} {
		t.Run(ours.String(), func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Now = func() time.Time { return noon.Add(ours) } })
			got, err := c.redeem(c.consented())
			c.must(err)
			if !got.IssuedAt.Equal(noon) {
				t.Errorf("Redeem() = issued at %s, want Microsoft's %s", got.IssuedAt, noon)
			}
			if _, err := c.identify(got.IDToken); codeOf(err) != want {
				t.Errorf("Identity() with our clock off by %s = %v, want %q", ours, err, want)
			}
		})
	}
}

// An emergency rotation leaves one new key. Tokens signed with the old key are refused as soon as the keys are fetched
// again.
func TestKeys_RotateInAnEmergency(t *testing.T) {
	now := noon
	c := newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Now = func() time.Time { return now } })
	identify := func(idToken secret.Text, want failure.Code) {
		t.Helper()
		if _, err := c.identify(idToken); codeOf(err) != want {
			t.Errorf("Identity() = %v, want %q", err, want)
		}
	}
	old, err := c.redeem(c.consented())
	c.must(err)
	identify(old.IDToken, "")
	c.must(c.sim.RotateKeys())
	c.sim.DropOldKeys()
	identify(old.IDToken, "") // the key is known and not an hour old
	fresh, err := c.redeem(c.consented())
	c.must(err)
	identify(fresh.IDToken, "") // an unknown key: fetched at once
	identify(old.IDToken, failure.IDTokenInvalid)
}

// A key set that is empty for a while does no harm: known keys remain valid for a day.
func TestKeys_RemainValidWhenTheSetIsEmpty(t *testing.T) {
	h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
	s, foreignSigner := newSigner(t, "k1"), newSigner(t, "k2")
	h.route(keysPath, keySet(t, s.jwk("")))
	for _, step := range []struct {
		after  time.Duration
		by     signer
		answer http.HandlerFunc
		want   failure.Code
	}{
		{0, s, nil, ""},
		{2 * time.Hour, s, keySet(t), ""},
		{2 * time.Hour, s, respond(404, `{}`), ""},
		{time.Minute, foreignSigner, nil, failure.MicrosoftAnswer}, // not proven to be invalid
		{25 * time.Hour, s, keySet(t), failure.MicrosoftAnswer},
		{0, s, keySet(t, s.jwk("")), ""},
	} {
		h.advance(step.after)
		if step.answer != nil {
			h.route(keysPath, step.answer)
		}
		if _, err := identify(h, step.by.sign(t, idClaims(h, nil))); codeOf(err) != step.want {
			t.Errorf("Identity() of %s at %s = %v, want %q", step.by.kid, h.clock().Format(time.TimeOnly), err, step.want)
		}
	}
}

// The requests of a whole consent and its renewals, as the simulator records them, have no secret in a URL, distinct
// IDs and a scope in each redemption. No pause is shorter than Retry-After.
func TestRequests_AreWellFormed(t *testing.T) {
	var waits []time.Duration
	c := newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) {
		c.Wait = func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			return nil
		}
	})
	got, err := c.redeem(c.consented())
	c.must(err)
	_, err = c.identify(got.IDToken)
	c.must(err)
	throttled := simulated.Throttled(simulated.Login, "17")
	throttled.Times = 1
	c.sim.AddFault(throttled)
	for _, api := range token.APIs() {
		got, err = c.renew(got.RefreshToken, api)
		c.must(err)
		checkProbe(t, c.probe(got.AccessToken, api), token.Yes, map[bool]token.Answer{true: token.Yes, false: token.Unknown}[api == token.PartnerCenter], "")
	}
	if want := []time.Duration{17 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("Renew() waited %v, want the Retry-After %v", waits, want)
	}
	ids := map[string]int{}
	redemptions := 0
	for _, r := range c.sim.Requests() {
		if r.SecretInURL {
			t.Errorf("%s %s has a secret in its URL", r.Method, r.Path)
		}
		if r.GrantType == "" {
			continue
		}
		redemptions++
		ids[r.ClientRequestID]++
		if r.Scope == "" || r.ClientID != application {
			t.Errorf("redemption of a %s = scope %q by %s, want a scope, by %s", r.GrantType, r.Scope, r.ClientID, application)
		}
	}
	if redemptions != 5 || len(ids) != redemptions || ids[""] > 0 {
		t.Errorf("client-request-ids of %d redemptions = %v, want 5 distinct ones", redemptions, slices.Collect(maps.Keys(ids)))
	}
}
