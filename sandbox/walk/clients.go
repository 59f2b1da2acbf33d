package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/world"
)

// scopes returns those of a client that may do something with Alpine Cloud's token.
func (w *walker) scopes(operations ...client.Operation) client.Scopes {
	return client.Scopes{
		Tenants: []string{w.world.TenantOf(world.Rita).ID}, APIs: tenant.APIs(),
		Directories: []string{tenant.PartnerDirectory, tenant.CustomerDirectories}, Operations: operations,
	}
}

// lendByOAuth borrows by golang.org/x/oauth2, and uses the access tokens.
func lendByOAuth(ctx context.Context, w *walker) (string, error) {
	key, err := w.world.AddClient(ctx, "walker", w.scopes(client.Lend))
	if err != nil {
		return "", err
	}
	for scope, address := range w.alpineAddresses() {
		config := clientcredentials.Config{
			ClientID: "walker", ClientSecret: key.Reveal(), TokenURL: w.world.APIURL + "/oauth2/token", Scopes: []string{scope + "/.default"},
		}
		token, err := config.Token(ctx)
		if err != nil {
			return "", fmt.Errorf("borrowing for %s: %w", scope, err)
		}
		if err := w.answersForAlpine(ctx, address, token.AccessToken); err != nil {
			return "", err
		}
	}
	customer := clientcredentials.Config{
		ClientID: "walker", ClientSecret: key.Reveal(), TokenURL: w.world.APIURL + "/oauth2/token", Scopes: []string{"arm"},
		EndpointParams: url.Values{"directory": {world.FjordDirectory}},
	}
	token, err := customer.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("borrowing for the customer: %w", err)
	}
	if err := w.showsCustomer(ctx, token.AccessToken); err != nil {
		return "", err
	}
	wrong := clientcredentials.Config{
		ClientID: "walker", ClientSecret: key.Reveal(), TokenURL: w.world.APIURL + "/oauth2/" + w.world.TenantOf(world.Bjorn).ID + "/token", Scopes: []string{"graph"},
	}
	_, err = wrong.Token(ctx)
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "unauthorized_client" {
		return "", fmt.Errorf("borrowing for another tenant was not refused: %w", err)
	}
	return "Graph and ARM answered for Alpine Cloud's directory, Azure for Fjord Foods; another tenant is refused", nil
}

// alpineAddresses returns what to read with an access token, by resource.
func (w *walker) alpineAddresses() map[string]string {
	return map[string]string{
		"https://graph.microsoft.com":  w.world.Microsoft.GraphURL() + "/v1.0/organization?$select=id,displayName,verifiedDomains",
		"https://management.azure.com": w.world.Microsoft.ARMURL() + "/tenants?api-version=2022-12-01",
	}
}

func (w *walker) answersForAlpine(ctx context.Context, address, accessToken string) error {
	content, err := w.use(ctx, address, lent{AccessToken: accessToken})
	if err == nil && !strings.Contains(content, world.AlpineDirectory) {
		err = fmt.Errorf("the answer of %s is not about Alpine Cloud's directory", address)
	}
	return err
}

// lendAsIdentity borrows as SDKs of Azure do in App Service, and uses the access tokens.
func lendAsIdentity(ctx context.Context, w *walker) (string, error) {
	key, err := w.world.AddClient(ctx, "identity", w.scopes(client.Lend))
	if err != nil {
		return "", err
	}
	for resource, address := range w.alpineAddresses() {
		accessToken, err := w.borrowAsIdentity(ctx, key, resource, world.AlpineDirectory)
		if err != nil {
			return "", err
		}
		if err := w.answersForAlpine(ctx, address, accessToken); err != nil {
			return "", err
		}
	}
	accessToken, err := w.borrowAsIdentity(ctx, key, "https://management.azure.com", world.FjordDirectory)
	if err != nil {
		return "", err
	}
	return "Graph and ARM answered for Alpine Cloud's directory, Azure for Fjord Foods", w.showsCustomer(ctx, accessToken)
}

func (w *walker) borrowAsIdentity(ctx context.Context, key secret.Text, resource, directory string) (accessToken string, err error) {
	query := url.Values{"api-version": {"2019-08-01"}, "resource": {resource}, "client_id": {directory}}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if _, err := w.askAPI(ctx, http.MethodGet, "/msi/token?"+query.Encode(), http.Header{"X-Identity-Header": {key.Reveal()}}, &answer); err != nil {
		return "", fmt.Errorf("borrowing for %s in %s: %w", resource, directory, err)
	}
	return answer.AccessToken, nil
}

// lendByREST borrows for the customer by REST, and uses the access token.
func lendByREST(ctx context.Context, w *walker) (string, error) {
	key, err := w.world.AddClient(ctx, "rest", w.scopes(client.Lend))
	if err != nil {
		return "", err
	}
	var answer lent
	body := fmt.Sprintf(`{"api":"arm","directory":%q}`, world.FjordDirectory)
	path := "/v1/tenants/" + w.world.TenantOf(world.Rita).ID + "/accessToken"
	if _, err := w.sendAPI(ctx, http.MethodPost, path, http.Header{"Authorization": {"Bearer " + key.Reveal()}}, body, &answer); err != nil {
		return "", fmt.Errorf("borrowing for the customer: %w", err)
	}
	return "Azure showed the subscription of Fjord Foods", w.showsCustomer(ctx, answer.AccessToken)
}

// askAPI sends a request without a body to the token API. The error of a refusal is the answer's body.
func (w *walker) askAPI(ctx context.Context, method, path string, header http.Header, into any) (status int, err error) {
	return w.sendAPI(ctx, method, path, header, "", into)
}

// sendAPI is askAPI with a body.
func (w *walker) sendAPI(ctx context.Context, method, path string, header http.Header, body string, into any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, w.world.APIURL+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header = header
	answer, err := world.NewBrowser().Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(string(content))
	}
	if err != nil || into == nil {
		return answer.StatusCode, err
	}
	return answer.StatusCode, json.Unmarshal(content, into)
}

func monitor(ctx context.Context, w *walker) (string, error) {
	scopes := w.scopes(client.Read, client.Renew)
	scopes.Tenants = []string{client.Any}
	key, err := w.world.AddClient(ctx, "monitor", scopes)
	if err != nil {
		return "", err
	}
	bearer := http.Header{"Authorization": {"Bearer " + key.Reveal()}}
	var list struct {
		Tenants []struct{ Name, State string }
	}
	if _, err := w.askAPI(ctx, http.MethodGet, "/v1/tenants?state=active", bearer, &list); err != nil {
		return "", err
	}
	if len(list.Tenants) != 2 {
		return "", fmt.Errorf("%d tenants are active, want 2", len(list.Tenants))
	}
	var checked status
	if _, err := w.askAPI(ctx, http.MethodPost, "/v1/tenants/"+w.world.TenantOf(world.Rita).ID+"/check", bearer, &checked); err != nil {
		return "", err
	}
	if err := checked.works(); err != nil {
		return "", err
	}
	if err := w.world.RemoveClient(ctx, "monitor"); err != nil {
		return "", err
	}
	// It was removed by another process, so the connector may know it a second longer.
	if err := until(ctx, "the removed client is refused", func() bool {
		code, _ := w.askAPI(ctx, http.MethodGet, "/v1/tenants", bearer, nil)
		return code == http.StatusUnauthorized
	}); err != nil {
		return "", err
	}
	return "two tenants are active, and Alpine Cloud's token works with all three APIs", nil
}
