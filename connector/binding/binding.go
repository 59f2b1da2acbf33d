// Package binding binds instances to their platform: it creates and removes the periodic task that triggers the renewal, and
// the event subscription for changes of accounts.
package binding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/tenant"
)

// A Binding is the periodic task and the event subscription of one instance at its platform.
type Binding struct {
	InstanceKey string
	// RootID is the root resource that task and subscription belong to. The platform removes them with the root.
	RootID string
	// RenewalTask is the ID of the periodic task that triggers the renewal; empty until it is created.
	RenewalTask string
	// AccountEvents is the ID of the subscription to changes of accounts; empty until it is created.
	AccountEvents string
	Version       int64 // row version; 0 before it is stored
}

// Store keeps bindings. It is safe for concurrent use.
type Store interface {
	Instance(ctx context.Context, key string) (tenant.Instance, error)
	// Binding returns tenant.ErrNotFound when an instance has none yet.
	Binding(ctx context.Context, key string) (Binding, error)
	// SaveBinding inserts (Version 0) or updates b with a check of its Version, which it then advances; otherwise it
	// returns tenant.ErrChanged.
	SaveBinding(ctx context.Context, b *Binding) error

	// Transact runs fn in one transaction, which its context carries.
	Transact(ctx context.Context, fn func(ctx context.Context) error) error
	AppendEvent(ctx context.Context, e audit.Event) error

	Tenant(ctx context.Context, id string) (tenant.Tenant, error)
	// UnboundTenants returns the IDs of the tenants of an instance that have no account, of those that the platform may not
	// have, and with unwatched of those whose account the platform does not report.
	UnboundTenants(ctx context.Context, instanceKey string, unwatched bool) ([]string, error)
}

// Tenants changes what is stored about tenants; tenant.Service implements it.
type Tenants interface {
	Link(ctx context.Context, instanceKey, id, before, accountID string, by audit.Actor) (tenant.Tenant, error)
	Recognize(ctx context.Context, instanceKey, id string, by audit.Actor) (tenant.Tenant, error)
	Watched(ctx context.Context, instanceKey, id, accountID string, by audit.Actor) error
}

// A Task is a call that the platform makes once a day.
type Task struct {
	Name, Description string
	Path              string // of an operation of the root resource with the verb GET, for example /renewTokens
	Hour, Minute      int    // in the platform's time zone
}

// Controller calls the APS controller of an instance's platform. Its errors are *failure.Error. It is safe for concurrent use.
type Controller interface {
	// ScheduleDaily creates a periodic task and returns its ID.
	ScheduleDaily(ctx context.Context, in tenant.Instance, task Task) (id string, err error)
	// CancelTask removes a periodic task. It is no error when the platform doesn't have it.
	CancelTask(ctx context.Context, in tenant.Instance, id string) error
	// SubscribeAccounts makes the platform call handler when an account changes that relation links with the root. It
	// returns the ID of the subscription, also of one that exists already.
	SubscribeAccounts(ctx context.Context, in tenant.Instance, relation, handler string) (id string, err error)
	// LinkAccount links an account with the root. Linking it again changes nothing.
	LinkAccount(ctx context.Context, in tenant.Instance, relation, accountID string) error
	// TenantAccount returns the account that the platform linked with a tenant, "" for none, and the failure not_found when the
	// platform has no such tenant.
	TenantAccount(ctx context.Context, in tenant.Instance, tenantID string) (accountID string, err error)
	// PushRoot stores properties of the root at the platform.
	PushRoot(ctx context.Context, in tenant.Instance, properties map[string]any) error
}

// The names of the APS types that the platform uses.
const (
	RenewalPath     = "/renewTokens"    // operation of the root that the task calls
	AccountHandler  = "onAccountChange" // operation of the root that receives events
	AccountRelation = "accounts"        // relation of the root to the accounts that it receives events of
	RenewalProperty = "renewalTask"     // property of the root: the ID of the task
)

