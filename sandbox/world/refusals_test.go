package world_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// A scenario is a test with its own sandbox, in which Rita of Alpine Cloud is the user.
type scenario struct {
	*testing.T
	*world.World
}

func newScenario(t *testing.T) scenario { return scenario{t, start(t, world.Config{})} }

func (s scenario) tenant() string { return s.TenantOf(world.Rita).ID }

// call calls an operation as Rita and reads its answer.
func (s scenario) call(method, operation string, body string, out any) {
	s.Helper()
	answer := s.As(s.Context(), world.Rita, method, s.tenant(), operation, []byte(body))
	if answer.Status != http.StatusOK {
		s.Fatalf("%s %s = %d %s", method, operation, answer.Status, answer.Body)
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		s.Fatalf("%s %s: %v in %s", method, operation, err, answer.Body)
	}
}

// applicationSecret is the client secret of a new sandbox.
const applicationSecret = "sandbox~application.secret_value"

type attempt = world.Attempt

// begin begins a consent in a panel of a browser.
func (s scenario) begin(browser *http.Client) attempt {
	s.Helper()
	a, err := s.Begin(s.Context(), world.Rita, browser)
	if err != nil {
		s.Fatalf("Begin() = %v", err)
	}
	return a
}

// signIn follows a consent up to Microsoft's redirect.
func (s scenario) signIn(browser *http.Client, a attempt, v microsoft.Visitor) (callback string) {
	s.Helper()
	callback, err := s.SignIn(s.Context(), browser, a.URL, v)
	if err != nil {
		s.Fatalf("SignIn() = %v", err)
	}
	return callback
}

func (s scenario) visit(browser *http.Client, callback string) world.Page {
	s.Helper()
	page, err := s.Return(s.Context(), browser, callback)
	if err != nil {
		s.Fatalf("Return() = %v", err)
	}
	return page
}

// checkRefused asserts that a consent failed with a code, that the page shows the reason and the reference, and that no
// token is stored.
func (s scenario) checkRefused(a attempt, page world.Page, code, says string) {
	s.Helper()
	var consent struct {
		Status  string
		Failure struct{ Code, Reference string }
	}
	s.call(http.MethodGet, "consents/"+a.ID, "", &consent)
	if consent.Status != "failed" || consent.Failure.Code != code {
		s.Errorf("the consent is %s because of %q, want failed because of %q", consent.Status, consent.Failure.Code, code)
	}
	if page.Status < 400 || !strings.Contains(page.Text, says) || !strings.Contains(page.Text, consent.Failure.Reference) {
		s.Errorf("the page (%d) does not say %q under the reference %q:\n%s", page.Status, says, consent.Failure.Reference, page.Text)
	}
	s.checkState("absent")
}

func (s scenario) checkState(want string) {
	s.Helper()
	var status struct{ State string }
	s.call(http.MethodGet, "tokenStatus", "", &status)
	if status.State != want {
		s.Errorf("the state is %s, want %s", status.State, want)
	}
}

func right() microsoft.Visitor { return signsInAs(world.AlpineAdmin) }

func signsInAs(upn string) microsoft.Visitor {
	return microsoft.Visitor{UPN: upn, Password: world.Password, ApproveMFA: true, Accept: true}
}

// reset undoes what a case changed at Microsoft, and deletes a token that it stored.
func (s scenario) reset() {
	s.Helper()
	var answer json.RawMessage
	s.call(http.MethodPost, "forget", "", &answer)
	s.Microsoft.SetOddities(microsoft.Oddities{})
	s.Microsoft.ClearFaults()
	check(s.T, s.Microsoft.SetPartnerCenter(world.AlpineDirectory, microsoft.PartnerCenterMode{}))
	check(s.T, s.Microsoft.SetSecrets(world.ApplicationID, microsoft.Secret{Value: applicationSecret}))
}

