package tenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/recent"
)

// Directories resolves Microsoft directories.
type Directories interface {
	// ResolveDirectory returns the GUID, in lower case, of a directory given by GUID or domain.
	ResolveDirectory(ctx context.Context, cloud, directory string) (string, error)
}

// Resources asks the platform of an instance; controller.Client implements it.
type Resources interface {
	// Exists reports whether the platform has a resource. An error means that this is unknown.
	Exists(ctx context.Context, in Instance, id string) (bool, error)
}

// Config is what a Service needs.
type Config struct {
	Store       Store       // required
	Directories Directories // required

	// Clouds are the names of the cloud profiles that settings may choose. Required.
	Clouds []string

	// Resources asks platforms which resources they have. Without it, an instance that a platform forgot is not replaced.
	// Default: none.
	Resources Resources

	// AllowMoves reports whether a tenant with a grant may get another owner, which destroys the grant. Default: never.
	AllowMoves func(instanceKey string) bool

	// Controllers returns the origins that the operator lists as the controller of an instance. Default: none are listed.
	Controllers func(instanceKey string) []string

	// APIs returns the names of the APIs of an instance. Default: the built-in ones.
	APIs func(instanceKey string) []string

	// Authenticator tries credentials before they are stored. Default: Microsoft counts as unreachable.
	Authenticator Authenticator

	// Limits bounds how often that is done. Default: no limits.
	Limits *limit.Limiter

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives a record when a directory cannot be resolved, and when a call names another controller. Default: discard.
	Log *slog.Logger
}

