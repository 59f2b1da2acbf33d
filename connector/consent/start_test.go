package consent_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// otherBrowser is the cookie of a browser other than that of the panel.
const otherBrowser = "cookie-of-another-browser"

// signIn opens a link in the browser with a cookie and completes it with a code.
func (h *harness) signIn(b consent.Begun, cookie, code string) (consent.Outcome, error) {
	h.Helper()
	address, err := h.consents.Authorize(h.Context(), linkOf(b), consent.Visit{Browser: cookie})
	h.must(err)
	return h.consents.Complete(h.Context(), consent.Callback{State: stateOf(h.T, address), Browser: cookie, Code: secret.New(code)})
}

// A reseller sends the link of an automatic consent to somebody else: what they sign in for waits for a claim code that only
// they see.
func TestComplete_ElsewhereThanInThePanelEndsAsManual(t *testing.T) {
	for name, tc := range map[string]struct {
		begin  func(h *harness) consent.Begun
		cookie string
	}{
		"another browser":           {(*harness).begin, otherBrowser},
		"a panel without a browser": {func(h *harness) consent.Begun { return h.beginWith(consent.Request{Origin: panelOrigin}) }, browser},
		"an invented browser":       {func(h *harness) consent.Begun { return h.beginWith(consent.Request{Browser: "invented"}) }, browser},
		"the cookie itself":         {func(h *harness) consent.Begun { return h.beginWith(consent.Request{Browser: browser}) }, browser},
		"a row copied from a consent of this browser": {func(h *harness) consent.Begun {
			own, copied := h.begin(), h.beginWith(consent.Request{})
			c, err := h.store.Consent(h.Context(), copied.ID)
			h.must(err)
			from, err := h.store.Consent(h.Context(), own.ID)
			h.must(err)
			c.BrowserHash = from.BrowserHash
			h.must(h.store.SaveConsent(h.Context(), &c))
			return copied
		}, browser},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			begun := tc.begin(h)
			landing, err := h.consents.Landing(t.Context(), linkOf(begun), tc.cookie)
			h.must(err)
			if landing.StraightOn || landing.Procedure != token.Manual || landing.TenantName != "Alpine Cloud" || landing.AskedBy != reseller.Name {
				t.Errorf("Landing = %+v, want a page that says who asks", landing)
			}
			out, err := h.signIn(begun, tc.cookie, "code-1")
			h.must(err)
			if out.Procedure != token.Manual || out.ClaimCode == "" {
				t.Fatalf("Complete = %+v, want a claim code", out)
			}
			h.checkGrants("", true)
			h.checkConsent(begun.ID, consent.Claimable, failure.ClaimWaiting)
			_, err = h.consents.Redeem(t.Context(), tenantID, "0000-0000-0000", reseller)
			h.checkFailure("Redeem of an invented code", err, failure.ClaimWrong)
			h.checkGrants("", true)
			_, err = h.consents.Landing(t.Context(), linkOf(begun), browser)
			h.checkFailure("Landing again", err, failure.LinkExpired)

			_, err = h.consents.Redeem(t.Context(), tenantID, out.ClaimCode, reseller)
			h.must(err)
			h.checkGrants("code-1", false)
			h.checkConsent(begun.ID, consent.Succeeded, "")
			if g, err := h.store.Grant(t.Context(), tenantID, token.Active); err != nil || g.Procedure != token.Manual {
				t.Errorf("Grant = %s, %v, want one by the manual procedure", g.Procedure, err)
			}
		})
	}
}

func (h *harness) beginWith(request consent.Request) consent.Begun {
	h.Helper()
	begun, err := h.consents.Begin(h.Context(), tenantID, request, reseller)
	h.must(err)
	return begun
}

func TestComplete_ClaimCodeOfAnAutomaticConsentIsLocked(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	h.link() // newer than the automatic consent, which the codes are for nevertheless
	out, err := h.signIn(begun, otherBrowser, "code-1")
	h.must(err)
	for range 5 {
		_, err = h.consents.Redeem(t.Context(), tenantID, "0000-0000-0000", reseller)
	}
	h.checkFailure("Redeem for the fifth time", err, failure.ClaimLocked)
	h.checkGrants("", false)
	h.checkConsent(begun.ID, consent.Failed, failure.ClaimLocked)
	_, err = h.consents.Redeem(t.Context(), tenantID, out.ClaimCode, reseller)
	h.checkFailure("Redeem of the right code", err, failure.NothingToClaim)
}