// TestConsent_EveryCheckRefuses goes through the checks of a consent in their order, with the strict simulator as Microsoft.
// A refused consent stores nothing, so all share one sandbox.
func TestConsent_EveryCheckRefuses(t *testing.T) {
	shared := newScenario(t)
	for name, tc := range map[string]struct {
		spoil   func(t *testing.T, ms *microsoft.Simulator)
		visitor microsoft.Visitor
		code    string
		says    string
	}{
		"1: declined": {
			visitor: microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true},
			code:    "consent_declined", says: "press Accept",
		},
		"2: wrong client secret": {func(t *testing.T, ms *microsoft.Simulator) {
			check(t, ms.SetSecrets(world.ApplicationID, microsoft.Secret{Value: "another~secret"}))
		}, right(), "client_secret_wrong", "client secret"},
		"2: expired client secret": {func(t *testing.T, ms *microsoft.Simulator) {
			check(t, ms.SetSecrets(world.ApplicationID, microsoft.Secret{Value: applicationSecret, Ends: time.Now().Add(-time.Hour)}))
		}, right(), "client_secret_expired", "expired"},
		"2: Microsoft is down": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "authorization_code", Status: http.StatusServiceUnavailable})
		}, right(), "microsoft_unavailable", "Microsoft"},
		"3: unsigned id_token": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenSignature: microsoft.Unsigned})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: id_token of another signer": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenSignature: microsoft.SignedWithForeignKey})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: id_token with an unpublished key": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenSignature: microsoft.UnknownKey})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: nonce of another sign-in": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"nonce": "another"}})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: id_token for another application": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"aud": world.CoralDirectory}})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: expired id_token": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}})
		}, right(), "id_token_invalid", "couldn't verify"},
		"3: id_token of a foreign directory": {func(_ *testing.T, ms *microsoft.Simulator) { // Microsoft's own page would refuse it
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"tid": world.CoralDirectory, "iss": ms.LoginURL() + "/" + world.CoralDirectory + "/v2.0"}})
		}, right(), "wrong_directory", world.CoralDirectory},
		"3: guest": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"acct": 1}})
		}, right(), "guest_account", "is a guest"},
		"4: token of another application": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{AccessTokenClaims: map[string]any{"appid": world.CoralDirectory}})
		}, right(), "wrong_application", world.CoralDirectory},
		"4: token of another directory": {func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{AccessTokenClaims: map[string]any{"tid": world.CoralDirectory}})
		}, right(), "wrong_directory", world.CoralDirectory},
		"4: no MFA in the token": {nil, signsInAs(world.AlpineNoMFA), "mfa_missing", "use multifactor authentication"},
		"4: no MFA for Partner Center": {func(t *testing.T, ms *microsoft.Simulator) {
			check(t, ms.SetPartnerCenter(world.AlpineDirectory, microsoft.PartnerCenterMode{MFAHeader: "False"}))
		}, right(), "mfa_missing", "use multifactor authentication"},
		"4: Partner Center of another directory": {func(t *testing.T, ms *microsoft.Simulator) {
			check(t, ms.SetPartnerCenter(world.AlpineDirectory, microsoft.PartnerCenterMode{ReportedDirectory: world.CoralDirectory}))
		}, right(), "wrong_directory", world.CoralDirectory},
		"4: Partner Center of another directory behind a byte order mark": {func(t *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{ByteOrderMarks: []microsoft.Host{microsoft.PartnerCenter}})
			check(t, ms.SetPartnerCenter(world.AlpineDirectory, microsoft.PartnerCenterMode{ReportedDirectory: world.CoralDirectory}))
		}, right(), "wrong_directory", world.CoralDirectory},
		"5: not an Admin agent": {nil, signsInAs(world.AlpineNoAgent), "role_missing", "Admin agent"},
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario{t, shared.World}
			defer s.reset()
			s.Clock.Advance(time.Minute) // only ten consents may begin within one
			if tc.spoil != nil {
				tc.spoil(t, s.Microsoft)
			}
			browser := world.NewBrowser()
			a := s.begin(browser)
			page := s.visit(browser, s.signIn(browser, a, tc.visitor))
			s.checkRefused(a, page, tc.code, tc.says)
		})
	}
}

