package microsoft_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS8_CodeWorksOnce(t *testing.T) {
	w := newWorld(t)
	code := w.code(willing(admin))
	w.checkOK("first redemption", w.redeem(code))
	w.checkRefused("second redemption", w.redeem(code), http.StatusBadRequest, "invalid_grant", 54005)
}

// TestApplicationToken_ProvesTheCredential: an application that asks for itself gets a token that no API accepts.
func TestApplicationToken_ProvesTheCredential(t *testing.T) {
	w := newWorld(t)
	ask := func(edits ...string) answer {
		asked := append([]string{"grant_type=client_credentials", "scope=https://graph.microsoft.com/.default", "code", "code_verifier", "redirect_uri"}, edits...)
		return w.do(w.tokenRequest(codeForm(""), asked...))
	}
	got := ask()
	w.checkOK("a token for the application", got)
	if answered := w.get(w.GraphURL()+"/v1.0/me", "Authorization", "Bearer "+got.text("access_token")); answered.status != http.StatusUnauthorized {
		t.Errorf("Graph with the token of an application = %d, want 401", answered.status)
	}
	w.checkRefused("with another secret", ask("client_secret=wrong"), 401, "invalid_client", 7000215)
	w.checkRefused("of an unknown application", ask("client_id=bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"), 400, "unauthorized_client", 700016)
	w.checkRefused("with single permissions", ask("scope=https://graph.microsoft.com/User.Read"), 400, "invalid_scope", 1002012)
}

func TestS8_CodeLivesTenMinutes(t *testing.T) {
	w := newWorld(t)
	early, late := w.code(willing(admin)), w.code(willing(admin))
	w.Advance(10 * time.Minute)
	w.checkOK("redemption at ten minutes", w.redeem(early))
	w.Advance(time.Second)
	w.checkRefused("redemption after ten minutes", w.redeem(late), http.StatusBadRequest, "invalid_grant", 70008)
}

func TestS8_CodeIsBoundToWhatItWasIssuedFor(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.ID, app.MultiTenant = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", true
	app.RedirectURIs = append(app.RedirectURIs, microsoft.RedirectURI{URI: callback + "/2"})
	w.must(w.AddApplication(app))
	verifier, challenge := pkce()
	other, _ := pkce()
	bound := []string{"client_id=" + app.ID, "code_challenge=" + challenge, "code_challenge_method=S256"}
	for name, tc := range map[string]struct {
		edits     []string
		status    int
		wantError string
		code      int
	}{
		"of another application": {[]string{"client_id=" + appID, "code_verifier=" + verifier}, 400, "invalid_grant", 700007},
		"in another directory":   {[]string{"tenant=" + fabrikam, "code_verifier=" + verifier}, 400, "invalid_grant", 700005},
		"with another redirect":  {[]string{"redirect_uri=" + callback + "/2", "code_verifier=" + verifier}, 401, "invalid_client", 500112},
		"without redirect":       {[]string{"redirect_uri", "code_verifier=" + verifier}, 400, "invalid_request", 900144},
		"without a verifier":     {nil, 400, "invalid_grant", 501481},
		"with another verifier":  {[]string{"code_verifier=" + other}, 400, "invalid_grant", 501481},
		"with the challenge":     {[]string{"code_verifier=" + challenge}, 400, "invalid_grant", 501481},
		"that nobody issued":     {[]string{"code=nonsense", "code_verifier=" + verifier}, 400, "invalid_grant", 70000},
		"that is missing":        {[]string{"code", "code_verifier=" + verifier}, 400, "invalid_request", 900144},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.redeem(w.code(willing(admin), bound...), append([]string{"client_id=" + app.ID}, tc.edits...)...)
			w.checkRefused("redeeming a code "+name, got, tc.status, tc.wantError, tc.code)
		})
	}
	w.checkOK("redeeming a code with its verifier", w.redeem(w.code(willing(admin), bound...), "client_id="+app.ID, "code_verifier="+verifier))
	w.checkRefused("a verifier without a challenge", w.redeem(w.code(willing(admin)), "code_verifier="+verifier), 400, "invalid_grant", 501481)
	w.checkOK("an empty verifier without a challenge", w.redeem(w.code(willing(admin)), "code_verifier="))
	shared := w.code(willing(admin), "tenant=common", "client_id="+app.ID)
	w.checkOK("a code of common in the directory", w.redeem(shared, "client_id="+app.ID))
}