func TestStart_IsForOneInstanceAndListedPanels(t *testing.T) {
	h := newHarness(t)
	origins := map[string][]string{instanceKey: {panelOrigin}, "key-2": {"https://panel.other.example"}, "key-3": nil}
	consents, err := consent.New(consent.Config{
		Store: h.store, Tokens: h.tokens, Microsoft: fakeMicrosoft{}, Hasher: h.hasher, PublicURL: publicURL, Now: h.now, PanelOrigins: origins,
	})
	h.must(err)
	start := func(key string) consent.Start {
		t.Helper()
		_, name, _ := strings.Cut(consents.StartURL(key), "/start/")
		s, err := consents.Start(t.Context(), name, browser)
		h.must(err)
		return s
	}
	own, other := start(instanceKey), start("key-2")
	if len(own.Origins) != 1 || own.Origins[0] != panelOrigin || own.Browser == other.Browser || strings.Contains(consents.StartURL(instanceKey), instanceKey) {
		t.Errorf("Start = %+v and %+v at %s, want each for its own panels", own, other, consents.StartURL(instanceKey))
	}
	if got := consents.StartURL("key-3"); got != "" {
		t.Errorf("StartURL of an instance without panels = %q, want none", got)
	}
	_, err = consents.Start(t.Context(), "invented", browser)
	h.checkFailure("Start of an unknown instance", err, failure.NotFound)
	out, err := h.signIn(h.beginWith(consent.Request{Browser: other.Browser}), browser, "code-1")
	if err != nil || out.Procedure != token.Manual {
		t.Errorf("Complete with the browser of another instance = %s, %v, want manual", out.Procedure, err)
	}
}

func TestLanding_NamesCannotPose(t *testing.T) {
	h := newHarness(t)
	stored, err := h.store.Tenant(t.Context(), tenantID)
	h.must(err)
	stored.Name, stored.AccountID = "Microsoft\u202E gro.live\u0000\n\u200B"+strings.Repeat("x", 200), "1000042"
	h.must(h.store.SaveTenant(t.Context(), &stored))
	by := audit.Actor{Kind: audit.User, ID: "user-1", Name: "Support\u2066\u202D\r\nverified"}
	begun, err := h.consents.Begin(t.Context(), tenantID, consent.Request{}, by)
	h.must(err)
	landing, err := h.consents.Landing(t.Context(), linkOf(begun), "")
	h.must(err)
	if !strings.HasPrefix(landing.TenantName, "Microsoft gro.live x") || len([]rune(landing.TenantName)) != 100 || landing.AskedBy != "Support verified" || landing.AccountID != "1000042" {
		t.Errorf("Landing = %+q of %s, by %+q, want names without hidden characters, and the account", landing.TenantName, landing.AccountID, landing.AskedBy)
	}
	out, err := h.signIn(begun, otherBrowser, "code-1")
	if err != nil || out.TenantName != landing.TenantName || out.AccountID != "1000042" {
		t.Errorf("Complete = %+q, %v, want the same name", out.TenantName, err)
	}
}

func TestBegin_KeepsTheOriginThatIsNotListed(t *testing.T) {
	h := newHarness(t)
	const missing = "https://panel.brand.example"
	for name, origin := range map[string]string{
		"a path": missing + "/", "no scheme": "panel.brand.example", "a script": "javascript://x", "upper case": "https://PANEL.example",
		"too long": "https://" + strings.Repeat("a", 300), "white space": "https://a b", "an opaque one": "null",
	} {
		_, err := h.consents.Begin(t.Context(), tenantID, consent.Request{Origin: origin}, reseller)
		h.checkFailure("Begin with "+name, err, failure.BadRequest)
	}
	h.beginWith(consent.Request{Origin: panelOrigin})
	h.checkUnlisted("")
	h.beginWith(consent.Request{Origin: missing, Browser: h.panelBrowser(browser)})
	h.checkUnlisted("")
	h.beginWith(consent.Request{Origin: "https://older.example"})
	h.beginWith(consent.Request{Origin: missing})
	h.checkUnlisted(missing)
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.ConsentBegun}, 1)
	h.must(err)
	if len(events) != 1 || events[0].Details["unlisted_origin"] != missing || events[0].Actor.ID != reseller.ID {
		t.Errorf("the last event = %+v, want the origin and who sent it", events)
	}
	if got, err := h.consents.UnlistedOrigins(t.Context(), "key-2"); err != nil || len(got) != 0 {
		t.Errorf("UnlistedOrigins of another instance = %v, %v, want none", got, err)
	}
	h.advance(31 * 24 * time.Hour)
	h.checkUnlisted("")
}

func (h *harness) checkUnlisted(want string) {
	h.Helper()
	got, err := h.consents.UnlistedOrigins(h.Context(), instanceKey)
	if err != nil || got[tenantID] != want || len(got) > 1 {
		h.Errorf("UnlistedOrigins = %v, %v, want %q", got, err, want)
	}
}

