package microsoft_test

import (
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS25_CloudsHaveTheirOwnAudiencesAndTokens(t *testing.T) {
	global := newWorld(t)
	foreign := global.access(global.grant().text("refresh_token"), partnerCenterScope)
	for _, cloud := range []microsoft.Cloud{microsoft.USGovernment(), microsoft.China()} {
		t.Run(cloud.Name, func(t *testing.T) {
			w := newWorld(t, func(cfg *microsoft.Config) { cfg.Cloud = cloud })
			scope := cloud.PartnerCenter.Audiences[0] + "/user_impersonation"
			armScope := cloud.ARM.Audiences[0] + "/user_impersonation"
			graphScope := cloud.Graph.Audiences[0] + "/User.Read"
			code := w.code(willing(admin), "scope="+strings.Join([]string{oidcScopes, scope, armScope, graphScope}, " "))
			got := w.redeem(code, "scope=offline_access "+scope)
			w.checkOK("redeeming in "+cloud.Name, got)
			claims := w.claims(got.text("access_token"))
			if claims["aud"] != cloud.PartnerCenter.Audiences[0] || claims["iss"] != cloud.Issuer+"/"+contoso+"/" {
				t.Errorf("access token in %s = %v, want its audience and issuer", cloud.Name, claims)
			}
			w.checkOK("Partner Center of "+cloud.Name, w.profile(got.text("access_token")))
			token := got.text("refresh_token")
			w.checkOK("ARM of "+cloud.Name, w.arm(w.access(token, armScope), "/tenants?api-version=2022-12-01"))
			w.checkOK("Graph of "+cloud.Name, w.graph(w.access(token, graphScope), "/me"))
			w.checkRefused("a scope of the global cloud", w.renew(token, "scope=https://management.azure.com/user_impersonation"), 400, "invalid_resource", 500011)
			if got := w.profile(foreign); got.status != http.StatusUnauthorized {
				t.Errorf("Partner Center of %s with a token of the global cloud = %d, want 401", cloud.Name, got.status)
			}
		})
	}
}
