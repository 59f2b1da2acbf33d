package microsoft_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
)

func TestKeys_AreCached(t *testing.T) {
	h, s := newHarness(t), newSigner(t, "k1")
	h.route(keysPath, keySet(t, s.jwk("")))
	check := func(after time.Duration, fetched int) {
		t.Helper()
		h.advance(after)
		if _, err := identify(h, s.sign(t, idClaims(h, nil))); err != nil {
			t.Errorf("Identity() = %v, want nil", err)
		}
		if got := len(h.seen(keysPath)); got != fetched {
			t.Errorf("keys were fetched %d times, want %d", got, fetched)
		}
	}
	check(0, 1)
	check(59*time.Minute, 1)
	check(2*time.Minute, 2) // an hour old: refreshed
	check(48*time.Hour, 3)  // a day old: must be fetched
	check(time.Nanosecond, 3)
}

// While the keys cannot be refreshed, the old ones remain valid for a day.
func TestKeys_SurviveAnOutage(t *testing.T) {
	h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
	s := newSigner(t, "k1")
	h.route(keysPath, keySet(t, s.jwk("")))
	check := func(after time.Duration, want failure.Code, fetched int) {
		t.Helper()
		h.advance(after)
		_, err := identify(h, s.sign(t, idClaims(h, nil)))
		if codeOf(err) != want {
			t.Errorf("Identity() = %v, want %q", err, want)
		}
		if got := len(h.seen(keysPath)); got != fetched {
			t.Errorf("keys were fetched %d times, want %d", got, fetched)
		}
	}
	check(0, "", 1)
	h.route(keysPath, respond(503, ``))
	check(2*time.Hour, "", 2)
	check(4*time.Minute, "", 2) // not fetched again at once
	check(2*time.Minute, "", 3)
	check(22*time.Hour, failure.MicrosoftUnavailable, 4)
	h.route(keysPath, keySet(t, s.jwk("")))
	check(0, "", 5)
}

// A token signed with an unknown key causes one fetch in five minutes, however many such tokens come.
func TestKeys_Rotate(t *testing.T) {
	h := newHarness(t)
	k1, k2, k3 := newSigner(t, "k1"), newSigner(t, "k2"), newSigner(t, "k3")
	check := func(by signer, want failure.Code, fetched int) {
		t.Helper()
		_, err := identify(h, by.sign(t, idClaims(h, nil)))
		if codeOf(err) != want {
			t.Errorf("Identity() signed by %s = %v, want %q", by.kid, err, want)
		}
		if got := len(h.seen(keysPath)); got != fetched {
			t.Errorf("keys were fetched %d times, want %d", got, fetched)
		}
	}
	h.route(keysPath, keySet(t, k1.jwk("")))
	check(k1, "", 1)
	h.route(keysPath, keySet(t, k2.jwk(""), k1.jwk("")))
	h.advance(time.Minute)
	check(k2, "", 2)
	check(k1, "", 2)
	h.route(keysPath, keySet(t, k3.jwk(""), k2.jwk("")))
	for range 20 {
		check(k3, failure.IDTokenInvalid, 2)
	}
	h.advance(4*time.Minute + 59*time.Second)
	check(k3, failure.IDTokenInvalid, 2)
	h.advance(time.Second)
	check(k3, "", 3)
	check(k1, failure.IDTokenInvalid, 3) // withdrawn
}

func TestKeys_AreFetchedOnceForConcurrentCalls(t *testing.T) {
	h, s := newHarness(t), newSigner(t, "k1")
	h.route(keysPath, keySet(t, s.jwk("")))
	idToken := s.sign(t, idClaims(h, nil))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := identify(h, idToken); err != nil {
				t.Errorf("Identity() = %v, want nil", err)
			}
		})
	}
	wg.Wait()
	if got := len(h.seen(keysPath)); got != 1 {
		t.Errorf("20 verifications fetched the keys %d times, want once", got)
	}
}

func TestKeys_InvalidSets(t *testing.T) {
	s := newSigner(t, "k1")
	broken := s.jwk("")
	broken["n"] = "!"
	encryption := s.jwk("")
	encryption["use"] = "enc"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   failure.Code
	}{
		"page":            {respond(200, "<html>"), failure.MicrosoftAnswer},
		"no keys":         {keySet(t), failure.MicrosoftAnswer},
		"broken key":      {keySet(t, broken), failure.MicrosoftAnswer},
		"encryption key":  {keySet(t, encryption), failure.MicrosoftAnswer},
		"elliptic key":    {keySet(t, map[string]any{"kty": "EC", "kid": "k1", "crv": "P-256", "x": "AA", "y": "AA"}), failure.MicrosoftAnswer},
		"not found":       {respond(404, `{}`), failure.MicrosoftAnswer},
		"redirect":        {respond(302, ``, "Location", "/elsewhere"), failure.MicrosoftAnswer},
		"down":            {respond(503, ``), failure.MicrosoftUnavailable},
		"throttled":       {respond(429, ``), failure.MicrosoftThrottled},
		"reset":           {hangUp, failure.MicrosoftUnavailable},
		"one broken of 2": {keySet(t, map[string]any{"kty": "RSA", "kid": "k0", "n": "!", "e": "AQAB"}, s.jwk("")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(keysPath, tc.answer)
			if _, err := identify(h, s.sign(t, idClaims(h, nil))); codeOf(err) != tc.want {
				t.Errorf("Identity() = %v, want %q", err, tc.want)
			}
		})
	}
}