// Two replicas get the same answer of Microsoft 200 times: it is used once, in the panel's browser and elsewhere.
func TestComplete_200EqualCallbacksCountOnce(t *testing.T) {
	for name, cookie := range map[string]string{"in the panel's browser": browser, "elsewhere": otherBrowser} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			second := h.db.Open(t)
			tokens, err := token.New(token.Config{Store: second, Microsoft: noMicrosoft{}, Now: h.now})
			h.must(err)
			otherTokens := &fakeTokens{Service: tokens, now: h.now, person: person}
			other, err := consent.New(consent.Config{
				Store: second, Tokens: otherTokens, Microsoft: fakeMicrosoft{}, Hasher: h.hasher, PublicURL: publicURL, Now: h.now,
			})
			h.must(err)
			address, err := h.consents.Authorize(t.Context(), linkOf(h.begin()), consent.Visit{Browser: cookie})
			h.must(err)
			callback := consent.Callback{State: stateOf(t, address), Browser: cookie, Code: secret.New("code-1")}
			var wait sync.WaitGroup
			errs := make(chan error, 200)
			for i := range 200 {
				replica := []*consent.Service{h.consents, other}[i%2]
				wait.Go(func() {
					_, err := replica.Complete(context.WithoutCancel(t.Context()), callback)
					errs <- err
				})
			}
			wait.Wait()
			close(errs)
			succeeded := 0
			for err := range errs {
				if err == nil {
					succeeded++
				} else if !failure.Is(err, failure.StateUsed) {
					t.Errorf("Complete = %v, want success or state_used", err)
				}
			}
			if exchanged := len(h.tokens.exchanges) + len(otherTokens.exchanges); succeeded != 1 || exchanged != 1 {
				t.Errorf("%d of 200 equal callbacks succeeded, %d exchanged the code, want 1 and 1", succeeded, exchanged)
			}
		})
	}
}

func TestFind_FirstConsentThatEndsWellEndsBoth(t *testing.T) {
	for name, tc := range map[string]struct {
		first  func(h *harness, b consent.Begun)
		status consent.Status
		reason failure.Code
	}{
		"automatic": {func(h *harness, b consent.Begun) {
			_, err := h.signIn(b, browser, "code-1")
			h.must(err)
		}, consent.Succeeded, ""},
		"by claim code": {func(h *harness, b consent.Begun) {
			out, err := h.signIn(b, otherBrowser, "code-1")
			h.must(err)
			_, err = h.consents.Redeem(h.Context(), tenantID, out.ClaimCode, reseller)
			h.must(err)
		}, consent.Succeeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			first := h.begin()
			h.advance(time.Minute)
			second := h.begin()
			state := h.open(second)
			tc.first(h, first)
			h.checkConsent(second.ID, tc.status, tc.reason)
			found, err := h.consents.Find(t.Context(), tenantID, second.ID)
			if err != nil || found.ID != second.ID || found.ConsentedBy != person {
				t.Errorf("Find = %s by %v, %v, want the outcome of the first one", found.ID, found.ConsentedBy, err)
			}
			_, err = h.complete(state, "code-2")
			h.checkFailure("Complete of the second one", err, failure.StateUsed)
			if n, _ := h.eventsOf(audit.ConsentClosed); n != 1 {
				t.Errorf("%d events say that a consent was closed, want one", n)
			}
			h.advance(time.Hour)
			h.checkConsent(second.ID, tc.status, tc.reason)
		})
	}
	t.Run("one that waits for its code", func(t *testing.T) {
		h := newHarness(t)
		first := h.begin()
		second := h.begin()
		_, err := h.signIn(first, otherBrowser, "code-1")
		h.must(err)
		h.checkConsent(second.ID, consent.Waiting, "")
		h.advance(16 * time.Minute)
		h.checkConsent(second.ID, consent.Claimable, failure.ClaimWaiting)
	})
	t.Run("a deleted token", func(t *testing.T) {
		h := newHarness(t)
		first, second := h.begin(), h.begin()
		_, err := h.signIn(first, browser, "code-1")
		h.must(err)
		_, err = h.tokens.Forget(t.Context(), tenantID, reseller)
		h.must(err)
		h.checkConsent(second.ID, consent.Failed, failure.ConsentReplaced)
	})
}

