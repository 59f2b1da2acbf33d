package tenant

import (
	"context"
	"strings"
	"sync"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
)

// testTimeout limits a test, because the platform waits for it: we assume 25 seconds at least (docs/reference/aps-protocol.md §1.7).
const testTimeout = 20 * time.Second

// An Authenticator tries the credentials of applications at Microsoft.
type Authenticator interface {
	// Authenticate lets the application of c prove itself with the named credential, without a refresh token, and keeps nothing. The
	// error is a *failure.Error that says what Microsoft refused.
	Authenticate(ctx context.Context, c Client, credential string) error
}

// noAuthenticator is the default of Config.Authenticator.
type noAuthenticator struct{}

func (noAuthenticator) Authenticate(context.Context, Client, string) error {
	return failure.New(failure.MicrosoftUnavailable)
}

// A CredentialTest says what Microsoft thinks of one credential.
type CredentialTest struct {
	Name    string          // SecretName and so on
	Failure *failure.Record // why Microsoft refused it, or why that is not known; nil when it was accepted
}

// TestCredentials tries the credentials of a tenant's own application at Microsoft before they are stored. entered is the tenant
// with what a person has entered, as ConfigureTenant takes it: those credentials are tried that were sent, or else all that are
// stored of the same application. Nothing but an event is stored.
func (s *Service) TestCredentials(ctx context.Context, stored Resolved, entered Tenant, by audit.Actor) ([]CredentialTest, error) {
	e := audit.Event{InstanceKey: stored.Tenant.InstanceKey, TenantID: stored.Tenant.ID, Action: audit.CredentialsTested, Actor: by}
	if !stored.Instance.Settings.TenantApplication {
		return nil, failure.New(failure.Forbidden)
	}
	if err := s.cfg.Limits.Take(ctx, limit.Renewals, stored.Tenant.ID, e); err != nil {
		return nil, err
	}
	application, err := entered.Application.checked(s.cfg.Now())
	if err != nil {
		return nil, err
	}
	names := application.names()
	application.keep(stored.Tenant.Application)
	if len(names) == 0 {
		names = application.names()
	}
	if application.ID == "" || len(names) == 0 {
		return nil, failure.New(failure.ApplicationMissing)
	}
	if err := entered.checkLengths(); err != nil {
		return nil, err
	}
	if entered.Directory == "" {
		return nil, failure.New(failure.DirectoryMissing)
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	settings := &stored.Instance.Settings
	directoryID, err := s.cfg.Directories.ResolveDirectory(ctx, settings.Cloud, entered.Directory)
	if err != nil {
		return nil, err
	}
	tests := s.try(ctx, Client{Cloud: settings.Cloud, DirectoryID: directoryID, Application: application, Deployment: stored.Instance.Deployment}, names)
	var accepted []string
	for _, test := range tests {
		if test.Failure == nil {
			accepted = append(accepted, test.Name)
		} else if e.Result == "" {
			e.Result = string(test.Failure.Code)
		}
	}
	e.Details = map[string]string{
		"directory": entered.Directory, "application": application.ID, "tested": strings.Join(names, " "), "accepted": strings.Join(accepted, " "),
	}
	return tests, audit.Append(context.WithoutCancel(ctx), s.cfg.Store, s.cfg.Now(), e)
}

// try tries credentials of c at the same time.
func (s *Service) try(ctx context.Context, c Client, names []string) []CredentialTest {
	tests := make([]CredentialTest, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			tests[i].Name = name
			if err := s.cfg.Authenticator.Authenticate(ctx, c, name); err != nil {
				tests[i].Failure = failure.NewRecord(ctx, err)
			}
		})
	}
	all.Wait()
	return tests
}

// names returns the names of the credentials that are set.
func (a Application) names() []string {
	var names []string
	for _, s := range a.slots() {
		if !s.Value.Empty() {
			names = append(names, s.name)
		}
	}
	return names
}
