package app

import (
	"context"
	"net/http"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

func openPlatform(cfg config.Config, opts Options, controllers func(consumerKey string) []string,
	observe func(string, int, time.Duration),
) (*controller.Client, error) {
	roots, err := httpclient.Roots(cfg.Platform.CAFile)
	if err != nil {
		return nil, err
	}
	connections, err := httpclient.New(httpclient.Config{Timeout: cfg.Platform.Timeout, RootCAs: roots, Insecure: cfg.Platform.Insecure, Observe: observe})
	if err != nil {
		return nil, err
	}
	return controller.New(controller.Config{HTTP: connections, Secrets: secretsOf(cfg.Instances), Controllers: controllers, Now: opts.Now, Log: opts.component("platform")})
}

// secretsOf returns a function that returns the secrets of a consumer key, and whether the key is known.
func secretsOf(instances []config.Instance) func(consumerKey string) ([]secret.Text, bool) {
	byKey := make(map[string][]secret.Text, len(instances)) // consumer key → secrets
	for _, in := range instances {
		byKey[in.Key] = in.Secrets()
	}
	return func(consumerKey string) ([]secret.Text, bool) {
		secrets, ok := byKey[consumerKey]
		return secrets, ok
	}
}

// controllersOf returns a function that returns the origins that are listed as the controller of a consumer key.
func controllersOf(instances []config.Instance) func(consumerKey string) []string {
	byKey := make(map[string][]string, len(instances))
	for _, in := range instances {
		byKey[in.Key] = in.Controllers
	}
	return func(consumerKey string) []string { return byKey[consumerKey] }
}

func consumerKeys(instances []config.Instance) []string {
	keys := make([]string, 0, len(instances))
	for _, in := range instances {
		keys = append(keys, in.Key)
	}
	return keys
}

// ControllerOf returns the address of the controller that is called for an instance, and whether the operator lists it.
func (s *Services) ControllerOf(in tenant.Instance) (address string, listed bool) {
	return s.platform.Address(in), len(s.controllers(in.Key)) > 0
}

// ReachController asks the controller of an instance which versions it serves, which is the cheapest call
// (docs/reference/aps-protocol.md §5). It returns a *failure.Error when the controller does not answer.
func (s *Services) ReachController(ctx context.Context, in tenant.Instance) error {
	return s.platform.Call(ctx, in, controller.Request{Method: http.MethodGet, Path: "/aps"}, nil)
}
