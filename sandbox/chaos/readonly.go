package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

const timesReadOnly = "times the server was read-only"

// serverReadOnly turns the server read-only and back while replicas renew and customers use the platform, as a failover by hand
// does. Meanwhile hooks are refused with a time after which to try again, and no replica is ready.
func serverReadOnly(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	l := spec{name: "read-only", tenants: 24, restricted: true, market: true}
	return e.withOwnServer(ctx, l, func(d *Deployment, _ *dbserver.Server) error {
		replicas, err := d.startReplicas(ctx, 2, healthy)
		if err != nil {
			return err
		}
		shopping, err := d.startTraffic(ctx, "shopper")
		if err != nil {
			return err
		}
		caller, err := d.market.newCustomer("caller")
		if err == nil {
			err = d.market.buy(ctx, caller)
		}
		if err == nil {
			err = d.awaitMore(ctx, consentsGiven, 1)
		}
		if err == nil {
			err = d.injectUnderLoad(ctx, func() bool { return d.counted(timesReadOnly) < s.Faults }, manySteps, func(ctx context.Context) error {
				return d.turnReadOnly(ctx, replicas, caller)
			})
		}
		return errors.Join(err, shopping.end())
	})
}

func (d *Deployment) turnReadOnly(ctx context.Context, replicas []*replica, caller *customer) error {
	if err := d.administer(ctx, "SET GLOBAL read_only = ON"); err != nil {
		return err
	}
	err := d.verifyReadOnly(ctx, replicas, caller)
	if err := errors.Join(err, d.administer(context.WithoutCancel(ctx), "SET GLOBAL read_only = OFF")); err != nil {
		return err
	}
	d.count(timesReadOnly, 1)
	return awaitReadiness(ctx, replicas, http.StatusOK, "")
}

// verifyReadOnly checks what a platform, a balancer and a customer are told while the server is read-only.
func (d *Deployment) verifyReadOnly(ctx context.Context, replicas []*replica, caller *customer) error {
	if err := awaitReadiness(ctx, replicas, http.StatusServiceUnavailable, "read-only"); err != nil {
		return err
	}
	answer := d.market.call(ctx, caller, http.MethodPost, "consentLink", nil)
	if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		return fmt.Errorf("a hook is answered with %d and Retry-After %q while the server is read-only, want 503 and a time", answer.Status, answer.Header.Get("Retry-After"))
	}
	return nil
}

// awaitReadiness waits until every replica's readiness probe has a status and says a text.
func awaitReadiness(ctx context.Context, replicas []*replica, status int, text string) error {
	return await(ctx, fmt.Sprintf("readiness probes with %d %s", status, text), func(ctx context.Context) (bool, error) {
		for _, r := range replicas {
			got, body, err := r.probe(ctx)
			if err != nil || got != status || !strings.Contains(body, text) {
				return false, err
			}
		}
		return true, nil
	})
}

// administer runs statements as the administrator of the deployment's server.
func (d *Deployment) administer(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := d.db().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
