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

// certified is the application that authenticates with a certificate; application uses a secret.
const certified = "cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee"

// An oidcProvider is our client and oidc-provider, a certified OpenID provider of other authors, in the role of
// Microsoft. It is the third-party judge of the client. It runs on the real clock.
type oidcProvider struct {
	testing.TB
	origin       string
	client       *microsoft.Client
	applications map[string]tenant.Application // application ID → its credentials
}

func newOIDCProvider(t testing.TB) *oidcProvider {
	t.Helper()
	leaf, certificate := newCertificate(t, noon)
	p := &oidcProvider{TB: t, applications: map[string]tenant.Application{
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
	p.origin = startProvider(t, map[string]any{
		"directory":   directory,
		"clients":     []any{bySecret, byCertificate},
		"permissions": []string{"/pc/user_impersonation", "/graph/User.Read", "/graph/Directory.Read.All", "/arm/user_impersonation"},
	})
	web, err := httpclient.New(httpclient.Config{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	profile := testProfile(p.origin)
	profile.Authority = p.origin
	if p.client, err = microsoft.New(microsoft.Config{Profiles: []microsoft.Profile{profile}, HTTP: web, ProbeHTTP: web}); err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	return p
}

// startProvider runs testdata/oidc-provider in a temporary folder and returns its address. It ends with the test.
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
	var stderr bytes.Buffer
	node.Stderr = &stderr
	if err := node.Start(); err != nil {
		t.Fatalf("starting the OpenID provider: %v. `build/prerequisites.sh node npm` installs what it needs.", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := node.Wait(); err != nil || t.Failed() {
			t.Logf("the OpenID provider ended with %v:\n%s", err, stderr.String())
		}
	})
	if _, err := in.Write(append(line, '\n')); err != nil {
		t.Fatalf("sending the settings to the OpenID provider: %v", err)
	}
	var serving struct{ Origin string }
	answer, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil || json.Unmarshal(answer, &serving) != nil {
		t.Fatalf("the OpenID provider wrote %q, %v, want its address", answer, err)
	}
	return serving.Origin
}

// as returns our client's view of an application. MFARequest is off: the claims parameter is for Microsoft.
func (p *oidcProvider) as(id string) tenant.Client {
	return tenant.Client{Cloud: "test", DirectoryID: directory, Application: p.applications[id], MFARequest: "off"}
}

// An attempt is one authorization with the values that only our client knows.
type attempt struct {
	request consent.AuthorizeRequest
	answer  url.Values // what came to the callback
}

func (a attempt) code() token.AuthorizationCode {
	return token.AuthorizationCode{Code: secret.New(a.answer.Get("code")), Verifier: a.request.Verifier, RedirectURI: a.request.RedirectURI}
}

// authorize submits the provider's pages and returns the attempt with its answer. The consent is declined if press is
// "abort".
func (p *oidcProvider) authorize(client tenant.Client, press string) attempt {
	p.Helper()
	request := consent.AuthorizeRequest{
		State: "the-state", Nonce: "the-nonce", Verifier: secret.New(verifier), RedirectURI: callback, Prompt: "consent",
	}
	address, err := p.client.AuthorizeURL(client, request)
	if err != nil {
		p.Fatalf("AuthorizeURL() = %v, want nil", err)
	}
	answer := p.visit(address, press)
	if answer.Get("state") != request.State {
		p.Fatalf("the provider returned %v, want our state", answer)
	}
	return attempt{request, answer}
}

var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)"`)
	abortLink   = regexp.MustCompile(`href="([^"]+/abort)"`)
)

// visit submits one page after the other until the provider redirects to the callback, and returns the query.
func (p *oidcProvider) visit(address, press string) url.Values {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
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
			p.Fatalf("opening the provider's page: %v", err)
		}
		page, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr != nil {
			p.Fatalf("reading the provider's page: %v", readErr)
		}
		if location, err := resp.Location(); err == nil {
			return location.Query()
		}
		action, abort := formAction.FindSubmatch(page), abortLink.FindSubmatch(page)
		if action == nil || abort == nil {
			p.Fatalf("the provider showed %s, want a form:\n%s", resp.Status, page)
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
	p.Fatal("the provider's pages do not end")
	return nil
}
