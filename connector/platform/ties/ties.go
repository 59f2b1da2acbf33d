// Package ties keeps up what ties an instance to its platform besides its resources: a periodic task, the second clock
// that wakes the renewal, and the subscription to changes of accounts.
package ties

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/tenant"
)

// Ties are what an instance has at its platform.
type Ties struct {
	InstanceKey string
	RootID      string // whose they are; those of another root went with it
	// RenewalTask is the id of the periodic task that wakes the renewal; empty until it is made.
	RenewalTask string
	// AccountEvents is the id of the subscription to changes of accounts; empty until it is made.
	AccountEvents string
	Version       int64 // row version; 0 before it is stored
}

// Store keeps ties. It is safe for concurrent use.
type Store interface {
	Instance(ctx context.Context, key string) (tenant.Instance, error)
	// Ties returns tenant.ErrNotFound when an instance has none yet.
	Ties(ctx context.Context, key string) (Ties, error)
	// SaveTies inserts (Version 0) or updates t with a check of its Version, which it then advances; otherwise it
	// returns tenant.ErrChanged.
	SaveTies(ctx context.Context, t *Ties) error
}

// Names that platform and connector share; the types declare them.
const (
	RenewalPath     = "/renewTokens"    // operation of the root that the task calls
	AccountHandler  = "onAccountChange" // operation of the root that events go to
	AccountRelation = "accounts"        // relation of the root to the accounts whose events are told
	RenewalProperty = "renewalTask"     // property of the root that shows the task
)

// task is when the platform calls: at night, in its own time.
func task() controller.DailyTask {
	return controller.DailyTask{
		Name: "Azure Partner token renewal", Description: "Wakes the renewal of Microsoft refresh tokens",
		Path: RenewalPath, Hour: 3, Minute: 15,
	}
}

// retryAfter are the waits after failures in a row; the last one repeats. A platform without a scheduler refuses for
// ever, and nothing depends on it.
func retryAfter() []time.Duration {
	return []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}
}

// Config is what a Service needs.
type Config struct {
	Store      Store              // required
	Controller *controller.Client // required

	// Target returns how an instance calls its platform. Required.
	Target func(tenant.Instance) controller.Target

	// Keys are those of the instances that are looked after.
	Keys []string

	// Task and Events say which of the ties are made. What was made before stays. Default: neither.
	Task, Events bool

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives what was made, removed and refused. Default: discard.
	Log *slog.Logger
}

// A Service makes what is missing. Its methods are safe for concurrent use, in one process and across replicas.
type Service struct {
	cfg Config

	mu    sync.Mutex
	waits map[string]wait // instance key → when to try again; guarded by mu
}

type wait struct {
	failures int
	until    time.Time
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Controller == nil || cfg.Target == nil {
		return nil, errors.New("ties: a store, a controller and its targets are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, waits: make(map[string]wait)}, nil
}

// Sweep makes what is missing for every instance that lives. A platform that refuses is asked again later, ever more
// seldom, and is in the log, not in the error.
func (s *Service) Sweep(ctx context.Context) error {
	for _, key := range s.cfg.Keys {
		in, err := s.cfg.Store.Instance(ctx, key)
		if errors.Is(err, tenant.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !in.RemovedAt.IsZero() || in.RootID == "" || !s.mayTry(key) {
			continue
		}
		err = s.tie(ctx, in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.tried(key, err)
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "the platform's second clock or its events are not set up; trying again later", "instance", key, "err", err)
		}
	}
	return nil
}

func (s *Service) mayTry(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.cfg.Now().Before(s.waits[key].until)
}

func (s *Service) tried(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.waits, key)
		return
	}
	w := s.waits[key]
	w.until = s.cfg.Now().Add(retryAfter()[min(w.failures, len(retryAfter())-1)])
	w.failures++
	s.waits[key] = w
}

