package microsoft_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/npm"

	"github.com/go-jose/go-jose/v4"
)

// certified is the application that proves itself by a certificate; application does by a secret.
const certified = "cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee"

// A stranger is oidc-provider, a certified OpenID provider that nobody of us wrote, in Microsoft's place, and our client
// in front of it. It runs on the real clock.
type stranger struct {
	testing.TB
	origin string
	client *microsoft.Client
	proof  map[string]tenant.Application // application id → what it proves itself with
}

func newStranger(t testing.TB) *stranger {
	t.Helper()
	leaf, certificate := newCertificate(t, noon)
	s := &stranger{TB: t, proof: map[string]tenant.Application{
		application: {ID: application, Secret: clientSecretOf(clientSecret)},
		certified:   {ID: certified, Certificate: certificate},
	}}
	registered := func(id, method string) map[string]any {
		return map[string]any{
			"client_id": id, "token_endpoint_auth_method": method, "redirect_uris": []string{callback},
			"response_types": []string{"code"}, "grant_types": []string{"authorization_code", "refresh_token"},
		}
	}
	bySecret, byCertificate := registered(application, "client_secret_post"), registered(certified, "private_key_jwt")
	bySecret["client_secret"] = clientSecret
	byCertificate["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: leaf.PublicKey}}}
	byCertificate["token_endpoint_auth_signing_alg"] = "PS256"
	s.origin = startProvider(t, map[string]any{
		"directory":   directory,
		"clients":     []any{bySecret, byCertificate},
		"permissions": []string{"/pc/user_impersonation", "/graph/User.Read", "/graph/Directory.Read.All", "/arm/user_impersonation"},
	})
	web, err := httpclient.New(httpclient.Config{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	profile := labProfile(s.origin)
	profile.Authority = s.origin
	if s.client, err = microsoft.New(microsoft.Config{Profiles: []microsoft.Profile{profile}, HTTP: web, ProbeHTTP: web}); err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	return s
}

// startProvider runs testdata/oidc-provider in a temporary folder and returns where it serves. It ends with the test.
func startProvider(t testing.TB, settings map[string]any) (origin string) {
	t.Helper()
	folder := t.TempDir()
	program, err := os.ReadFile("testdata/oidc-provider/provider.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "provider.mjs"), program, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm.Install(t, "oidc-provider", os.DirFS("testdata/oidc-provider")), "node_modules"), filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "provider.mjs") // ends with its input
	node.Dir = folder
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	node.Stderr = &complaint
	if err := node.Start(); err != nil {
		t.Fatalf("the OpenID provider that judges our client does not start: %v. `build/prerequisites.sh node npm` installs what it runs on.", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := node.Wait(); err != nil || t.Failed() {
			t.Logf("the OpenID provider ended with %v and said:\n%s", err, complaint.String())
		}
	})
	if _, err := in.Write(append(line, '\n')); err != nil {
		t.Fatalf("telling the OpenID provider its settings: %v", err)
	}
	var serving struct{ Origin string }
	answer, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil || json.Unmarshal(answer, &serving) != nil {
		t.Fatalf("the OpenID provider wrote %q, %v, want its address", answer, err)
	}
	return serving.Origin
}

// as returns our client's view of an application. MFARequest is off: the claims parameter is for Microsoft.
func (s *stranger) as(id string) tenant.Client {
	return tenant.Client{Cloud: "lab", DirectoryID: directory, Application: s.proof[id], MFARequest: "off"}
}

// An attempt is one authorization with the values that only we know.
type attempt struct {
	request consent.AuthorizeRequest
	answer  url.Values // what came to the callback
}

func (a attempt) code() token.AuthorizationCode {
	return token.AuthorizationCode{Code: secret.New(a.answer.Get("code")), Verifier: a.request.Verifier, RedirectURI: a.request.RedirectURI}
}

// authorize sends a person through the provider's pages and returns what came back. He declines when press is "abort".
func (s *stranger) authorize(client tenant.Client, press string) attempt {
	s.Helper()
	request := consent.AuthorizeRequest{
		State: "the-state", Nonce: "the-nonce", Verifier: secret.New(verifier), RedirectURI: callback, Prompt: "consent",
	}
	address, err := s.client.AuthorizeURL(client, request)
	if err != nil {
		s.Fatalf("AuthorizeURL() = %v, want nil", err)
	}
	answer := s.visit(address, press)
	if answer.Get("state") != request.State {
		s.Fatalf("the provider returned %v, want our state", answer)
	}
	return attempt{request, answer}
}

var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)"`)
	abortLink   = regexp.MustCompile(`href="([^"]+/abort)"`)
)

// visit fills in one page after the other until the provider redirects to the callback, and returns its query.
func (s *stranger) visit(address, press string) url.Values {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	defer browser.CloseIdleConnections()
	resp, err := browser.Get(address)
	for range 5 {
		if err != nil {
			s.Fatalf("visiting the provider: %v", err)
		}
		page, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr != nil {
			s.Fatalf("reading the provider's page: %v", readErr)
		}
		if location, err := resp.Location(); err == nil {
			return location.Query()
		}
		action, abort := formAction.FindSubmatch(page), abortLink.FindSubmatch(page)
		if action == nil || abort == nil {
			s.Fatalf("the provider showed %s, want a form:\n%s", resp.Status, page)
		}
		form := url.Values{"login": {"int"}, "password": {"anything"}}
		for _, m := range hiddenField.FindAllSubmatch(page, -1) {
			form.Set(string(m[1]), html.UnescapeString(string(m[2])))
		}
		if press == "abort" && form.Get("prompt") == "consent" {
			resp, err = browser.Get(html.UnescapeString(string(abort[1])))
			continue
		}
		resp, err = browser.PostForm(html.UnescapeString(string(action[1])), form)
	}
	s.Fatal("the provider's pages do not end")
	return nil
}