// A Service keeps instances and tenants as the platform manages them. Its methods are idempotent, return a *failure.Error for
// every failure that the caller can correct, and are safe for concurrent use.
type Service struct {
	cfg    Config
	recent *recent.Cache[string, *Resolved] // by ID of the tenant
	mu     sync.Mutex                       // guards noted
	noted  map[string]time.Time             // instance → when NoteController last recorded something
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Directories == nil || len(cfg.Clouds) == 0 {
		return nil, errors.New("tenant: a store, directories and at least one cloud are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AllowMoves == nil {
		cfg.AllowMoves = func(string) bool { return false }
	}
	if cfg.Controllers == nil {
		cfg.Controllers = func(string) []string { return nil }
	}
	if cfg.Authenticator == nil {
		cfg.Authenticator = noAuthenticator{}
	}
	if cfg.APIs == nil {
		cfg.APIs = func(string) []string { return APIs() }
	}
	kept, err := recent.New[string, *Resolved](maxRecent)
	if err != nil {
		return nil, err
	}
	cfg.Store = forgetting{cfg.Store, kept}
	return &Service{cfg: cfg, recent: kept, noted: map[string]time.Time{}}, nil
}

// Install stores the instance that the platform provisioned. Repeating it with the same key and root leads to the same state.
// While an instance with the same key and another root is installed, it returns the failure root_exists, unless the platform
// no longer has that root: then the new one takes its place, and the tenants stay.
func (s *Service) Install(ctx context.Context, in Instance, by audit.Actor) (Instance, error) {
	if err := in.checkLengths(); err != nil {
		return Instance{}, err
	}
	settings, err := s.checkedSettings(in.Key, in.Settings)
	if err != nil {
		return Instance{}, err
	}
	forgotten, err := s.forgotten(ctx, in)
	if err != nil {
		return Instance{}, err
	}
	var stored Instance
	err = transact(ctx, s.cfg.Store, func(ctx context.Context) error {
		var replaced map[string]string // details of the event, when another root takes the place of the stored one
		stored, err = s.cfg.Store.Instance(ctx, in.Key)
		switch {
		case errors.Is(err, ErrNotFound):
			stored = Instance{Key: in.Key, CreatedAt: s.cfg.Now()}
		case err != nil:
			return fmt.Errorf("reading instance %s: %w", in.Key, err)
		case stored.RemovedAt.IsZero() && stored.RootID != in.RootID:
			if stored.RootID != forgotten {
				return failure.New(failure.Conflict) // changed since it was read
			}
			stored.ID, stored.RootID, replaced = in.ID, in.RootID, map[string]string{"replaced": forgotten}
			if err := s.doubtTenants(ctx, in.Key, by); err != nil {
				return err
			}
		case !stored.RemovedAt.IsZero():
			stored.CreatedAt, stored.Altered = s.cfg.Now(), false // nothing of the removed instance remains
		}
		kept := settings
		kept.Application.keep(stored.Settings.Application)
		if stored.RootID == "" || !stored.RemovedAt.IsZero() { // a repeated call must not move the instance: nothing signs its headers
			stored.ID, stored.RootID, stored.ControllerURI, stored.NamedController = in.ID, in.RootID, in.ControllerURI, ""
		}
		stored.PackageVersion, stored.Settings, stored.RemovedAt = in.PackageVersion, kept, time.Time{}
		return s.saveInstance(ctx, &stored, audit.InstanceInstalled, by, replaced)
	})
	return stored, err
}

// Configure changes the settings of an instance. An empty credential keeps the stored one unless it says Remove.
func (s *Service) Configure(ctx context.Context, key string, settings Settings, by audit.Actor) (Instance, error) {
	return s.change(ctx, key, audit.InstanceConfigured, by, settings, nil)
}

// Upgrade records that the platform upgraded an instance from one package version to another, and stores its settings. An
// instance that has the later version already stays as it is: its settings may have been changed since.
func (s *Service) Upgrade(ctx context.Context, key, from, to string, settings Settings, by audit.Actor) (Instance, error) {
	return s.change(ctx, key, audit.InstanceUpgraded, by, settings, map[string]string{"from": from, "to": to})
}

func (s *Service) change(ctx context.Context, key string, action audit.Action, by audit.Actor, settings Settings, details map[string]string) (Instance, error) {
	settings, err := s.checkedSettings(key, settings)
	if err != nil {
		return Instance{}, err
	}
	var in Instance
	err = transact(ctx, s.cfg.Store, func(ctx context.Context) error {
		if in, err = s.Instance(ctx, key); err != nil {
			return err
		}
		if to := details["to"]; to != "" && to == in.PackageVersion {
			return nil
		}
		changed := settings
		changed.Application.keep(in.Settings.Application)
		in.Settings = changed
		if to := details["to"]; to != "" {
			in.PackageVersion = to
		}
		if err := in.checkLengths(); err != nil {
			return err
		}
		return s.saveInstance(ctx, &in, action, by, details)
	})
	return in, err
}

// Remove is Remove.
func (s *Service) Remove(ctx context.Context, key string, by audit.Actor) error {
	return Remove(ctx, s.cfg.Store, s.cfg.Now(), key, by)
}

// RecordRefusal appends the event that by may not call an operation; tenantID is empty for one of the instance.
func (s *Service) RecordRefusal(ctx context.Context, instanceKey, tenantID, operation string, by audit.Actor) error {
	return s.append(ctx, audit.Event{
		InstanceKey: instanceKey, TenantID: tenantID, Action: audit.CallRefused, Actor: by, Result: string(failure.Forbidden),
		Details: map[string]string{"operation": operation},
	})
}

// Instance returns an instance that is not removed, or the failure not_found.
func (s *Service) Instance(ctx context.Context, key string) (Instance, error) {
	in, err := s.cfg.Store.Instance(ctx, key)
	if errors.Is(err, ErrNotFound) || err == nil && !in.RemovedAt.IsZero() {
		return Instance{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Instance{}, fmt.Errorf("reading instance %s: %w", key, err)
	}
	return in, nil
}

func (s *Service) saveInstance(ctx context.Context, in *Instance, action audit.Action, by audit.Actor, details map[string]string) error {
	in.UpdatedAt = s.cfg.Now()
	if err := s.cfg.Store.SaveInstance(ctx, in); err != nil {
		return translated(err, fmt.Sprintf("saving instance %s", in.Key))
	}
	return s.append(ctx, audit.Event{InstanceKey: in.Key, Action: action, Actor: by, Details: details})
}

func (s *Service) append(ctx context.Context, e audit.Event) error {
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), e)
}

// maxAttempts is how often a change is attempted while others change the same row.
const maxAttempts = 20

// transact runs fn, which reads what it changes, in a transaction, and again when somebody else changed the same row meanwhile. The
// platform sends hooks about one tenant at the same moment, and takes the failure conflict for final.
func transact(ctx context.Context, st Store, fn func(ctx context.Context) error) error {
	var err error
	for range maxAttempts {
		if err = st.Transact(ctx, fn); !errors.Is(err, ErrChanged) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func translated(err error, doing string) error {
	if errors.Is(err, ErrChanged) {
		return failure.Wrap(fmt.Errorf("%s: %w", doing, err), failure.Conflict)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
