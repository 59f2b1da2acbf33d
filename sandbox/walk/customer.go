package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"azure-partner-connector/sandbox/world"
)

// lendForCustomer borrows for Fjord Foods, a customer of Alpine Cloud, once the provider has allowed it. The application consents
// there through Partner Center, for Azure only, with an access token that it borrowed.
func lendForCustomer(ctx context.Context, w *walker) (string, error) {
	if err := w.refusedFor(ctx, "arm", world.FjordDomain, "customers_not_allowed"); err != nil {
		return "", err
	}
	if err := w.world.Platform.Configure(ctx, "", w.rootID, map[string]any{
		"customerDirectories": "listed",
		"borrowers":           []any{map[string]any{"id": w.world.Borrower().ID, "directories": []any{"partner", "customers"}}},
	}); err != nil {
		return "", fmt.Errorf("allowing customer directories: %w", err)
	}
	if err := w.consentForCustomer(ctx); err != nil {
		return "", err
	}
	l, err := w.borrowFor(ctx, world.Rita, "arm", world.FjordDomain)
	if err != nil {
		return "", fmt.Errorf("borrowing for the customer: %w", err)
	}
	if l.Directory != world.FjordDirectory {
		return "", fmt.Errorf("the access token is for %s, want %s", l.Directory, world.FjordDirectory)
	}
	if err := w.showsCustomer(ctx, l.AccessToken); err != nil {
		return "", err
	}
	for _, refused := range []struct{ api, directory, code string }{
		{"graph", world.FjordDirectory, "customer_consent_missing"},
		{"arm", world.CoralDirectory, "customer_not_listed"},
		{"arm", "nowhere.example", "customer_unknown"},
	} {
		if err := w.refusedFor(ctx, refused.api, refused.directory, refused.code); err != nil {
			return "", err
		}
	}
	st, err := w.status(ctx, world.Rita)
	if err == nil && st.State != "active" {
		err = fmt.Errorf("the status of the partner's token is %s, want active", st.State)
	}
	return "Azure showed the subscription of Fjord Foods; refusals by customers left the partner's token alone", err
}

// subscriptions is what to read in the Azure of a directory.
const subscriptions = "/subscriptions?api-version=2022-12-01"

// showsCustomer returns an error unless Azure shows the subscription of Fjord Foods to an access token.
func (w *walker) showsCustomer(ctx context.Context, accessToken string) error {
	content, err := w.use(ctx, w.world.Microsoft.ARMURL()+subscriptions, lent{AccessToken: accessToken})
	if err != nil {
		return fmt.Errorf("using the customer's token: %w", err)
	}
	return hasCustomer(content)
}

func hasCustomer(content string) error {
	if !strings.Contains(content, world.FjordSubscription) {
		return errors.New("the answer of Azure does not have the customer's subscription")
	}
	return nil
}

// refusedFor returns an error unless borrowing for a directory is refused with a code.
func (w *walker) refusedFor(ctx context.Context, api, directory, code string) error {
	_, err := w.borrowFor(ctx, world.Rita, api, directory)
	if r, ok := errors.AsType[*refusal](err); !ok || r.Details.Code != code {
		return fmt.Errorf("borrowing for %s in %s: %w, want a refusal with %s", api, directory, err, code)
	}
	return nil
}

// consentForCustomer gives the application a consent for Azure in the customer's directory.
func (w *walker) consentForCustomer(ctx context.Context) error {
	l, err := w.borrow(ctx, world.Rita, "partnercenter")
	if err != nil {
		return fmt.Errorf("borrowing for Partner Center: %w", err)
	}
	const azure = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	body := fmt.Sprintf(`{"applicationId":%q,"displayName":"Azure CSP","applicationGrants":[{"enterpriseApplicationId":%q,"scope":"user_impersonation"}]}`,
		world.ApplicationID, azure)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		w.world.Microsoft.PartnerCenterURL()+"/v1/customers/"+world.FjordDirectory+"/applicationconsents", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+l.AccessToken)
	request.Header.Set("Content-Type", "application/json")
	answer, err := world.NewBrowser().Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("consenting for the customer: the answer is %s", answer.Status)
	}
	return nil
}