func TestFind_Progress(t *testing.T) {
	h := newHarness(t)
	begun := h.begin()
	check := func(want consent.Progress) {
		t.Helper()
		found, err := h.consents.Find(t.Context(), tenantID, begun.ID)
		if err != nil || found.Progress != want {
			t.Errorf("Find = %q, %v, want %q", found.Progress, err, want)
		}
	}
	check(consent.NotOpened)
	state := h.open(begun)
	check(consent.Opened)
	h.tokens.exchange = func(token.CodeExchange) error {
		check(consent.Answered)
		return nil
	}
	_, err := h.complete(state, "code-1")
	h.must(err)
	check("")
}

func TestDisown_EndsWhatTheConsentMade(t *testing.T) {
	ada, bob := person, token.Person{ObjectID: "oid-2", Username: "bob@partner.example", Name: "Bob"}
	for name, tc := range map[string]struct {
		cookie string
		before bool // another person's token is in use
		active string
		state  token.State
		reason failure.Code
	}{
		"an active grant":          {browser, false, "", token.StateAbsent, failure.ConsentDisowned},
		"a grant without its code": {otherBrowser, false, "", token.StateAbsent, failure.ConsentDisowned},
		"a grant to be confirmed":  {browser, true, "code-0", token.StateActive, ""},
		"a code beside a token":    {otherBrowser, true, "code-0", token.StateActive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if tc.before {
				h.tokens.person = bob
				_, err := h.signIn(h.begin(), browser, "code-0")
				h.must(err)
				h.advance(time.Minute)
				h.tokens.person = ada
			}
			begun := h.begin()
			out, err := h.signIn(begun, tc.cookie, "code-1")
			h.must(err)
			h.advance(14 * time.Minute)
			h.must(h.consents.Disown(t.Context(), out.ConsentID))
			h.must(h.consents.Disown(t.Context(), out.ConsentID)) // the button pressed twice
			h.checkGrants(tc.active, false)
			if _, err := h.store.Grant(t.Context(), tenantID, token.Unconfirmed); err == nil {
				t.Error("the unconfirmed grant is still there")
			}
			h.checkConsent(begun.ID, consent.Failed, failure.ConsentDisowned)
			r, err := tenant.Resolve(t.Context(), h.store, tenantID)
			h.must(err)
			status, err := h.tokens.Status(t.Context(), r)
			h.must(err)
			var reason failure.Code
			if status.Failure != nil {
				reason = status.Failure.Code
			}
			if status.State != tc.state || reason != tc.reason {
				t.Errorf("Status = %s because of %q, want %s because of %q", status.State, reason, tc.state, tc.reason)
			}
			events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.ConsentDisowned}, 5)
			h.must(err)
			if len(events) != 1 || events[0].Actor.Name != ada.Username || events[0].Actor.Kind != audit.Visitor {
				t.Errorf("events = %+v, want one of the person who signed in", events)
			}
			for _, code := range []string{out.ClaimCode, begun.ID} {
				if _, err := h.consents.Redeem(t.Context(), tenantID, code, reseller); err == nil {
					t.Errorf("Redeem(%q) succeeded after the consent was taken back", code)
				}
			}
			h.checkGrants(tc.active, false)
			// A new consent starts afresh.
			_, err = h.consents.Redeem(t.Context(), tenantID, "", reseller)
			h.checkFailure("Redeem of nothing", err, failure.ClaimMalformed)
			if !tc.before {
				_, err = h.signIn(h.begin(), browser, "code-2")
				h.must(err)
				r, err = tenant.Resolve(t.Context(), h.store, tenantID) // the consent has proven the directory
				h.must(err)
				if status, err = h.tokens.Status(t.Context(), r); err != nil || status.State != token.StateActive || status.NextRenewalAt.IsZero() {
					t.Errorf("Status after another consent = %s, %v, want active with a renewal", status.State, err)
				}
			}
		})
	}
}

func TestDisown_Refusals(t *testing.T) {
	h := newHarness(t)
	h.checkFailure("Disown of no consent", h.consents.Disown(t.Context(), "invented"), failure.ConsentReplaced)
	begun := h.begin()
	h.checkFailure("Disown before the consent", h.consents.Disown(t.Context(), begun.ID), failure.ConsentReplaced)
	_, err := h.signIn(begun, browser, "code-1")
	h.must(err)
	h.advance(15 * time.Minute)
	h.checkFailure("Disown after 15 minutes", h.consents.Disown(t.Context(), begun.ID), failure.DisownTooLate)
	h.checkGrants("code-1", false)
	h.advance(time.Second)
	_, err = h.signIn(h.begin(), browser, "code-2")
	h.must(err)
	h.checkFailure("Disown of a replaced consent", h.consents.Disown(t.Context(), begun.ID), failure.ConsentReplaced)
	h.checkGrants("code-2", false)
}
