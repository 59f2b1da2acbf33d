package walk

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/sandbox/world"
)

// forward has calls forwarded for Fjord Foods and for Alpine Cloud, by our own form of address and by that of chaperone.
func forward(ctx context.Context, w *walker) (string, error) {
	scopes := w.scopes(client.Forward)
	scopes.Forward = []client.Rule{
		{API: "arm", Methods: []string{http.MethodGet}, Path: "/subscriptions/**"},
		{API: "graph", Methods: []string{http.MethodGet}, Path: "/v1.0/organization"},
	}
	key, err := w.world.AddClient(ctx, "forwarded", scopes)
	if err != nil {
		return "", err
	}
	alpine := w.world.TenantOf(world.Rita).ID
	context := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"TenantID":%q,"Resource":"https://management.azure.com"}`, world.FjordDomain))
	for _, call := range []struct {
		method, path, target, context string
		status                        int
		failure, shows                string
	}{
		{http.MethodGet, "/arm/" + alpine + "/" + world.FjordDirectory + subscriptions, "", "", http.StatusOK, "", world.FjordSubscription},
		{http.MethodGet, "/proxy", w.world.Microsoft.ARMURL() + subscriptions, context, http.StatusOK, "", world.FjordSubscription},
		{http.MethodGet, "/graph/" + alpine + "/v1.0/organization", "", "", http.StatusOK, "", world.AlpineDirectory},
		{http.MethodGet, "/graph/" + alpine + "/v1.0/me", "", "", http.StatusForbidden, "client_not_allowed", ""},
		{http.MethodPost, "/graph/" + alpine + "/v1.0/$batch", "", "", http.StatusForbidden, "client_not_allowed", ""},
		{http.MethodGet, "/proxy", w.world.Microsoft.PartnerCenterURL() + "/v1/customers", "", http.StatusForbidden, "client_not_allowed", ""},
		{http.MethodGet, "/graph/" + w.world.TenantOf(world.Bjorn).ID + "/v1.0/organization", "", "", http.StatusForbidden, "client_not_allowed", ""},
	} {
		header := http.Header{"Authorization": {"Bearer " + key.Reveal()}}
		if call.target != "" {
			header["X-Connect-Target-Url"] = []string{call.target}
		}
		if call.context != "" {
			header["X-Connect-Context-Data"] = []string{call.context}
		}
		status, failure, content, err := w.egress(ctx, call.method, call.path, header)
		if err != nil {
			return "", err
		}
		if status != call.status || failure != call.failure || !strings.Contains(content, call.shows) {
			return "", fmt.Errorf("%s %s was answered with %d %s %s", call.method, call.path, status, failure, content)
		}
	}
	return "Azure showed the subscription of Fjord Foods, both ways; what no rule allows is refused", nil
}

// egress sends a call to the egress.
func (w *walker) egress(ctx context.Context, method, path string, header http.Header) (status int, failure, content string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, w.world.EgressURL+path, nil)
	if err != nil {
		return 0, "", "", err
	}
	request.Header = header
	answer, err := world.NewBrowser().Do(request)
	if err != nil {
		return 0, "", "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header.Get("X-Connector-Failure"), string(body), err
}
