package onboarding_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
)

// checkRefusal checks an error page: status, sentence, advice, reference, and nothing of the cause.
func checkRefusal(t *testing.T, h *harness, p page, want *failure.Error) {
	t.Helper()
	if p.status != want.Status() {
		t.Errorf("status = %d, want %d", p.status, want.Status())
	}
	if got := p.text("sentence"); got != want.Sentence() {
		t.Errorf("sentence = %q, want %q", got, want.Sentence())
	}
	advice := want.Advice()
	if want.Code == failure.MicrosoftUnavailable {
		advice = "Nothing was changed. Start again in a few minutes." // nothing retries a sign-in automatically
	}
	if got := p.text("advice"); got != advice {
		t.Errorf("advice = %q, want %q", got, advice)
	}
	if m := want.Microsoft; m != nil {
		if got := p.text("microsoft"); got != m.Code {
			t.Errorf("Microsoft's code = %q, want %q", got, m.Code)
		}
		if m.CorrelationID == "" || strings.Contains(p.body, m.CorrelationID) {
			t.Errorf("page = %s, want nothing else of Microsoft's answer", p.body)
		}
	}
	reference := p.text("reference")
	if !referenceForm.MatchString(reference) {
		t.Errorf("reference = %q, want eight letters and digits", reference)
	}
	if want.Cause != nil {
		if strings.Contains(p.body, want.Cause.Error()) {
			t.Errorf("page = %s, want nothing of the cause", p.body)
		}
		if log := h.log.String(); !strings.Contains(log, want.Cause.Error()) || !strings.Contains(log, reference) {
			t.Errorf("log = %s, want the cause with reference %s", log, reference)
		}
	}
}

func TestLanding_Refuses(t *testing.T) {
	for name, err := range map[string]error{
		"unknown":        failure.New(failure.LinkUnknown),
		"expired":        failure.New(failure.LinkExpired),
		"not set up":     failure.New(failure.ApplicationMissing),
		"unreachable":    failure.Wrap(errors.New("dial tcp: refused"), failure.MicrosoftUnavailable),
		"unknown error":  errors.New("database is down"),
		"hostile values": failure.New(failure.DirectoryUnknown, "directory", `<script>alert("x")</script>`),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.landing = func(string, string) (consent.Landing, error) { return consent.Landing{}, err }
			h.authorize = func(string, consent.Visit) (string, error) { return "", err }
			p := h.visitor().get("/consent/" + link)
			checkRefusal(t, h, p, failure.From(err))
			if strings.Contains(p.body, "<script>alert") {
				t.Errorf("page = %s, want values escaped", p.body)
			}
			p = h.visitor().send(http.MethodPost, "/consent/"+link, url.Values{}, "Sec-Fetch-Site", "same-origin")
			checkRefusal(t, h, p, failure.From(err))
		})
	}
}

func TestLanding_RefusesMalformedLink(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) {
		t.Error("Landing was called")
		return consent.Landing{}, nil
	}
	for _, path := range []string{strings.Repeat("x", 201), "a/b", "a%2Fb", "x.", "x%20", "%00", "%E2%82%AC"} {
		checkRefusal(t, h, h.visitor().get("/consent/"+path), failure.New(failure.LinkUnknown))
	}
}

func TestAuthorize_RefusesOtherSites(t *testing.T) {
	for name, header := range map[string][]string{
		"other site":    {"Sec-Fetch-Site", "cross-site"},
		"same site":     {"Sec-Fetch-Site", "same-site"},
		"older browser": {"Origin", "https://evil.example.com"},
		"null origin":   {"Origin", "null"},
		"contradiction": {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.authorize = func(string, consent.Visit) (string, error) { t.Error("Authorize was called"); return "", nil }
			p := h.visitor().send(http.MethodPost, "/consent/"+link, url.Values{}, header...)
			checkRefusal(t, h, p, failure.New(failure.StateUnknown))
		})
	}
}

