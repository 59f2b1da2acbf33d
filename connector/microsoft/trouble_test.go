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

// hurried makes a client that gives up soon, in place of one that gives up after 30 or 60 seconds.
func hurried(t *testing.T) func(*microsoft.Config) {
	t.Helper()
	web, err := httpclient.New(httpclient.Config{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	return func(c *microsoft.Config) { c.HTTP, c.ProbeHTTP, c.Wait = web, web, nil }
}

// A Microsoft that takes the request and says nothing, or stops in the middle, is unavailable; nobody waits for ever,
// and a code is not posted again.
func TestSilence(t *testing.T) {
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
			call func(l *lab) error
		}{
			"Redeem": {tokenPath, func(l *lab) error { _, err := redeem(l); return err }},
			"Renew":  {tokenPath, func(l *lab) error { _, err := renew(l, token.Graph); return err }},
			"Identity": {keysPath, func(l *lab) error {
				_, err := identify(l, s.sign(t, idClaims(l, nil)))
				return err
			}},
			"Probe": {pcPath, func(l *lab) error { return probe(l, token.PartnerCenter).Failure.Error() }},
			"ResolveDirectory": {discoveryPath, func(l *lab) error {
				_, err := l.client.ResolveDirectory(t.Context(), "lab", "contoso.onmicrosoft.com")
				return err
			}},
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, hurried(t))
				l.route(tc.path, answer)
				err := tc.call(l)
				if n := len(l.seen(tc.path)); codeOf(err) != failure.MicrosoftUnavailable || n > 1 {
					t.Errorf("%s() = %v after %d requests, want %s after 1", what, err, n, failure.MicrosoftUnavailable)
				}
				l.checkRedacted(err)
			})
		}
	}
}

// When the connection breaks on the way, nobody knows whether the code is spent. It is posted once; what comes next is
// the person's to decide, and the second answer tells him the truth.
func TestSimulatedCutsOfACode(t *testing.T) {
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
			c := newCrossing(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Wait = noWait })
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

// A renewal may be sent again: whatever became of the first one, both values work.
func TestSimulatedCutsOfARenewal(t *testing.T) {
	for name, fault := range map[string]simulated.Fault{
		"cut before processing":   {Reset: true},
		"cut after processing":    {Reset: true, AfterProcessing: true},
		"outage after processing": {Status: 503, AfterProcessing: true},
		"page of a gateway":       simulated.BrokenGateway(simulated.Login),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrossing(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Wait = noWait })
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

// Clocks may be five minutes apart (docs/reference/microsoft-identity.md §4.2). At ten, an id_token that is from the future is refused
// and one that is older than it should be is not: it has an hour.
func TestSimulatedClocksApart(t *testing.T) {
	for ours, want := range map[time.Duration]failure.Code{
		-10 * time.Minute: failure.IDTokenInvalid, -4 * time.Minute: "", 4 * time.Minute: "", 10 * time.Minute: "", 80 * time.Minute: failure.IDTokenInvalid,
	} {
		t.Run(ours.String(), func(t *testing.T) {
			c := newCrossing(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Now = func() time.Time { return noon.Add(ours) } })
			got, err := c.redeem(c.consented())
			c.must(err)
			if got.IssuedAt != noon.Add(ours) {
				t.Errorf("Redeem() = issued at %s, want our clock's %s", got.IssuedAt, noon.Add(ours))
			}
			if _, err := c.identify(got.IDToken); codeOf(err) != want {
				t.Errorf("Identity() with our clock off by %s = %v, want %q", ours, err, want)
			}
		})
	}
}

// An emergency rotation leaves one new key. Tokens of the vanished one are refused as soon as the keys are fetched again.
func TestSimulatedKeysVanish(t *testing.T) {
	now := noon
	c := newCrossing(t, "global", simulated.Global(), func(c *microsoft.Config) { c.Now = func() time.Time { return now } })
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
	identify(fresh.IDToken, "") // an unknown key: looked up at once
	identify(old.IDToken, failure.IDTokenInvalid)
}

// A key set that is empty for a while takes nothing away: keys that we have serve for a day.
func TestKeySetVanishes(t *testing.T) {
	l := newLab(t, func(c *microsoft.Config) { c.Wait = nil })
	s, stranger := newSigner(t, "k1"), newSigner(t, "k2")
	l.route(keysPath, keySet(t, s.jwk("")))
	for _, step := range []struct {
		after  time.Duration
		by     signer
		answer http.HandlerFunc
		want   failure.Code
	}{
		{0, s, nil, ""},
		{2 * time.Hour, s, keySet(t), ""},
		{2 * time.Hour, s, respond(404, `{}`), ""},
		{time.Minute, stranger, nil, failure.MicrosoftAnswer}, // not proven to be wrong either
		{25 * time.Hour, s, keySet(t), failure.MicrosoftAnswer},
		{0, s, keySet(t, s.jwk("")), ""},
	} {
		l.advance(step.after)
		if step.answer != nil {
			l.route(keysPath, step.answer)
		}
		if _, err := identify(l, step.by.sign(t, idClaims(l, nil))); codeOf(err) != step.want {
			t.Errorf("Identity() of %s at %s = %v, want %q", step.by.kid, l.clock().Format(time.TimeOnly), err, step.want)
		}
	}
}

// What the simulator logged of a whole consent and its renewals: no secret in an address, every request with a name of
// its own, every redemption with its scope, and no back-off cut short.
func TestSimulatedRequestLog(t *testing.T) {
	var waits []time.Duration
	c := newCrossing(t, "global", simulated.Global(), func(c *microsoft.Config) {
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
		t.Errorf("Renew() waited %v, want %v as it was told", waits, want)
	}
	names := map[string]int{}
	redemptions := 0
	for _, r := range c.sim.Requests() {
		if r.SecretInURL {
			t.Errorf("%s %s held a secret in its address", r.Method, r.Path)
		}
		if r.GrantType == "" {
			continue
		}
		redemptions++
		names[r.ClientRequestID]++
		if r.Scope == "" || r.ClientID != application {
			t.Errorf("redemption of a %s = scope %q by %s, want a scope, by %s", r.GrantType, r.Scope, r.ClientID, application)
		}
	}
	if redemptions != 5 || len(names) != redemptions || names[""] > 0 {
		t.Errorf("%d redemptions were named %v, want 5 with a name each", redemptions, slices.Collect(maps.Keys(names)))
	}
}
