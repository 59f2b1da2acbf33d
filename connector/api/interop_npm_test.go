package api_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/sandbox/npm"
)

// An npmFolder is a folder with the third-party programs of testdata/npm, and with ours that use them.
type npmFolder struct {
	*testing.T
	path string
}

func newNPMFolder(t *testing.T) npmFolder {
	t.Helper()
	f := npmFolder{t, t.TempDir()}
	if err := os.CopyFS(f.path, os.DirFS("testdata/npm")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm.Install(t, "token-api", os.DirFS("testdata/npm")), "node_modules"), filepath.Join(f.path, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return f
}

// run runs a program with Node.js and returns its output.
func (f npmFolder) run(input string, environ []string, args ...string) string {
	f.Helper()
	node := exec.CommandContext(f.Context(), "node", args...)
	node.Dir, node.Stdin, node.Env = f.path, strings.NewReader(input), append(os.Environ(), environ...)
	var stderr strings.Builder
	node.Stderr = &stderr
	output, err := node.Output()
	if err != nil {
		f.Fatalf("node %v ended with %v. `build/prerequisites.sh node npm` installs what it needs. Its output: %s%s", args, err, output, stderr.String())
	}
	return string(output)
}

// judge gives a program one task a line and returns its answers.
func judge[Answer any](f npmFolder, program string, environ []string, tasks ...map[string]string) []Answer {
	f.Helper()
	var input strings.Builder
	encoder := json.NewEncoder(&input)
	for _, task := range tasks {
		if err := encoder.Encode(task); err != nil {
			f.Fatal(err)
		}
	}
	decoder := json.NewDecoder(strings.NewReader(f.run(input.String(), environ, program)))
	answers := make([]Answer, len(tasks))
	for i := range answers {
		if err := decoder.Decode(&answers[i]); err != nil {
			f.Fatalf("%s's answer %d: %v", program, i, err)
		}
	}
	return answers
}

// TestInterop_OpenIDClient borrows with openid-client, a certified client for Node.js, which reads our metadata and signs assertions.
func TestInterop_OpenIDClient(t *testing.T) {
	h := newHarness(t)
	h.clock = time.Now() // that of the assertions that it signs
	h.tokens.ends = h.clock.Add(time.Hour)
	key, private := h.add("billing"), h.addSigner("signer")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	h.must(err)
	signed := base64.StdEncoding.EncodeToString(pkcs8)
	ofTenant := h.server.URL + "/oauth2/" + tenantA
	type answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		Scope       string `json:"scope"`
		Error       string `json:"error"`
		Status      int    `json:"status"`
	}
	task := func(issuer, scope string, credentials ...string) map[string]string {
		task := map[string]string{"issuer": issuer, "client": "billing", "scope": scope}
		for i := 0; i < len(credentials); i += 2 {
			task[credentials[i]] = credentials[i+1]
		}
		return task
	}
	tasks := []map[string]string{
		task(h.server.URL, graph+"/.default", "key", key),
		task(h.server.URL, "arm", "key", key, "style", "basic"),
		task(ofTenant, "graph", "key", key),
		task(ofTenant+"/partner", "graph", "key", key),
		task(h.server.URL, "graph", "client", "signer", "private_key", signed),
		task(ofTenant, "graph", "client", "signer", "private_key", signed),
		task(h.server.URL, "graph", "key", "wrong"),
		task(h.server.URL, "graph arm", "key", key),
		task(h.server.URL, "partnercenter", "key", key),
		task(h.server.URL, "graph", "private_key", signed),
	}
	const challenge = "OAUTH_WWW_AUTHENTICATE_CHALLENGE" // how it reports a 401 with a challenge
	for i, got := range judge[answer](newNPMFolder(t), "openid.mjs", nil, tasks...) {
		want := []answer{
			{accessToken, 3600, graph + "/.default", "", 0},
			{accessToken, 3600, "arm", "", 0},
			{accessToken, 3600, "graph", "", 0},
			{accessToken, 3600, "graph", "", 0},
			{accessToken, 3600, "graph", "", 0},
			{accessToken, 3600, "graph", "", 0},
			{"", 0, "", challenge, 401},
			{"", 0, "", "invalid_scope", 400},
			{"", 0, "", "unauthorized_client", 400},
			{"", 0, "", challenge, 401},
		}[i]
		if got != want {
			t.Errorf("openid-client's answer %d = %+v, want %+v", i, got, want)
		}
	}
}

