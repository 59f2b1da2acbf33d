package hooks_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// A rawRequest is a request of which one target is signed and another one is sent, byte by byte.
type rawRequest struct {
	method       string
	signed, sent string   // request targets
	header       []string // further lines
	oauth        string   // further parameters of the Authorization header
	signature    string   // replaces the Authorization header
}

func (h *harness) sendRaw(r rawRequest) answer {
	h.t.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), strings.ToUpper(r.method), u.Scheme+"://"+u.Host+r.signed, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := oauth1.Sign(req, oauth1.Credentials{Key: keyA, Secret: secret.New(secretA)}, h.clock(), oauth1.NewNonce()); err != nil {
		h.t.Fatal(err)
	}
	authorization := req.Header.Get("Authorization") + r.oauth
	if r.signature != "" {
		authorization = r.signature
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	lines := append([]string{
		r.method + " " + r.sent + " HTTP/1.1", "Host: " + u.Host, "Connection: close", "Authorization: " + authorization,
		"APS-Instance-ID: " + instanceA, "APS-Controller-URI: " + controllerURI,
	}, r.header...)
	if _, err := fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return read(h.t, resp)
}

// TestTarget_SignatureAndRouterReadTheSame sends targets that mean something else than what was signed.
func TestTarget_SignatureAndRouterReadTheSame(t *testing.T) {
	history, forget := "/aps/tenant/"+tenantA+"/history", "/aps/tenant/"+tenantA+"/forget"
	upgrade := "/aps/app/" + rootA + "/upgrade"
	owner := []string{"APS-Identity-ID: " + userR2}
	for name, tc := range map[string]struct {
		r    rawRequest
		want failure.Code
	}{
		"a parameter behind #":          {rawRequest{"GET", history + "?a=b", history + "?a=b#&limit=1", owner, "", ""}, failure.BadRequest},
		"the version behind #":          {rawRequest{"POST", upgrade + "?x=1", upgrade + "?x=1#&version=9-9", nil, "", ""}, failure.BadRequest},
		"# in the path":                 {rawRequest{"GET", history, history + "#/consents", owner, "", ""}, failure.BadRequest},
		"only a #":                      {rawRequest{"GET", history, history + "#", owner, "", ""}, failure.BadRequest},
		"another path without a host":   {rawRequest{"POST", "/aps/", "x:" + forget, owner, "", ""}, failure.BadRequest},
		"an opaque target":              {rawRequest{"POST", "/aps/", "http:tenant/" + tenantA + "/forget", owner, "", ""}, failure.BadRequest},
		"another scheme":                {rawRequest{"GET", history, "ftp://connector.example.com" + history, owner, "", ""}, failure.BadRequest},
		"a user before the host":        {rawRequest{"GET", history, "http://a@b" + history, owner, "", ""}, failure.BadRequest},
		"an asterisk":                   {rawRequest{"POST", "/aps/", "*", nil, "", ""}, failure.BadRequest},
		"a backslash":                   {rawRequest{"GET", history + `?a=\`, history + `?a=\`, owner, "", ""}, failure.BadRequest},
		"a byte that is not ASCII":      {rawRequest{"GET", history, history + "?a=\xe4", owner, "", ""}, failure.BadRequest},
		"a slash in a segment":          {rawRequest{"POST", "/aps/tenant/" + tenantA + "%2Fforget", "/aps/tenant/" + tenantA + "%2Fforget", owner, "", ""}, failure.BadRequest},
		"a control character":           {rawRequest{"GET", history + "%00", history + "%00", owner, "", ""}, failure.BadRequest},
		"dots":                          {rawRequest{"POST", "/aps/tenant/" + unknownID + "/../" + tenantA + "/forget", "/aps/tenant/" + unknownID + "/../" + tenantA + "/forget", owner, "", ""}, failure.BadRequest},
		"encoded dots":                  {rawRequest{"POST", "/aps/tenant/%2e%2e/forget", "/aps/tenant/%2e%2e/forget", owner, "", ""}, failure.BadRequest},
		"a semicolon":                   {rawRequest{"GET", history + "?a=1;limit=1", history + "?a=1;limit=1", owner, "", ""}, failure.BadRequest},
		"a method in lower case":        {rawRequest{"get", history, history, owner, "", ""}, failure.BadRequest},
		"a parameter twice":             {rawRequest{"GET", history + "?limit=2&limit=1", history + "?limit=2&limit=1", owner, "", ""}, failure.BadRequest},
		"the same in another order":     {rawRequest{"GET", history + "?limit=2&limit=1", history + "?limit=1&limit=2", owner, "", ""}, failure.BadRequest},
		"the version twice":             {rawRequest{"POST", upgrade + "?version=1-1&version=9-9", upgrade + "?version=9-9&version=1-1", nil, "", ""}, failure.BadRequest},
		"a parameter moved to a header": {rawRequest{"GET", history + "?limit=1", history, owner, `,limit="1"`, ""}, failure.Unauthorized},
		"a further slash":               {rawRequest{"GET", history, "/aps" + history, owner, "", ""}, failure.Unauthorized},
		"an encoded prefix":             {rawRequest{"GET", "/aps/%61ps/tenant/" + tenantA + "/history", "/%61ps/tenant/" + tenantA + "/history", owner, "", ""}, failure.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.refusal(h.sendRaw(tc.r), tc.r.method+" "+tc.r.sent, tc.want)
			if h.changes() != "" {
				t.Errorf("changes = %s, want none", h.changes())
			}
		})
	}
}

// TestTarget_AcceptsWhatPlatformsSend accepts both forms, escapes, and RQL.
func TestTarget_AcceptsWhatPlatformsSend(t *testing.T) {
	history := "/aps/tenant/" + tenantA + "/history"
	for _, r := range []rawRequest{
		{method: "GET", signed: history, sent: history},
		{method: "GET", signed: history, sent: "http://connector.example.com" + history},
		{method: "GET", signed: history, sent: "HTTPS://connector.example.com:8443" + history},
		{method: "GET", signed: history + "?limit=1", sent: history + "?limit=1"},
		{method: "GET", signed: history + "?a=%20b&b=c+d", sent: history + "?b=c%20d&a=+b"},
		{method: "GET", signed: history + "?like(name,*a|b*),limit(0,10)", sent: history + "?like(name,*a|b*),limit(0,10)"},
		{method: "GET", signed: history + "?", sent: history},
		{method: "GET", signed: "/aps//tenant/" + tenantA + "/hist%6Fry/", sent: "/aps//tenant/" + tenantA + "/hist%6Fry/"},
	} {
		r.header = []string{"APS-Identity-ID: " + userR2}
		if a := installed(t).sendRaw(r); a.status != http.StatusOK {
			t.Errorf("GET %s, signed for %s = %d %s, want 200", r.sent, r.signed, a.status, a.text)
		}
	}
}

// TestTarget_IsNoOracle sends a malformed target with a valid, a wrong and no signature: the answers are equal.
func TestTarget_IsNoOracle(t *testing.T) {
	h := installed(t)
	history := "/aps/tenant/" + tenantA + "/history"
	bodies := map[string]bool{}
	for _, signature := range []string{"", "none", `OAuth oauth_consumer_key="key-a",oauth_nonce="n",oauth_signature_method="HMAC-SHA1",oauth_timestamp="1",oauth_signature="x"`} {
		a := h.sendRaw(rawRequest{method: "GET", signed: history, sent: history + "#", signature: signature})
		bodies[references.ReplaceAllString(a.text, "")] = true
	}
	if len(bodies) != 1 {
		t.Errorf("answers = %v, want equal ones", bodies)
	}
}
