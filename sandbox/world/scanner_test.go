package world_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// leaks returns which texts contain which secrets, also in the encodings of URLs and JSON.
func leaks(secrets, texts map[string]string) []string {
	var found []string
	for where, text := range texts {
		for name, value := range secrets {
			forms := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.ReplaceAll(value, "/", `\/`)}
			if slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(text, form) }) {
				found = append(found, name+" is in "+where)
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestLeaks_FindsCanaries checks that leaks can find secrets at all.
func TestLeaks_FindsCanaries(t *testing.T) {
	secrets := map[string]string{"the canary": "canary/of+the=scanner", "the other": "not-in-any-text"}
	for name, text := range map[string]string{
		"plain":           `level=INFO msg="token canary/of+the=scanner"`,
		"in a query":      "/callback?code=canary%2Fof%2Bthe%3Dscanner&x=1",
		"in a path":       "/consent/canary%2Fof+the=scanner",
		"in JSON":         `{"token":"canary\/of+the=scanner"}`,
		"in the middle":   "xxcanary/of+the=scannerxx",
		"among the bytes": "\x00\x01canary/of+the=scanner\xff",
	} {
		if got := leaks(secrets, map[string]string{"a text": text, "another": "canary of the scanner"}); !slices.Equal(got, []string{"the canary is in a text"}) {
			t.Errorf("leaks() of a canary %s = %q, want it found", name, got)
		}
	}
	if got := leaks(secrets, map[string]string{"a text": "nothing"}); len(got) > 0 {
		t.Errorf("leaks() of nothing = %q, want none", got)
	}
}

// refusals makes requests with secrets that the connector refuses, and returns its answers.
func (s scenario) refusals(browser *http.Client, callback string, secrets map[string]string) map[string]string {
	s.Helper()
	query := parse(s.T, callback).Query()
	answers := map[string]string{}
	note := func(what string, status, least int, body string) {
		s.Helper()
		if status < least {
			s.Errorf("%s is answered with %d, want at least %d", what, status, least)
		}
		answers[what] = body
	}
	again := s.visit(browser, callback)
	// The browser that was shown the claim code is shown it again.
	note("the page of a callback that was opened twice", again.Status, 200, strings.ReplaceAll(again.Text, secrets["the claim code"], ""))
	foreign := s.visit(world.NewBrowser(), callback)
	note("the page of a callback in another browser", foreign.Status, 400, foreign.Text)
	unsigned := fmt.Sprintf("%s/tenant/%s/redeem?code=%s", s.HooksURL, s.tenant(), url.QueryEscape(query.Get("code")))
	for what, address := range map[string]string{
		"the answer to a hook without a signature": unsigned,
		"the page of an unknown link":              s.OnboardingURL + "/consent/" + query.Get("state"),
		"the page of an unknown address":           s.OnboardingURL + "/nowhere/" + query.Get("code"),
	} {
		status, body := s.fetch(address)
		note(what, status, 400, body)
	}
	for what, call := range map[string]struct{ operation, body string }{
		"the refusal of a wrong code":              {"redeem", `{"code":"` + query.Get("code") + `"}`},
		"the refusal of a used code":               {"redeem", `{"code":"` + secrets["the claim code"] + `"}`},
		"the refusal of a body that is not JSON":   {"redeem", `{"code":"` + secrets["the claim code"]},
		"the refusal of an address with the state": {"redeem", `{"code":"` + callback + `"}`},
	} {
		answer := s.As(s.Context(), world.Rita, http.MethodPost, s.tenant(), call.operation, []byte(call.body))
		note(what, answer.Status, 400, string(answer.Body))
	}
	lent := s.Platform.Call(s.Context(), platform.AsApplication("99999999-0000-4000-8000-000000000000"), http.MethodPost, s.tenant(), "accessToken", []byte(`{"api":"graph"}`))
	note("the refusal of a borrower that is not allowed", lent.Status, 400, string(lent.Body))
	return answers
}

func (s scenario) fetch(address string) (status int, body string) {
	s.Helper()
	answer, err := world.NewBrowser().Get(address)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(content)
}