// renewalTask returns the periodic task that triggers the renewal, at night.
func renewalTask() Task {
	return Task{
		Name: "Azure Partner token renewal", Description: "Triggers the renewal of Microsoft refresh tokens",
		Path: RenewalPath, Hour: 3, Minute: 15,
	}
}

// retryAfter returns the delays after consecutive failures; the last one repeats. They are long, because nothing depends on
// the bindings, and a platform without a scheduler always refuses.
func retryAfter() []time.Duration {
	return []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}
}

// Config is what a Service needs.
type Config struct {
	Store      Store      // required
	Controller Controller // required
	Tenants    Tenants    // required

	// Keys are the keys of the instances to bind. Default: none.
	Keys []string

	// PeriodicTask and AccountEvents say what Sweep creates. When they are turned off, existing ones stay. Default: false.
	PeriodicTask, AccountEvents bool

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives a record for everything that was created or refused. Default: discard.
	Log *slog.Logger
}

// A Service creates and removes periodic tasks and event subscriptions. Its methods are safe for concurrent use, in one process
// and across replicas.
type Service struct {
	cfg Config

	mu      sync.Mutex         // guards backoff
	backoff map[string]backoff // instance key, with tenantsOf or tenantOf for tenants → when to try again; bounded by unbound tenants
}