// TestConsent_AcceptsAnswersOfOtherForms: what Microsoft also answers is no reason to refuse.
func TestConsent_AcceptsAnswersOfOtherForms(t *testing.T) {
	shared := newScenario(t)
	for name, change := range map[string]func(t *testing.T, ms *microsoft.Simulator){
		"passkey": func(t *testing.T, ms *microsoft.Simulator) {
			check(t, ms.SetMFA(world.AlpineAdmin, microsoft.MFAPasskey))
		},
		"byte order marks": func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{ByteOrderMarks: []microsoft.Host{microsoft.Login, microsoft.PartnerCenter, microsoft.Graph, microsoft.ARM}})
		},
		"an id_token without a username": func(_ *testing.T, ms *microsoft.Simulator) {
			ms.SetOddities(microsoft.Oddities{IDTokenClaims: map[string]any{"preferred_username": nil}})
		},
		"Graph wants MFA": func(_ *testing.T, ms *microsoft.Simulator) { ms.SetOddities(microsoft.Oddities{GraphWantsMFA: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario{t, shared.World}
			defer func() {
				check(t, s.Microsoft.SetMFA(world.AlpineAdmin, microsoft.MFARequired))
				s.reset()
			}()
			change(t, s.Microsoft)
			browser := world.NewBrowser()
			a := s.begin(browser)
			if page := s.visit(browser, s.signIn(browser, a, right())); page.Status != http.StatusOK {
				t.Fatalf("the page is %d, want 200:\n%s", page.Status, page.Text)
			}
			var status struct {
				State       string
				ConsentedBy struct{ Username string }
			}
			s.call(http.MethodGet, "tokenStatus", "", &status)
			if status.State != "active" || status.ConsentedBy.Username != world.AlpineAdmin {
				t.Errorf("the status is %+v, want active and consented by %s", status, world.AlpineAdmin)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCallback_Refusals(t *testing.T) {
	shared := newScenario(t)
	for name, tc := range map[string]struct {
		open   func(s scenario, browser *http.Client, callback string) world.Page
		status int
		says   string
	}{
		"with an unknown state": {func(s scenario, browser *http.Client, _ string) world.Page {
			return s.visit(browser, s.OnboardingURL+"/callback?code=invented-code&state=invented-state")
		}, http.StatusBadRequest, "wasn't started here"},
		"from another browser": {func(s scenario, _ *http.Client, callback string) world.Page {
			return s.visit(world.NewBrowser(), callback)
		}, http.StatusForbidden, "in another browser"},
		"too late": {func(s scenario, browser *http.Client, callback string) world.Page {
			s.Clock.Advance(16 * time.Minute)
			return s.visit(browser, callback)
		}, http.StatusGone, "took too long"},
		"of a consent that succeeded in another window": {func(s scenario, browser *http.Client, callback string) world.Page {
			return s.visit(browser, callback)
		}, http.StatusConflict, "has already been completed"},
		"without code and error": {func(s scenario, browser *http.Client, callback string) world.Page {
			return s.visit(browser, s.OnboardingURL+"/callback?state=x")
		}, http.StatusBadRequest, "couldn't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario{t, shared.World}
			defer s.reset()
			browser := world.NewBrowser()
			a := s.begin(browser)
			callback := s.signIn(browser, a, right())
			want := "absent"
			if strings.Contains(name, "succeeded") {
				s.visit(browser, s.signIn(browser, a, right()))
				want = "active"
			}
			page := tc.open(s, browser, callback)
			if page.Status != tc.status || !strings.Contains(page.Text, tc.says) {
				t.Errorf("the page is %d, want %d and %q:\n%s", page.Status, tc.status, tc.says, page.Text)
			}
			s.checkState(want)
		})
	}
}

// codes returns how many authorization codes were posted to Microsoft.
func (s scenario) codes() int {
	posted := 0
	for _, r := range s.Microsoft.Requests() {
		if r.GrantType == "authorization_code" {
			posted++
		}
	}
	return posted
}

func TestCallback_ShowsTheSameOutcomeAgain(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	a := s.begin(browser)
	callback := s.signIn(browser, a, right())
	first := s.visit(browser, callback)
	if again := s.visit(browser, callback); again != first || again.Status != http.StatusOK {
		t.Errorf("opening the callback again shows %d, want the same page", again.Status)
	}
	if got := s.codes(); got != 1 {
		t.Errorf("the code was posted %d times, want once", got)
	}
}

func TestConsent_PostsACodeOnce(t *testing.T) {
	s := newScenario(t)
	s.Microsoft.AddFault(microsoft.Fault{Host: microsoft.Login, GrantType: "authorization_code", Reset: true, AfterProcessing: true})
	browser := world.NewBrowser()
	a := s.begin(browser)
	page := s.visit(browser, s.signIn(browser, a, right()))
	s.checkRefused(a, page, "microsoft_unavailable", "Microsoft")
	if got := s.codes(); got != 1 {
		t.Errorf("the code was posted %d times, want once", got)
	}
}

// TestConsent_RequestsToMicrosoft checks the request log of the simulator after the automatic procedure and a renewal.
func TestConsent_RequestsToMicrosoft(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	a := s.begin(browser)
	s.visit(browser, s.signIn(browser, a, right()))
	s.checkState("active")
	var status struct{ AskedBy string }
	s.call(http.MethodPost, "renew", "", &status)
	if status.AskedBy != "Rita Reseller" {
		t.Errorf("the consent was requested by %q, want Rita Reseller", status.AskedBy)
	}
	ids := map[string]bool{}
	for _, r := range s.Microsoft.Requests() {
		if r.GrantType == "" {
			continue
		}
		if r.Scope == "" {
			t.Errorf("%s %s has no scope", r.GrantType, r.Path)
		}
		if r.ClientRequestID == "" || ids[r.ClientRequestID] {
			t.Errorf("%s %s has the client-request-id %q, want a fresh one", r.GrantType, r.Path, r.ClientRequestID)
		}
		ids[r.ClientRequestID] = true
	}
	if len(ids) < 6 { // three for the consent, three for the renewal
		t.Errorf("%d token requests were seen, want at least six", len(ids))
	}
}

func TestRestart_KeepsTheToken(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	a := s.begin(browser)
	s.visit(browser, s.signIn(browser, a, right()))
	if err := s.Restart(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("Restart() = %v", err)
	}
	s.checkState("active")
	var status struct{ State string }
	s.call(http.MethodPost, "renew", "", &status)
	if status.State != "active" {
		t.Errorf("renew after a restart = %s, want active", status.State)
	}
}