func TestCallback_Refuses(t *testing.T) {
	for name, err := range map[string]error{
		"state unknown":     failure.New(failure.StateUnknown),
		"state used":        failure.New(failure.StateUsed),
		"state expired":     failure.New(failure.StateExpired),
		"other browser":     failure.New(failure.StateBrowser),
		"declined":          failure.New(failure.ConsentDeclined),
		"approval needed":   failure.New(failure.ApprovalNeeded),
		"wrong directory":   failure.New(failure.WrongDirectory, "seen", "contoso.com", "expected", "fabrikam.com"),
		"guest":             failure.New(failure.GuestAccount, "username", "guest@contoso.com"),
		"without MFA":       failure.New(failure.MFAMissing),
		"without role":      failure.New(failure.RoleMissing, "username", "ada@fabrikam.com", "role", "Admin agent"),
		"no partner":        failure.New(failure.NotAPartner, "username", "ada@fabrikam.com"),
		"Microsoft is down": failure.Wrap(errors.New("dial tcp: refused"), failure.MicrosoftUnavailable),
		"by Microsoft":      &failure.Error{Code: failure.ConsentRefused, Microsoft: &failure.Evidence{Code: "530031", CorrelationID: "56878900-9077-443a-af4d-de590f3f0e6e"}},
		"unknown error":     errors.New("database is down"),
		"joined errors":     errors.Join(errors.New("saving"), failure.New(failure.Conflict)),
		"long parameter":    failure.New(failure.GuestAccount, "username", "ü"+strings.Repeat("x", 199)),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.complete = func(consent.Callback) (consent.Outcome, error) { return manualOutcome(), err }
			v := h.visitor()
			checkRefusal(t, h, v.callBack(granted()), failure.From(err))
			again := v.get("/done")
			checkRefusal(t, h, again, failure.From(err))
			if strings.Contains(again.body, claimCode) {
				t.Errorf("page of a refusal = %s, want no claim code", again.body)
			}
		})
	}
}

func TestCallback_ShortensParameters(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.WrongDirectory, "seen", strings.Repeat("<", 9000), "expected", strings.Repeat("é", 9000))
	}
	p := h.visitor().callBack(granted())
	if want := strings.Repeat("<", 200) + "…"; p.status != http.StatusForbidden || !strings.Contains(p.text("sentence"), want) {
		t.Errorf("GET /done = %d %q, want 403 with two parameters of 200 letters", p.status, p.text("sentence"))
	}
}

func TestCallback_RefusesUnreadableAnswers(t *testing.T) {
	long := strings.Repeat("x", 2049)
	for name, tc := range map[string]struct {
		query  string
		reason string
	}{
		"nothing":               {"", "the parameter state is missing"},
		"no state":              {"code=" + code, "the parameter state is missing"},
		"neither":               {"state=" + state, "it contains neither a code nor an error"},
		"both":                  {"state=" + state + "&code=" + code + "&error=access_denied", "it contains both a code and an error"},
		"state twice":           {"state=" + state + "&state=x&code=" + code, "a parameter is repeated"},
		"code twice":            {"state=" + state + "&code=x&code=" + code, "a parameter is repeated"},
		"long code":             {"state=" + state + "&code=" + strings.Repeat("x", 16<<10+1), "a parameter is too long"},
		"long state":            {"state=" + long + "&code=" + code, "a parameter is too long"},
		"long error":            {"state=" + state + "&error=" + long, "a parameter is too long"},
		"long error_subcode":    {"state=" + state + "&error=x&error_subcode=" + long, "a parameter is too long"},
		"broken escape":         {"state=%zz", "it isn't encoded as a form"},
		"semicolon":             {"state=a;code=b", "it isn't encoded as a form"},
		"error without a state": {"error=access_denied", "the parameter state is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.complete = func(consent.Callback) (consent.Outcome, error) {
				t.Error("Complete was called")
				return consent.Outcome{}, nil
			}
			want := failure.New(failure.BadRequest, "reason", tc.reason)
			v := h.visitor()
			if p := v.get("/callback?" + tc.query); p.status != http.StatusSeeOther {
				t.Fatalf("GET /callback = %d, want 303", p.status)
			}
			checkRefusal(t, h, v.get("/done"), want)

			v = h.visitor()
			v.get("/consent/" + link) // gives the browser its cookie
			p := v.send(http.MethodPost, "/callback", nil, "Content-Type", "application/x-www-form-urlencoded")
			if p.status != http.StatusSeeOther {
				t.Fatalf("POST /callback without a body = %d, want 303", p.status)
			}
			checkRefusal(t, h, v.get("/done"), failure.New(failure.BadRequest, "reason", "the parameter state is missing"))
		})
	}
}