// of returns the ties of an instance; none that belong to a root that is gone.
func (s *Service) of(ctx context.Context, in tenant.Instance) (Ties, error) {
	t, err := s.cfg.Store.Ties(ctx, in.Key)
	if errors.Is(err, tenant.ErrNotFound) {
		return Ties{InstanceKey: in.Key, RootID: in.RootID}, nil
	}
	if err != nil {
		return Ties{}, err
	}
	if t.RootID != in.RootID {
		t.RootID, t.RenewalTask, t.AccountEvents = in.RootID, "", ""
	}
	return t, nil
}

// tie makes what in lacks.
func (s *Service) tie(ctx context.Context, in tenant.Instance) error {
	t, err := s.of(ctx, in)
	if err != nil {
		return err
	}
	var errs []error
	if s.cfg.Task && t.RenewalTask == "" {
		errs = append(errs, s.schedule(ctx, in, &t))
	}
	if s.cfg.Events && t.AccountEvents == "" {
		errs = append(errs, s.subscribe(ctx, in, &t))
	}
	return errors.Join(errs...)
}

func (s *Service) schedule(ctx context.Context, in tenant.Instance, t *Ties) error {
	target := s.cfg.Target(in)
	made, err := s.cfg.Controller.ScheduleDaily(ctx, target, task())
	if err != nil {
		return fmt.Errorf("scheduling the periodic task of %s: %w", in.Key, err)
	}
	t.RenewalTask = made
	if err := s.cfg.Store.SaveTies(ctx, t); err != nil {
		// Another replica was faster, or it cannot be kept: either way this task would be one too many.
		err = errors.Join(err, s.cfg.Controller.CancelTask(context.WithoutCancel(ctx), target, made))
		return fmt.Errorf("keeping the periodic task of %s: %w", in.Key, err)
	}
	s.cfg.Log.InfoContext(ctx, "periodic task scheduled", "instance", in.Key, "task", made)
	if err := s.cfg.Controller.PushRoot(ctx, target, map[string]any{RenewalProperty: made}); err != nil {
		// The platform hears of it with the next answer about the root.
		s.cfg.Log.WarnContext(ctx, "the platform does not show its periodic task yet", "instance", in.Key, "err", err)
	}
	return nil
}

func (s *Service) subscribe(ctx context.Context, in tenant.Instance, t *Ties) error {
	made, err := s.cfg.Controller.SubscribeAccounts(ctx, s.cfg.Target(in), AccountRelation, AccountHandler)
	if err != nil {
		return fmt.Errorf("subscribing to changes of accounts for %s: %w", in.Key, err)
	}
	t.AccountEvents = made
	if err := s.cfg.Store.SaveTies(ctx, t); err != nil {
		return fmt.Errorf("keeping the subscription of %s: %w", in.Key, err)
	}
	s.cfg.Log.InfoContext(ctx, "subscribed to changes of accounts", "instance", in.Key, "subscription", made)
	return nil
}

// RenewalTask returns the id of the periodic task of in, or "" when it has none.
func (s *Service) RenewalTask(ctx context.Context, in tenant.Instance) (string, error) {
	t, err := s.of(ctx, in)
	return t.RenewalTask, err
}

// Follow has the platform tell of changes of an account. Following it again changes nothing.
func (s *Service) Follow(ctx context.Context, in tenant.Instance, accountID string) error {
	if !s.cfg.Events {
		return nil
	}
	return s.cfg.Controller.LinkAccount(ctx, s.cfg.Target(in), AccountRelation, accountID)
}

// Release cancels the periodic task of an instance that goes. Its subscriptions and links go with its root.
func (s *Service) Release(ctx context.Context, in tenant.Instance) error {
	t, err := s.of(ctx, in)
	if err != nil || t.RenewalTask == "" {
		return err
	}
	if err := s.cfg.Controller.CancelTask(ctx, s.cfg.Target(in), t.RenewalTask); err != nil && !failure.Is(err, failure.NotFound) {
		return fmt.Errorf("cancelling the periodic task of %s: %w", in.Key, err)
	}
	t.RenewalTask, t.AccountEvents = "", ""
	return s.cfg.Store.SaveTies(ctx, &t)
}
