package microsoft_test

import (
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

const workload = "system:serviceaccount:azure:connector"

func startIssuer(t testing.TB) *microsoft.Issuer {
	t.Helper()
	issuer, err := microsoft.StartIssuer()
	if err != nil {
		t.Fatalf("StartIssuer() = %v", err)
	}
	t.Cleanup(func() { issuer.Close() })
	return issuer
}

func TestS34_FederatedCredentials(t *testing.T) {
	w := newWorld(t)
	issuer, another := startIssuer(t), startIssuer(t)
	w.must(w.SetFederated(appID, microsoft.FederatedCredential{Issuer: issuer.URL, Subject: workload}))
	refreshToken := w.grant().text("refresh_token")
	w.must(w.SetSecrets(appID))
	type request struct {
		from              *microsoft.Issuer
		subject, audience string
		at                time.Time
	}
	good := request{issuer, workload, microsoft.FederatedAudience, epoch}
	with := func(change func(*request)) request {
		changed := good
		change(&changed)
		return changed
	}
	for name, tc := range map[string]struct {
		request
		want int // AADSTS; 0: accepted
	}{
		"accepted":         {good, 0},
		"another issuer":   {with(func(r *request) { r.from = another }), 700211},
		"another subject":  {with(func(r *request) { r.subject += "-2" }), 700213},
		"another case":     {with(func(r *request) { r.subject = "System:serviceaccount:azure:connector" }), 700213},
		"another audience": {with(func(r *request) { r.audience = "https://kubernetes.default.svc" }), 700212},
		"expired":          {with(func(r *request) { r.at = epoch.Add(-2 * time.Hour) }), 700024},
		"of the future":    {with(func(r *request) { r.at = epoch.Add(time.Hour) }), 700024},
	} {
		t.Run(name, func(t *testing.T) {
			assertion, err := tc.from.Token(tc.subject, tc.audience, tc.at, time.Hour)
			w.must(err)
			w.checkFederated(refreshToken, assertion, tc.want)
		})
	}
	t.Run("a key that is not the issuer's", func(t *testing.T) {
		assertion, err := issuer.Token(workload, microsoft.FederatedAudience, epoch, time.Hour)
		w.must(err)
		w.must(issuer.RotateKey())
		w.checkFederated(refreshToken, assertion, 50013)
		issuer.SetAvailable(false)
		assertion, err = issuer.Token(workload, microsoft.FederatedAudience, epoch, time.Hour)
		w.must(err)
		w.checkFederated(refreshToken, assertion, 50013)
		issuer.SetAvailable(true)
		w.checkFederated(refreshToken, assertion, 0)
	})
	t.Run("not a JWT", func(t *testing.T) { w.checkFederated(refreshToken, "no.jwt.here", 50012) })
}

// checkFederated redeems a refresh token with an assertion in place of the secret.
func (w *world) checkFederated(refreshToken, assertion string, want int) {
	w.t.Helper()
	got := w.renew(refreshToken, "client_secret", "client_assertion="+assertion,
		"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	if want == 0 {
		w.checkOK("renewing with an assertion", got)
		return
	}
	w.checkRefused("renewing with an assertion", got, http.StatusUnauthorized, "invalid_client", want)
}