func TestS8_CodeForSeveralAPIsRequiresAScope(t *testing.T) {
	w := newWorld(t)
	w.checkRefused("redeeming a code of several APIs without scope", w.redeem(w.code(willing(admin)), "scope"), 400, "invalid_request", 28003)
	w.checkRefused("redeeming a code for two APIs", w.redeem(w.code(willing(admin)), "scope="+partnerCenterScope+" "+armScope), 400, "invalid_scope", 28000)
	w.checkOK("redeeming a code of one API without scope", w.redeem(w.code(willing(admin), "scope="+partnerCenterScope), "scope"))
}

func TestS8_CodeEndsWithItsAccount(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		happens func(string) error
		code    int
	}{{w.RevokeSessions, 50173}, {w.Disable, 50057}, {w.RemoveUser, 50034}} {
		code := w.code(willing(admin))
		w.must(tc.happens(admin))
		w.checkRefused("redeeming a code too late", w.redeem(code), 400, "invalid_grant", tc.code)
		if tc.code == 50057 {
			w.must(w.Enable(admin))
		}
	}
}

func TestS8_TokenRequestsAreRefusedInOrder(t *testing.T) {
	w := newWorld(t)
	code := w.code(willing(admin))
	w.checkRefused("no grant type", w.redeem(code, "grant_type"), 400, "invalid_request", 900144)
	w.checkRefused("unknown grant type", w.redeem(code, "grant_type=password"), 400, "unsupported_grant_type", 70003)
	w.checkRefused("no client", w.redeem(code, "client_id"), 400, "invalid_request", 900144)
	w.checkRefused("unknown directory", w.redeem(code, "tenant=nobody.example"), 400, "invalid_request", 90002)
	w.checkRefused("unknown client", w.redeem(code, "client_id="+fabrikam), 400, "unauthorized_client", 700016)
	w.checkRefused("client of another directory", w.redeem(code, "tenant="+fabrikam), 400, "unauthorized_client", 700016)
	w.checkRefused("single-tenant client on common", w.redeem(code, "tenant=common"), 400, "invalid_request", 50194)
	w.checkRefused("GET", w.get(w.LoginURL()+"/"+contoso+"/oauth2/v2.0/token"), 400, "invalid_request", 900561)

	r := w.tokenRequest(codeForm(code))
	r.Header.Set("Content-Type", "application/json")
	w.checkRefused("another content type", w.do(r), 400, "invalid_request", 9002313)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.LoginURL()+"/"+contoso+"/oauth2/v2.0/token", strings.NewReader("grant_type=refresh_token&grant_type=refresh_token"))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w.checkRefused("a parameter twice", w.do(r), 400, "invalid_request", 9000411)
	w.checkOK("the same code, untouched by all that", w.redeem(code))
}

func TestS9_SecretsByBodyAndBasic(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetSecrets(appID, microsoft.Secret{Value: appValue, Ends: epoch.Add(days(30))}, microsoft.Secret{Value: "a+b/c=d~e"}))
	code := w.code(willing(admin))
	w.checkRefused("no secret", w.redeem(code, "client_secret"), 401, "invalid_client", 7000218)
	w.checkRefused("wrong secret", w.redeem(code, "client_secret="+uuid.NewString()), 401, "invalid_client", 7000215)

	inQuery := w.tokenRequest(codeForm(code), "client_secret")
	inQuery.URL.RawQuery = url.Values{"client_secret": {appValue}}.Encode()
	w.checkRefused("secret in the URL", w.do(inQuery), 401, "invalid_client", 7000218)

	token := w.redeem(code).text("refresh_token")
	basic := w.tokenRequest(refreshForm(token), "client_id", "client_secret")
	basic.SetBasicAuth(appID, url.QueryEscape("a+b/c=d~e"))
	w.checkOK("secret by Basic", w.do(basic))
	wrong := w.tokenRequest(refreshForm(token), "client_id", "client_secret")
	wrong.SetBasicAuth(appID, "wrong")
	w.checkRefused("wrong secret by Basic", w.do(wrong), 401, "invalid_client", 7000215)

	w.Advance(days(30))
	w.checkRefused("expired secret", w.renew(token), 401, "invalid_client", 7000222)
	w.checkOK("the other secret", w.renew(token, "client_secret=a+b/c=d~e"))
}

// certificate returns a key and a self-signed certificate.
func certificate(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: epoch.Add(-days(1)), NotAfter: epoch.Add(days(365)),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, parsed
}