func TestCallback_RefusesLargeBodies(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	tooMuch := url.Values{"state": {state}, "code": {strings.Repeat("x", 70_000)}}
	checkRefusal(t, h, v.send(http.MethodPost, "/callback", tooMuch), failure.New(failure.BodyTooLarge))
	v.get("/consent/" + link)
	if p := v.send(http.MethodPost, "/callback", tooMuch); p.status != http.StatusSeeOther {
		t.Fatalf("POST /callback = %d, want 303", p.status)
	}
	checkRefusal(t, h, v.get("/done"), failure.New(failure.BodyTooLarge))
}

func TestHandler_RefusesUnknownRoutes(t *testing.T) {
	h := newHarness(t, nil)
	for _, tc := range []struct {
		method, path string
		want         failure.Code
	}{
		{http.MethodGet, "/" + link, failure.NotFound},
		{http.MethodGet, "/consent/", failure.NotFound},
		{http.MethodGet, "/consent/a/b", failure.LinkUnknown},
		{http.MethodGet, "/assets/../handler.go", failure.NotFound},
		{http.MethodGet, "/assets/none.js", failure.NotFound},
		{http.MethodPut, "/consent/" + link, failure.MethodNotAllowed},
		{http.MethodDelete, "/done", failure.MethodNotAllowed},
		{"CANARY", "/", failure.MethodNotAllowed},
	} {
		p := h.visitor().send(tc.method, tc.path, nil)
		if want := failure.New(tc.want); p.status != want.Status() || p.text("sentence") != want.Sentence() {
			t.Errorf("%s %s = %d %q, want %d %q", tc.method, tc.path, p.status, p.text("sentence"), want.Status(), want.Sentence())
		}
	}
	if p := h.visitor().send(http.MethodHead, "/callback?"+granted().Encode(), nil); p.status != http.StatusMethodNotAllowed {
		t.Errorf("HEAD /callback = %d, want 405: it must not use up a code", p.status)
	}
	if strings.Contains(h.log.String(), "CANARY") {
		t.Errorf("log = %s, want no unknown method", h.log)
	}
}

func TestRecovered_PanicBecomesPage(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) { panic("c4n4ry of a panic") }
	p := h.visitor().get("/consent/" + link)
	if want := failure.New(failure.InternalError); p.status != want.Status() || p.text("sentence") != want.Sentence() || strings.Contains(p.body, "c4n4ry") {
		t.Errorf("GET /consent/… = %d %q, want %d %q", p.status, p.text("sentence"), want.Status(), want.Sentence())
	}
	if log := h.log.String(); !strings.Contains(log, "c4n4ry of a panic") || !strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("log = %s, want an error with the cause", log)
	}
}

// A brokenSeal always fails.
type brokenSeal struct{}

func (brokenSeal) Seal([]byte, string, string, string, ...string) ([]byte, error) {
	return nil, errors.New("no matching key")
}

func (brokenSeal) Open([]byte, string, string, string, ...string) ([]byte, error) {
	return nil, errors.New("no matching key")
}

func TestCallback_OutcomeCannotBeSealed(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) { cfg.Seal = brokenSeal{} })
	p := h.visitor().get("/callback?" + granted().Encode())
	checkRefusal(t, h, p, failure.Wrap(errors.New("no matching key"), failure.InternalError))
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.MFAMissing)
	}
	checkRefusal(t, h, h.visitor().get("/callback?"+granted().Encode()), failure.New(failure.MFAMissing))
}

func TestNew_Refuses(t *testing.T) {
	valid := func() onboarding.Config {
		return onboarding.Config{PublicURL: "https://onboarding.example.com", Consents: &fake{}, Seal: brokenSeal{}}
	}
	if _, err := onboarding.New(valid()); err != nil {
		t.Fatalf("New = %v", err)
	}
	for name, change := range map[string]func(*onboarding.Config){
		"no consents":   func(cfg *onboarding.Config) { cfg.Consents = nil },
		"no seal":       func(cfg *onboarding.Config) { cfg.Seal = nil },
		"no address":    func(cfg *onboarding.Config) { cfg.PublicURL = "" },
		"half address":  func(cfg *onboarding.Config) { cfg.PublicURL = "onboarding.example.com" },
		"other scheme":  func(cfg *onboarding.Config) { cfg.PublicURL = "ftp://onboarding.example.com" },
		"with query":    func(cfg *onboarding.Config) { cfg.PublicURL += "?x=1" },
		"with fragment": func(cfg *onboarding.Config) { cfg.PublicURL += "#x" },
	} {
		cfg := valid()
		change(&cfg)
		if handler, err := onboarding.New(cfg); err == nil {
			t.Errorf("New(%s) = %v, want an error", name, handler)
		}
	}
}
