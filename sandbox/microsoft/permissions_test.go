package microsoft_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

const (
	billingScope  = "https://graph.microsoft.com/PartnerBilling.Read.All"
	insightsScope = "https://api.partner.microsoft.com/Insights.Read.All"
)

func TestS35_PermissionsAreGrantedAndWithdrawnSingly(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant("scope=" + allScopes + " " + billingScope + " " + insightsScope).text("refresh_token")
	renewed := w.renew(refresh, "scope=openid "+graphScope)
	w.checkOK("renewing for Graph", renewed)
	granted := strings.Fields(w.claims(renewed.text("access_token"))["scp"].(string))
	// The token has all that was consented to, whatever was requested.
	if want := []string{"Directory.Read.All", "PartnerBilling.Read.All", "User.Read"}; !slices.Equal(granted, want) {
		t.Errorf("scp = %v, want %v", granted, want)
	}
	if got := strings.Fields(renewed.text("scope")); !slices.Contains(got, billingScope) {
		t.Errorf("scope = %v, want %s in it", got, billingScope)
	}
	w.must(w.RemovePermissions(contoso, appID, "https://graph.microsoft.com/Directory.Read.All"))
	w.checkRefused("renewing for what was withdrawn", w.renew(refresh, "scope=https://graph.microsoft.com/Directory.Read.All "+graphScope), http.StatusBadRequest, "invalid_grant", 65001)
	rest := w.renew(refresh, "scope=https://graph.microsoft.com/.default")
	w.checkOK("renewing for what is left", rest)
	if got := w.claims(rest.text("access_token"))["scp"]; got != "PartnerBilling.Read.All User.Read" {
		t.Errorf("scp = %v, want what is left", got)
	}

	partner := w.renew(refresh, "scope="+insightsScope)
	w.checkOK("renewing for the service beside the three", partner)
	w.checkOK("the service beside the three", w.get(w.PartnerURL()+"/v1.0/insights", "Authorization", "Bearer "+partner.text("access_token")))
	for name, token := range map[string]string{"no token": "", "a token of Graph": rest.text("access_token")} {
		if got := w.get(w.PartnerURL()+"/v1.0/insights", "Authorization", "Bearer "+token); got.status != http.StatusUnauthorized {
			t.Errorf("the service beside the three with %s = %d, want 401", name, got.status)
		}
	}
	w.must(w.RemovePermissions(contoso, appID, insightsScope))
	w.checkRefused("renewing for a service that lost its consent", w.renew(refresh, "scope="+insightsScope), http.StatusBadRequest, "invalid_grant", 65001)
}

func TestS36_GraphTellsWhenCredentialsEnd(t *testing.T) {
	w := newWorld(t)
	ends := epoch.AddDate(0, 2, 0)
	w.must(w.SetSecrets(appID, microsoft.Secret{Value: appValue, Ends: ends}, microsoft.Secret{Value: "xyz-another", Ends: epoch, NoHint: true}))
	_, leaf := certificate(t)
	w.must(w.SetCertificates(appID, leaf))
	read := func(scope, id string) answer {
		t.Helper()
		refresh := w.grant("scope=" + oidcScopes + " " + partnerCenterScope + " " + scope).text("refresh_token")
		return w.get(w.GraphURL()+"/v1.0/applications(appId='"+id+"')?$select=passwordCredentials", "Authorization", "Bearer "+w.access(refresh, scope))
	}
	w.must(w.RemoveConsent(contoso, appID))
	if got := read(graphScope, appID); got.status != http.StatusForbidden {
		t.Errorf("an application without the permission = %d, want 403", got.status)
	}
	const directoryScope = "https://graph.microsoft.com/Directory.Read.All"
	got := read(directoryScope, appID)
	w.checkOK("an application", got)
	secrets, _ := got.body["passwordCredentials"].([]any)
	if len(secrets) != 2 {
		t.Fatalf("an application has %d secrets, want 2: %s", len(secrets), got.raw)
	}
	first, second := secrets[0].(map[string]any), secrets[1].(map[string]any)
	if first["hint"] != appValue[:3] || first["endDateTime"] != ends.Format(time.RFC3339) || second["hint"] != nil || strings.Contains(got.raw, appValue) {
		t.Errorf("the secrets = %v, want their first characters and ends only", secrets)
	}
	if keys, _ := got.body["keyCredentials"].([]any); len(keys) != 1 {
		t.Errorf("an application has %d certificates, want 1", len(keys))
	}
	if got := read(directoryScope, "99999999-0000-4000-8000-000000000009"); got.status != http.StatusNotFound {
		t.Errorf("an unknown application = %d, want 404", got.status)
	}
	w.must(w.AddApplication(microsoft.Application{ID: "bbbbbbbb-0000-4000-8000-000000000009", Name: "Other", DirectoryID: fabrikam, MultiTenant: true}))
	if got := read(directoryScope, "bbbbbbbb-0000-4000-8000-000000000009"); got.status != http.StatusNotFound {
		t.Errorf("an application of another directory = %d, want 404", got.status)
	}
}
