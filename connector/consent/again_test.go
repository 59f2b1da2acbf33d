package consent_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// Whoever was refused gets the link for another attempt, in the browser that opened Microsoft's page and as long as the consent
// is not over.
func TestComplete_RefusalOffersAnotherAttempt(t *testing.T) {
	refuse := func(h *harness) {
		h.tokens.exchange = func(token.CodeExchange) error { return failure.New(failure.WrongDirectory) }
	}
	for name, tc := range map[string]struct {
		automatic bool
		spoil     func(h *harness)
		browser   string
		want      failure.Code
		again     bool
	}{
		"manual, refused":                         {false, refuse, browser, failure.WrongDirectory, true},
		"manual, took too long":                   {false, func(h *harness) { h.advance(time.Hour) }, browser, failure.StateExpired, true},
		"manual, link is over":                    {false, func(h *harness) { h.advance(8 * 24 * time.Hour) }, browser, failure.StateExpired, false},
		"manual, another browser":                 {false, func(*harness) {}, "another", failure.StateBrowser, false},
		"manual, too late and in another browser": {false, func(h *harness) { h.advance(time.Hour) }, "another", failure.StateExpired, false},
		"automatic":                               {true, refuse, browser, failure.WrongDirectory, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			begun := h.link()
			if tc.automatic {
				begun = h.begin()
			}
			state := h.open(begun)
			tc.spoil(h)
			out, err := h.consents.Complete(t.Context(), consent.Callback{State: state, Browser: tc.browser, Code: secret.New("code-1")})
			h.checkFailure("Complete", err, tc.want)
			want := ""
			if tc.again {
				want = linkOf(begun)
			}
			if got := out.Link.Reveal(); got != want {
				t.Errorf("Complete returned the link %q, want %q", got, want)
			}
			h.tokens.exchange = nil
			if tc.again {
				_, err := h.complete(h.open(begun), "code-2")
				h.must(err)
			}
		})
	}
}

// Who knows the state of a sign-in that ended well gets no link once the code was entered.
func TestComplete_NoOtherAttemptAfterTheCode(t *testing.T) {
	h := newHarness(t)
	state := h.open(h.link())
	out, err := h.complete(state, "code-1")
	h.must(err)
	h.must(h.redeem(out.ClaimCode))
	out, err = h.complete(state, "code-1")
	h.checkFailure("Complete again", err, failure.StateUsed)
	if !out.Link.Empty() {
		t.Error("Complete returned a link, want none: the consent is over")
	}
}

func TestAuthorize_AnotherAccountIsChosen(t *testing.T) {
	h := newHarness(t)
	for range 2 { // also after a consent, when the default would be another one
		address, err := h.consents.Authorize(t.Context(), linkOf(h.link()), consent.Visit{Browser: browser, AnotherAccount: true})
		h.must(err)
		if got := promptOf(t, address); got != "select_account" {
			t.Errorf("prompt = %q, want select_account", got)
		}
		out, err := h.complete(stateOf(t, address), "code")
		h.must(err)
		h.must(h.redeem(out.ClaimCode))
	}
}

// A second sign-in with the same link says that it replaces a code: before it begins, and at its end.
func TestComplete_SaysThatACodeIsReplaced(t *testing.T) {
	h := newHarness(t)
	for i, want := range []bool{false, true, true} {
		landing, err := h.consents.Landing(t.Context(), linkOf(h.link()), "")
		h.must(err)
		if out := h.granted("code"); landing.CodeWaits != want || out.Replaced != want {
			t.Errorf("sign-in %d: CodeWaits = %v, Replaced = %v, want %v", i+1, landing.CodeWaits, out.Replaced, want)
		}
		h.advance(time.Second)
	}
}