type backoff struct {
	failures int
	until    time.Time
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Controller == nil || cfg.Tenants == nil {
		return nil, errors.New("binding: a store, a controller and tenants are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, backoff: make(map[string]backoff)}, nil
}

// Sweep creates the missing tasks and subscriptions of all installed instances, and binds their tenants. A refusal by a platform
// is logged, not returned, and a later Sweep retries it after a growing delay.
func (s *Service) Sweep(ctx context.Context) error {
	for _, key := range s.cfg.Keys {
		in, err := s.cfg.Store.Instance(ctx, key)
		if errors.Is(err, tenant.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !in.RemovedAt.IsZero() || in.RootID == "" {
			continue
		}
		for _, work := range []struct {
			key string // of backoff
			do  func(context.Context, tenant.Instance) error
		}{{key, s.bind}, {tenantsOf + key, s.bindTenants}} {
			if s.backingOff(work.key) {
				continue
			}
			err := work.do(ctx, in)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.record(work.key, err)
			if err != nil {
				s.cfg.Log.WarnContext(ctx, "binding an instance or its tenants failed; retrying later", "instance", key, "err", err)
			}
		}
	}
	return nil
}

// backingOff reports whether a failed attempt was not long ago. A wait that is longer than any was begun by a clock that was wrong.
func (s *Service) backingOff(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, until := s.cfg.Now(), s.backoff[key].until
	return now.Before(until) && !until.After(now.Add(slices.Max(retryAfter())+clock.WrongFrom))
}

func (s *Service) record(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.backoff, key)
		return
	}
	b := s.backoff[key]
	b.until = s.cfg.Now().Add(retryAfter()[min(b.failures, len(retryAfter())-1)])
	b.failures++
	s.backoff[key] = b
}

// load returns the binding of an instance, without the task and subscription of a root that was removed.
func (s *Service) load(ctx context.Context, in tenant.Instance) (Binding, error) {
	b, err := s.cfg.Store.Binding(ctx, in.Key)
	if errors.Is(err, tenant.ErrNotFound) {
		return Binding{InstanceKey: in.Key, RootID: in.RootID}, nil
	}
	if err != nil {
		return Binding{}, err
	}
	if b.RootID != in.RootID {
		b.RootID, b.RenewalTask, b.AccountEvents = in.RootID, "", ""
	}
	return b, nil
}

// bind creates the missing task and subscription of in.
func (s *Service) bind(ctx context.Context, in tenant.Instance) error {
	b, err := s.load(ctx, in)
	if err != nil {
		return err
	}
	var errs []error
	if s.cfg.PeriodicTask && b.RenewalTask == "" {
		errs = append(errs, s.createTask(ctx, in, &b))
	}
	if s.cfg.AccountEvents && b.AccountEvents == "" {
		errs = append(errs, s.subscribe(ctx, in, &b))
	}
	return errors.Join(errs...)
}

func (s *Service) createTask(ctx context.Context, in tenant.Instance, b *Binding) error {
	id, err := s.cfg.Controller.ScheduleDaily(ctx, in, renewalTask())
	if err != nil {
		return fmt.Errorf("scheduling the periodic task of %s: %w", in.Key, err)
	}
	b.RenewalTask = id
	if err := s.save(ctx, b); err != nil {
		// Another replica was faster, or the ID cannot be stored: in both cases, this task must not stay.
		err = errors.Join(err, s.cfg.Controller.CancelTask(context.WithoutCancel(ctx), in, id))
		return fmt.Errorf("storing the periodic task of %s: %w", in.Key, err)
	}
	s.cfg.Log.InfoContext(ctx, "periodic task scheduled", "instance", in.Key, "task", id)
	if err := s.cfg.Controller.PushRoot(ctx, in, map[string]any{RenewalProperty: id}); err != nil {
		// Not an error: the next response about the root contains the ID, too.
		s.cfg.Log.WarnContext(ctx, "pushing the periodic task's id to the platform failed", "instance", in.Key, "err", err)
	}
	return nil
}

func (s *Service) subscribe(ctx context.Context, in tenant.Instance, b *Binding) error {
	id, err := s.cfg.Controller.SubscribeAccounts(ctx, in, AccountRelation, AccountHandler)
	if err != nil {
		return fmt.Errorf("subscribing to changes of accounts for %s: %w", in.Key, err)
	}
	b.AccountEvents = id
	if err := s.save(ctx, b); err != nil {
		return fmt.Errorf("storing the event subscription of %s: %w", in.Key, err)
	}
	s.cfg.Log.InfoContext(ctx, "subscribed to changes of accounts", "instance", in.Key, "subscription", id)
	return nil
}

// RenewalTask returns the ID of the periodic task of in, or "" when it has none.
func (s *Service) RenewalTask(ctx context.Context, in tenant.Instance) (string, error) {
	b, err := s.load(ctx, in)
	return b.RenewalTask, err
}

// SubscribeAccount adds an account to those whose changes the platform reports, unless Config turns that off, and returns
// whether it did. Adding it again changes nothing.
func (s *Service) SubscribeAccount(ctx context.Context, in tenant.Instance, accountID string) (watched bool, err error) {
	if !s.cfg.AccountEvents {
		return false, nil
	}
	err = s.cfg.Controller.LinkAccount(ctx, in, AccountRelation, accountID)
	return err == nil, err
}

// Unsubscribe cancels the periodic task of an instance that is being removed. The platform removes event subscription
// and links together with the root.
func (s *Service) Unsubscribe(ctx context.Context, in tenant.Instance) error {
	b, err := s.load(ctx, in)
	if err != nil || b.RenewalTask == "" {
		return err
	}
	if err := s.cfg.Controller.CancelTask(ctx, in, b.RenewalTask); err != nil && !failure.Is(err, failure.NotFound) {
		return fmt.Errorf("cancelling the periodic task of %s: %w", in.Key, err)
	}
	b.RenewalTask, b.AccountEvents = "", ""
	return s.save(ctx, &b)
}

// save stores a binding with its event.
func (s *Service) save(ctx context.Context, b *Binding) error {
	if !length.Fits(b.RenewalTask, length.ForeignID) || !length.Fits(b.AccountEvents, length.ForeignID) {
		return errors.New("the ID that the platform gave is too long")
	}
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SaveBinding(ctx, b); err != nil {
			return err
		}
		return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), audit.Event{
			InstanceKey: b.InstanceKey, Action: audit.InstanceBound, Actor: audit.Actor{Kind: audit.Scheduler, Name: "binding"},
			Details: map[string]string{"task": b.RenewalTask, "subscription": b.AccountEvents},
		})
	})
}