// TestInterop_PrivateAuthority borrows from a server with a certificate that only the variables of the guide make trusted.
func TestInterop_PrivateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	h := newHarness(t, func(cfg *api.Config) { cfg.PublicURL = server.URL })
	server.Config.Handler = h.handler
	key := h.add("billing")
	authority := filepath.Join(t.TempDir(), "authority.pem")
	h.must(os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	f := newNPMFolder(t)
	for name, tc := range map[string]struct {
		environ []string
		trusted bool
	}{
		"the variable": {[]string{"NODE_EXTRA_CA_CERTS=" + authority}, true},
		"nothing":      {[]string{"NODE_EXTRA_CA_CERTS="}, false},
	} {
		got := judge[map[string]any](f, "openid.mjs", tc.environ, map[string]string{"issuer": server.URL, "client": "billing", "key": key, "scope": "graph"})
		if lent := got[0]["access_token"] == accessToken; lent != tc.trusted {
			t.Errorf("openid-client with %s = %v, want the access token: %t", name, got[0], tc.trusted)
		}
	}
}

// TestInterop_AzureIdentity borrows with Microsoft's library for JavaScript as a program in App Service does. Its other credentials
// only speak to Microsoft's own addresses.
func TestInterop_AzureIdentity(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	h.clock = h.clock.AddDate(100, 0, 0) // the library's clock is the real one: what it gets must not have expired
	h.tokens.ends = h.clock
	environ := []string{"IDENTITY_ENDPOINT=" + h.server.URL + "/msi/token", "IDENTITY_HEADER=" + key}
	type answer struct {
		AccessToken string `json:"access_token"`
		Expires     int64  `json:"expires"`
		Error       string `json:"error"`
	}
	got := judge[answer](newNPMFolder(t), "azure.mjs", environ,
		map[string]string{"scope": graph + "/.default"},
		map[string]string{"scope": graph + "/.default", "client": directoryA},
		map[string]string{"scope": graph + "/.default", "client": customer},
		map[string]string{"scope": "https://vault.azure.net/.default"},
	)
	for i, got := range got[:2] {
		// The library turns the end into a period by its clock and back, each in whole seconds, between which a second may begin.
		want := answer{accessToken, h.tokens.ends.Unix(), ""}
		if got.Expires == want.Expires-1 || got.Expires == want.Expires+1 {
			got.Expires = want.Expires
		}
		if got != want {
			t.Errorf("@azure/identity's answer %d = %+v, want %+v", i, got, want)
		}
	}
	for i, says := range []string{"borrower_not_allowed", "bad_request"} {
		if got := got[2+i]; got.AccessToken != "" || !strings.Contains(got.Error, says) {
			t.Errorf("@azure/identity's answer %d = %+v, want a refusal with %s", 2+i, got, says)
		}
	}
}

// TestInterop_OpenAPITypeScript makes types of the served document, compiles a program with them and lets it call.
func TestInterop_OpenAPITypeScript(t *testing.T) {
	h := newHarness(t)
	key := h.add("reports", operations(client.Lend, client.Read), func(c *client.Client) { c.APIs = []string{"graph"} })
	f := newNPMFolder(t)
	f.run("", nil, "node_modules/openapi-typescript/bin/cli.js", h.server.URL+"/openapi.json", "--output", "types.ts")
	f.run("", nil, "node_modules/typescript/bin/tsc", "--project", ".")
	call, err := json.Marshal([]string{h.server.URL, key, tenantA})
	h.must(err)
	got := strings.TrimSpace(f.run("", []string{"JUDGE=" + string(call)}, "typed.js"))
	want, err := json.Marshal(struct {
		Names []string `json:"names"`
		Token string   `json:"token"`
		Code  string   `json:"code"`
		State string   `json:"state"`
	}{[]string{"Alpine Cloud"}, accessToken, "borrower_not_allowed", "active"})
	h.must(err)
	if got != string(want) {
		t.Errorf("the program that openapi-typescript typed prints %s, want %s", got, want)
	}
}
