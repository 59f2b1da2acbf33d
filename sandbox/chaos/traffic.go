package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/platform"
)

// shoppers is how many customers use the platform at the same time.
const shoppers = 3

// The names under which traffic is counted.
const (
	acknowledged = "changes through the platform that were acknowledged"
	notAnswered  = "changes through the platform that were refused or not answered"
	// consentsGiven are among those that were acknowledged.
	consentsGiven = "consents"
)

// A shopper is a customer who changes their tenant all the time: buys, configures, consents and cancels. What the connector
// acknowledges must be in the database at once, for everybody, and stay there.
type shopper struct {
	*customer
	market *marketplace

	// What was acknowledged last. Nothing is known of a change that was not acknowledged.
	directory string // as it was entered; empty: unknown
	consented bool
	cancelled []string // tenants that must not exist any more
}

// A traffic is shoppers who run until it ends. Only violations end it: refusals and requests
// without an answer are what faults are injected for.
type traffic struct {
	stop     context.CancelFunc
	running  *errgroup.Group
	shoppers []*shopper
}

// startTraffic installs the instance if that has not happened yet, and starts new shoppers.
func (d *Deployment) startTraffic(ctx context.Context, name string) (*traffic, error) {
	if d.market.rootID == "" {
		if err := d.market.install(ctx); err != nil {
			return nil, fmt.Errorf("installing the instance: %w", err)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop, running: &errgroup.Group{}}
	for n := range shoppers {
		c, err := d.market.newCustomer(fmt.Sprintf("%s %d", name, n))
		if err != nil {
			stop()
			return nil, err
		}
		s := &shopper{customer: c, market: d.market}
		t.shoppers = append(t.shoppers, s)
		t.running.Go(func() error { return d.violated(s.shop(ctx)) })
	}
	d.mu.Lock()
	d.traffic = append(d.traffic, t)
	d.mu.Unlock()
	return t, nil
}

// violated remembers what a shopper found, so that nothing waits for them any longer.
func (d *Deployment) violated(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.violation = errors.Join(d.violation, err)
	return err
}

// end stops the shoppers. It waits for their last requests, so the replicas must run.
func (t *traffic) end() error {
	t.stop()
	return t.running.Wait()
}

// shop repeats a shopper's life until ctx ends.
func (s *shopper) shop(ctx context.Context) error {
	for round := 0; ctx.Err() == nil; round++ {
		steps := []func(context.Context) error{s.buyOnce, s.enterID, s.giveConsent, s.enterDomain}
		if round%4 == 3 {
			steps = append(steps, s.cancelOnce)
		}
		for _, step := range steps {
			// The last requests are answered, too: a shopper who does not wait learns nothing.
			if err := step(context.WithoutCancel(ctx)); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if ctx.Err() != nil {
				break
			}
		}
	}
	return nil
}

// settled counts a request and reports whether the connector acknowledged it.
func (s *shopper) settled(err error) bool {
	d := s.market.deployment
	if err != nil {
		d.count(notAnswered, 1)
		return false
	}
	d.count(acknowledged, 1)
	return true
}

func (s *shopper) buyOnce(ctx context.Context) error {
	if s.tenantID != "" {
		return nil
	}
	s.directory, s.consented = "", false
	if !s.settled(s.market.buy(ctx, s.customer)) {
		return pause(ctx)
	}
	s.directory = s.domain
	return s.checkNow(ctx)
}

// enterID and enterDomain enter the same directory in two ways.
func (s *shopper) enterID(ctx context.Context) error { return s.enter(ctx, s.customer.directory) }

func (s *shopper) enterDomain(ctx context.Context) error { return s.enter(ctx, s.domain) }

func (s *shopper) enter(ctx context.Context, directory string) error {
	if s.tenantID == "" {
		return nil
	}
	s.directory = "" // unknown until it is acknowledged
	if !s.settled(s.market.platform.Configure(ctx, s.user.ID, s.tenantID, map[string]any{"directory": directory})) {
		return pause(ctx)
	}
	s.directory = directory
	return s.checkNow(ctx)
}

// giveConsent consents once for each tenant: every further one would only replace the first.
func (s *shopper) giveConsent(ctx context.Context) error {
	if s.tenantID == "" || s.consented {
		return nil
	}
	if !s.settled(s.market.consent(ctx, s.customer)) {
		return pause(ctx)
	}
	s.consented = true
	s.market.deployment.count(consentsGiven, 1)
	return s.checkNow(ctx)
}

func (s *shopper) cancelOnce(ctx context.Context) error {
	if s.tenantID == "" {
		return nil
	}
	id := s.tenantID
	s.directory, s.consented = "", false
	err := s.market.platform.Delete(ctx, "", id)
	if refused, ok := errors.AsType[*platform.Refusal](err); ok && refused.Status == http.StatusNotFound {
		err = nil // an earlier request was carried out that was not answered
	}
	if !s.settled(err) {
		return pause(ctx)
	}
	s.tenantID = ""
	s.cancelled = append(s.cancelled, id)
	return s.checkNow(ctx)
}

// pause lets a shopper wait before the next request, so that a connector that refuses everything is not called all the time.
func pause(ctx context.Context) error {
	timer := time.NewTimer(10 * pollInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// checkNow is check right after the answer, where every connection must see what was acknowledged.
func (s *shopper) checkNow(ctx context.Context) error {
	if s.market.deployment.spec.lagging {
		return nil
	}
	return s.check(ctx)
}

// check reads what was acknowledged from the database, with a connection of the harness.
func (s *shopper) check(ctx context.Context) error {
	d := s.market.deployment
	for _, id := range s.cancelled {
		if _, err := d.readTenant(ctx, id); !errors.Is(err, tenant.ErrNotFound) {
			return fmt.Errorf("tenant %s was removed, and reading it returns %w, want that there is none", id, errOf(err))
		}
	}
	if s.directory != "" {
		stored, err := d.readTenant(ctx, s.tenantID)
		if err != nil {
			return fmt.Errorf("an acknowledged tenant: %w", err)
		}
		if stored.Directory != s.directory || stored.AccountID != s.account.ID {
			return fmt.Errorf("tenant %s has the directory %q and the owner %s, %q and %s were acknowledged", s.tenantID, stored.Directory, stored.AccountID, s.directory, s.account.ID)
		}
	}
	if s.consented {
		return d.verifyGrant(ctx, s.tenantID, token.Active)
	}
	return nil
}

func (d *Deployment) readTenant(ctx context.Context, id string) (t tenant.Tenant, err error) {
	err = answered(ctx, func(ctx context.Context) error {
		t, err = d.store.Tenant(ctx, id)
		return err
	})
	return t, err
}

// answered repeats a read while a fault keeps the database from answering.
func answered(ctx context.Context, read func(ctx context.Context) error) error {
	var err error
	waited := await(ctx, "the database", func(ctx context.Context) (bool, error) {
		err = read(ctx)
		return err == nil || errors.Is(err, tenant.ErrNotFound), nil
	})
	return errors.Join(waited, err)
}

// errOf returns an error that says that there was none instead of nil.
func errOf(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// verifyTraffic checks once more what was acknowledged to all shoppers.
func (d *Deployment) verifyTraffic(ctx context.Context) error {
	d.mu.Lock()
	all := d.traffic
	d.mu.Unlock()
	var errs []error
	for _, t := range all {
		for _, s := range t.shoppers {
			if err := s.check(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// awaitMore waits until a figure of shoppers has grown by n, or until one of them has found a violation.
func (d *Deployment) awaitMore(ctx context.Context, figure string, n int) error {
	enough := d.counted(figure) + n
	return await(ctx, figure, func(context.Context) (bool, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.numbers[figure] >= enough || d.violation != nil, nil
	})
}
