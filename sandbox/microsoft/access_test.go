package microsoft_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

// weak returns a refresh token of admin without MFA, with consents for every API.
func (w *world) weak() string {
	w.t.Helper()
	w.must(w.SetMFA(admin, microsoft.MFARegistered))
	w.must(w.GrantConsent(contoso, appID, admin, partnerCenterScope, graphScope, armScope))
	token, err := w.IssueRefreshToken(microsoft.RefreshToken{UPN: admin, ApplicationID: appID, AMR: []string{"pwd"}})
	w.must(err)
	return token
}

func TestS17_AccessTokensAreVersionOneWithAMR(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	lives := make(map[float64]bool)
	for i, scope := range []string{partnerCenterScope, graphScope, armScope, partnerCenterScope, armScope} {
		claims := w.claims(w.access(token, scope))
		if claims["ver"] != "1.0" || claims["iss"] != "https://sts.windows.net/"+contoso+"/" || claims["appid"] != appID || claims["tid"] != contoso {
			t.Errorf("access token for %s = %v, want version 1.0 of this directory and application", scope, claims)
		}
		if amr, _ := claims["amr"].([]any); !slices.Contains(amr, any("mfa")) {
			t.Errorf("amr for %s = %v, want mfa", scope, claims["amr"])
		}
		life := claims["exp"].(float64) - float64(w.Now().Unix()) // iat may lie in the past
		if lives[life] = true; life < 3600 || life >= 5400 {
			t.Errorf("life of access token %d = %v s, want 60 to 90 minutes", i, life)
		}
	}
	if len(lives) < 2 {
		t.Errorf("lives = %v, want them to differ", lives)
	}
}

func TestS17_RefreshTokenKeepsItsAuthentication(t *testing.T) {
	w := newWorld(t)
	token := w.weak()
	for range 3 {
		got := w.renew(token)
		if amr := fmt.Sprint(w.claims(got.text("access_token"))["amr"]); amr != "[pwd]" {
			t.Errorf("amr of a token obtained without MFA = %s, want [pwd]", amr)
		}
		token = got.text("refresh_token")
	}
}

func TestS17_OpaqueAccessTokensWork(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.SetOddities(microsoft.Oddities{OpaqueAccessTokens: true})
	access := w.access(token, partnerCenterScope)
	if strings.Contains(access, ".") {
		t.Errorf("opaque access token = %q, want no JWT", access)
	}
	got := w.profile(access)
	if got.status != http.StatusOK || got.header.Get("isMfaCompliant") != "true" {
		t.Errorf("Partner Center with an opaque token = %d, isMfaCompliant %q, want 200, true", got.status, got.header.Get("isMfaCompliant"))
	}
	w.Advance(2 * time.Hour)
	if got := w.profile(access); got.status != http.StatusUnauthorized {
		t.Errorf("Partner Center with an opaque token after two hours = %d, want 401", got.status)
	}
}

func TestS18_IDTokenHasAMRInVersionOneOnly(t *testing.T) {
	w := newWorld(t)
	got := w.grant()
	second := w.claims(got.text("id_token"))
	if second["amr"] != nil || second["acr"] != nil || second["nonce"] != "nonce-1" || second["ver"] != "2.0" || second["idp"] != nil {
		t.Errorf("id_token of version 2 = %v, want the nonce, and neither amr nor acr nor idp", second)
	}
	if want := w.LoginURL() + "/" + contoso + "/v2.0"; second["iss"] != want || second["preferred_username"] != admin {
		t.Errorf("id_token of version 2 = %v, want issuer %s", second, want)
	}
	first := w.claims(w.renew(got.text("refresh_token"), "v1", "scope").text("id_token"))
	if first["amr"] == nil || first["upn"] != admin || first["nonce"] != nil {
		t.Errorf("id_token of version 1 = %v, want amr and upn, and no nonce of the sign-in", first)
	}
}

func TestS18_GuestsAndOddClaims(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.OptionalClaims = []string{"acct"}
	w.must(w.AddApplication(app))
	const guest = "guest@elsewhere.example"
	w.must(w.AddUser(microsoft.User{UPN: guest, Password: password, DirectoryID: contoso, Guest: true, GlobalAdmin: true, MFA: microsoft.MFARegistered}))
	claims := w.claims(w.redeem(w.code(willing(guest))).text("id_token"))
	if idp, _ := claims["idp"].(string); idp == "" || idp == claims["iss"] || claims["acct"] != float64(1) {
		t.Errorf("id_token of a guest = %v, want another idp, acct 1", claims)
	}
	w.SetOddities(microsoft.Oddities{
		IDTokenClaims: map[string]any{"nonce": "another", "tid": fabrikam, "aud": nil}, AccessTokenClaims: map[string]any{"appid": fabrikam},
	})
	got := w.grant()
	claims = w.claims(got.text("id_token"))
	if claims["nonce"] != "another" || claims["tid"] != fabrikam || claims["aud"] != nil || claims["acct"] != float64(0) {
		t.Errorf("odd id_token = %v, want the claims replaced and aud gone", claims)
	}
	if appid := w.claims(got.text("access_token"))["appid"]; appid != fabrikam {
		t.Errorf("appid of an odd access token = %v, want %s", appid, fabrikam)
	}
}