func TestS9_AssertionsByCertificate(t *testing.T) {
	w := newWorld(t)
	key, cert := certificate(t)
	otherKey, _ := certificate(t)
	app := w.application()
	app.Secrets, app.Certificates = nil, []*x509.Certificate{cert}
	w.must(w.AddApplication(app))
	sum256, sum1 := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw)
	by256, by1 := base64.RawURLEncoding.EncodeToString(sum256[:]), base64.RawURLEncoding.EncodeToString(sum1[:])
	endpoint := w.LoginURL() + "/" + contoso + "/oauth2/v2.0/token"
	usual := map[string]any{
		"aud": endpoint, "iss": appID, "sub": appID, "jti": "one", "nbf": epoch.Unix(), "iat": epoch.Unix(), "exp": epoch.Add(10 * time.Minute).Unix(),
	}
	assertion := func(algorithm jose.SignatureAlgorithm, key *rsa.PrivateKey, header, thumbprint string, change map[string]any) string {
		options := (&jose.SignerOptions{}).WithType("JWT").WithHeader(jose.HeaderKey(header), thumbprint)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
		w.must(err)
		claims := make(map[string]any)
		for name, value := range usual {
			claims[name] = value
		}
		for name, value := range change {
			claims[name] = value
		}
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		w.must(err)
		return text
	}
	redeem := func(assertion string) answer {
		return w.redeem(w.code(willing(admin)), "client_secret", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion="+assertion)
	}
	for name, tc := range map[string]struct {
		assertion string
		code      int
	}{
		"another key":         {assertion(jose.PS256, otherKey, "x5t#S256", by256, nil), 700027},
		"unknown thumbprint":  {assertion(jose.PS256, key, "x5t#S256", "nonsense", nil), 700027},
		"SHA-1 with PS256":    {assertion(jose.PS256, key, "x5t", by1, nil), 700027},
		"another audience":    {assertion(jose.PS256, key, "x5t#S256", by256, map[string]any{"aud": w.LoginURL()}), 700023},
		"expired":             {assertion(jose.PS256, key, "x5t#S256", by256, map[string]any{"exp": epoch.Add(-time.Second).Unix()}), 700024},
		"not yet":             {assertion(jose.PS256, key, "x5t#S256", by256, map[string]any{"nbf": epoch.Add(time.Hour).Unix()}), 700024},
		"of another client":   {assertion(jose.PS256, key, "x5t#S256", by256, map[string]any{"iss": fabrikam, "sub": fabrikam}), 50012},
		"without identifier":  {assertion(jose.PS256, key, "x5t#S256", by256, map[string]any{"jti": ""}), 50012},
		"that cannot be read": {"nonsense", 50012},
	} {
		t.Run(name, func(t *testing.T) {
			w.checkRefused("assertion "+name, redeem(tc.assertion), http.StatusUnauthorized, "invalid_client", tc.code)
		})
	}
	w.checkRefused("assertion without its type", w.redeem(w.code(willing(admin)), "client_secret", "client_assertion=x"), 400, "invalid_request", 900144)
	for name, good := range map[string]string{
		"PS256, base64url":        assertion(jose.PS256, key, "x5t#S256", by256, nil),
		"PS256, base64 as MSAL's": assertion(jose.PS256, key, "x5t#S256", base64.StdEncoding.EncodeToString(sum256[:]), nil),
		"RS256, SHA-1":            assertion(jose.RS256, key, "x5t", by1, nil),
	} {
		t.Run(name, func(t *testing.T) {
			got := redeem(good)
			w.checkOK("assertion "+name, got)
			if proof := w.claims(got.text("access_token"))["appidacr"]; proof != "2" {
				t.Errorf("appidacr = %v, want 2", proof)
			}
		})
	}
}

func TestS14_FifteenIdenticalRequestsAreALoop(t *testing.T) {
	w := newWorld(t)
	got := w.grant()
	token := got.text("refresh_token")
	for i := range 14 {
		if got := w.renew(token); got.status != http.StatusOK {
			t.Fatalf("equal request %d = %d %s, want 200", i+1, got.status, got.raw)
		}
	}
	w.checkRefused("the fifteenth equal request", w.renew(token), http.StatusBadRequest, "invalid_grant", 50196)
	w.checkOK("another request", w.renew(token, "scope=offline_access "+armScope))
	w.Advance(5 * time.Minute)
	w.checkOK("the same request after five minutes", w.renew(token))
}
