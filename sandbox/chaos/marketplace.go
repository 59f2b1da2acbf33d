package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/platform/register"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

// marketKey is the consumer key of the instance that the simulated platform installs, beside the one that is seeded.
const marketKey = "market"

// password is that of everybody, at the platform and at Microsoft.
const password = "x"

// A marketplace is the simulated platform of a deployment. It reaches the replicas through balancers.
type marketplace struct {
	deployment *Deployment
	platform   *platform.Platform
	hooks      *balancer
	onboarding *balancer
	secret     secret.Text
	borrower   platform.CreatedInstance
	rootID     string
}

// A customer is a reseller at the platform, who has a tenant once they have bought.
type customer struct {
	name     string
	account  platform.Account
	user     platform.User
	tenantID string // empty before, and after the subscription was cancelled

	// directory, domain and admin are of the reseller's directory at Microsoft.
	directory, domain, admin string
}

// openMarketplace starts the platform and the balancers. install continues once a replica runs.
func (d *Deployment) openMarketplace() error {
	m := &marketplace{deployment: d, secret: secret.New(random.Token())}
	d.market = m
	var err error
	if m.hooks, err = d.balance("hooks"); err != nil {
		return err
	}
	if m.onboarding, err = d.balance("onboarding"); err != nil {
		return err
	}
	m.platform, err = platform.Start(platform.Config{Now: d.clock.Now, Development: true})
	return err
}

func (m *marketplace) close() error {
	var errs []error
	for _, b := range []*balancer{m.hooks, m.onboarding} {
		if b != nil {
			errs = append(errs, b.close())
		}
	}
	if m.platform != nil {
		errs = append(errs, m.platform.Close())
	}
	return errors.Join(errs...)
}

// install registers the package and creates the instance, as `connector register` does, and the application that borrows.
func (m *marketplace) install(ctx context.Context) error {
	var err error
	if m.borrower, err = m.platform.AddApplication("Azure CSP (NCE)", "borrower", secret.New(random.Token())); err != nil {
		return err
	}
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		return err
	}
	calls, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		return err
	}
	user, adminPassword := m.platform.Admin()
	done, err := register.Register(ctx, register.Config{
		Operations: m.platform.URL(), User: user, Password: adminPassword, Controller: m.platform.URL(), HTTP: calls,
		Package: p, Endpoint: m.hooks.url + "/aps", Key: marketKey, Secret: m.secret,
		Settings: map[string]any{
			"cloud": "global", "applicationId": applicationID, "applicationSecret": applicationSecret,
			"applicationSecretEnd": m.deployment.clock.Now().AddDate(20, 0, 0).Format(time.DateOnly),
			"borrowers":            []any{map[string]any{"id": m.borrower.ID}},
		},
	})
	m.rootID = done.RootID
	return err
}

// newCustomer creates an account at the platform, with a user.
func (m *marketplace) newCustomer(name string) (*customer, error) {
	account, err := m.platform.AddAccount(platform.Account{Name: name})
	if err != nil {
		return nil, err
	}
	user, err := m.platform.AddUser(platform.User{Login: name, Password: secret.New(password), Name: name, AccountID: account.ID})
	if err != nil {
		return nil, err
	}
	return &customer{name: name, account: account, user: user}, nil
}

// settle gives a customer a new directory at Microsoft: an older one may belong to a tenant whose creation was not acknowledged.
func (m *marketplace) settle(c *customer) error {
	c.directory = random.ID()
	c.domain = c.directory[:8] + ".example"
	c.admin = "admin@" + c.domain
	return m.deployment.addDirectory(c.directory, c.domain, c.admin)
}

// buy creates the customer's tenant.
func (m *marketplace) buy(ctx context.Context, c *customer) error {
	if err := m.settle(c); err != nil {
		return err
	}
	id, err := m.platform.CreateTenant(ctx, c.account.ID, map[string]any{"directory": c.domain})
	if err != nil {
		return err
	}
	c.tenantID = id
	return m.platform.Link(m.borrower.ID, id)
}

// call calls an operation of the customer's tenant as its user does in the panel.
func (m *marketplace) call(ctx context.Context, c *customer, method, operation string, body any) platform.Answer {
	return m.callAs(ctx, platform.AsUser(c.user.ID), c.tenantID, method, operation, body)
}

func (m *marketplace) callAs(ctx context.Context, by platform.Caller, tenantID, method, operation string, body any) platform.Answer {
	var content []byte
	if body != nil {
		content, _ = json.Marshal(body) // maps of strings
	}
	return m.platform.Call(ctx, by, method, tenantID, operation, content)
}

// An unexpected is an answer with another status than the caller wanted.
type unexpected struct {
	operation string
	status    int
	message   string
}

func (u *unexpected) Error() string {
	return fmt.Sprintf("%s is answered with %d: %s", u.operation, u.status, u.message)
}

// read decodes a successful answer, or returns an *unexpected.
func read(operation string, a platform.Answer, into any) error {
	if a.Status != http.StatusOK {
		var refusal struct{ Message string }
		_ = json.Unmarshal(a.Body, &refusal) // an answer of a balancer has no body
		return &unexpected{operation, a.Status, refusal.Message}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", operation, err)
	}
	return nil
}

// consent goes through the manual procedure: link, sign-in, claim code.
func (m *marketplace) consent(ctx context.Context, c *customer) error {
	var link struct{ URL string }
	if err := read("consentLink", m.call(ctx, c, http.MethodPost, "consentLink", nil), &link); err != nil {
		return err
	}
	code, err := visit(ctx, link.URL, microsoft.Visitor{UPN: c.admin, Password: password, ApproveMFA: true, Accept: true, Organization: true})
	if err != nil {
		return err
	}
	return read("redeem", m.call(ctx, c, http.MethodPost, "redeem", map[string]string{"code": code}), nil)
}

// A tokenStatus is what the connector tells of a tenant's token.
type tokenStatus struct {
	State   string
	Failure *struct{ Code string }
}

// status returns the token status as the borrower reads it.
func (m *marketplace) status(ctx context.Context, c *customer) (st tokenStatus, err error) {
	err = read("tokenStatus", m.callAs(ctx, platform.AsApplication(m.borrower.ID), c.tenantID, http.MethodGet, "tokenStatus", nil), &st)
	return st, err
}

// borrow asks for an access token.
func (m *marketplace) borrow(ctx context.Context, c *customer) error {
	answer := m.callAs(ctx, platform.AsApplication(m.borrower.ID), c.tenantID, http.MethodPost, "accessToken", map[string]string{"api": "graph"})
	return read("accessToken", answer, nil)
}
