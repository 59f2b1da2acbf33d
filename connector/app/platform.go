package app

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// platform calls the controllers of the platforms with the credentials of our instances.
type platform struct {
	calls     *controller.Client
	instances map[string]config.Instance // consumer key → instance
}

func openPlatform(cfg config.Config, opts Options) (*platform, error) {
	roots, err := httpclient.Roots(cfg.Platform.CAFile)
	if err != nil {
		return nil, err
	}
	connections, err := httpclient.New(httpclient.Config{Timeout: cfg.Platform.Timeout, RootCAs: roots, Insecure: cfg.Platform.Insecure})
	if err != nil {
		return nil, err
	}
	calls, err := controller.New(controller.Config{HTTP: connections, Now: opts.Now, Log: opts.component("platform")})
	if err != nil {
		return nil, err
	}
	instances := make(map[string]config.Instance, len(cfg.Instances))
	for _, in := range cfg.Instances {
		instances[in.Key] = in
	}
	return &platform{calls, instances}, nil
}

// keys returns the consumer keys of all instances.
func (p *platform) keys() []string { return slices.Sorted(maps.Keys(p.instances)) }

func (p *platform) target(in tenant.Instance) controller.Target {
	configured := p.instances[in.Key]
	return controller.Target{
		ControllerURI: in.ControllerURI, RootID: in.RootID,
		Credentials: oauth1.Credentials{Key: in.Key, Secret: configured.Secret}, PreviousSecret: configured.PreviousSecret,
	}
}

// credentials returns the secrets of a consumer key, and whether the key exists.
func (p *platform) credentials(key string) ([]secret.Text, bool) {
	in, ok := p.instances[key]
	return in.Secrets(), ok
}

// UserAccount implements hooks.Accounts.
func (p *platform) UserAccount(ctx context.Context, in tenant.Instance, identity string) (controller.Account, error) {
	return p.calls.UserAccount(ctx, p.target(in), identity)
}

// Account implements hooks.Accounts.
func (p *platform) Account(ctx context.Context, in tenant.Instance, id string) (controller.Account, error) {
	return p.calls.Account(ctx, p.target(in), id)
}

// ReachController asks the controller of an instance which versions it serves, which is the cheapest call
// (docs/reference/aps-protocol.md §5). It returns a *failure.Error when the controller does not answer.
func (s *Services) ReachController(ctx context.Context, in tenant.Instance) error {
	return s.platform.calls.Call(ctx, s.platform.target(in), controller.Request{Method: http.MethodGet, Path: "/aps"}, nil)
}
