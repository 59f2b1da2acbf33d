package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// keyPrefix begins every key, so that people and scanners of repositories recognise one.
const keyPrefix = "apck_"

// keyLength is the length of a key: the prefix and 256 random bits.
const keyLength = len(keyPrefix) + 43

// hashKey is the purpose of the keyed hashes of keys.
const hashKey = "client key"

const (
	// maxKeys is how many keys a client may have at once: the old and the new one of a rotation, and some for replicas.
	maxKeys = 10
	// usedAgain is how old the stored time of the last use of a key is before it is stored again.
	usedAgain = time.Minute
	// shownRules is how many rules the event of a new client has.
	shownRules = 8
	// maxScopes bounds the members of a scope, so that every scope can be stored.
	maxScopes = 200
	// maxRecent bounds the keys that are kept for the next requests.
	maxRecent = 1000
)

// Store keeps clients. It returns tenant.ErrNotFound when there is no row, and tenant.ErrChanged for a new one that exists
// already. Methods join the transaction of their context (tenant.Store) and are safe for concurrent use.
type Store interface {
	Transact(ctx context.Context, fn func(ctx context.Context) error) error

	Client(ctx context.Context, name string) (Client, error)
	// Clients returns all clients ordered by name.
	Clients(ctx context.Context) ([]Client, error)
	AddClient(ctx context.Context, c Client) error
	// DeleteClient deletes a client and its keys.
	DeleteClient(ctx context.Context, name string) error

	// ClientByKey returns the key with a hash and its client, read at the same moment.
	ClientByKey(ctx context.Context, hash string) (Client, Key, error)
	// Keys returns the keys of a client, oldest first.
	Keys(ctx context.Context, client string) ([]Key, error)
	AddKey(ctx context.Context, k Key) error
	DeleteKey(ctx context.Context, client, id string) error
	// TouchKeyOf stores when a key was used last.
	TouchKeyOf(ctx context.Context, id string, at time.Time) error

	// RememberNonce records that name used nonce at a time, until another time. It reports whether this was the first use, on any
	// replica.
	RememberNonce(ctx context.Context, name, nonce string, at, until time.Time) (bool, error)

	AppendEvent(ctx context.Context, e audit.Event) error
}

// Hasher computes keyed hashes; seal.Keyring is one.
type Hasher interface {
	Hash(purpose, value string) (string, error)
}

// Config is what a Service needs.
type Config struct {
	Store  Store  // required
	Hasher Hasher // required

	// APIs are the names of the APIs of all instances. Default: the built-in ones.
	APIs []string

	// Refusals counts what clients were refused. Required.
	Refusals *audit.Tally

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives a record when the time of a key's last use cannot be stored. Default: discard.
	Log *slog.Logger
}

// A Service keeps clients and recognises them. Its methods return a *failure.Error for every failure that the caller can
// correct, and are safe for concurrent use. What ends here ends at once; what another process ends, ends here within recent.Life.
type Service struct {
	cfg    Config
	recent *recent.Cache[string, known] // by hash
}

// A known is a key with its client.
type known struct {
	client Client
	key    Key
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Hasher == nil || cfg.Refusals == nil {
		return nil, errors.New("client: a store, a hasher and a tally of refusals are required")
	}
	if cfg.APIs == nil {
		cfg.APIs = tenant.APIs()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	kept, err := recent.New[string, known](maxRecent)
	if err != nil {
		return nil, err
	}
	return &Service{cfg, kept}, nil
}

// AddWith stores a new client with its first credential. It returns a random key, which cannot be read again, if that is the
// credential. Of c it takes the name, the scopes and the time when it expires.
func (s *Service) AddWith(ctx context.Context, c Client, credential Credential, by audit.Actor) (secret.Text, error) {
	if !clientName.MatchString(c.Name) {
		return secret.Text{}, failure.New(failure.BadRequest, "reason", "the name of a client has 1 to 64 lower-case letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	}
	var err error
	if c.Scopes, err = c.checked(s.cfg.APIs); err != nil {
		return secret.Text{}, err
	}
	if len(c.Tenants) > maxScopes || len(c.Directories) > maxScopes {
		return secret.Text{}, failure.New(failure.BadRequest, "reason", fmt.Sprintf("a scope has more than %d members; use any", maxScopes))
	}
	if err := s.future(c.ExpiresAt); err != nil {
		return secret.Text{}, err
	}
	c.CreatedAt = s.cfg.Now()
	key, stored, err := s.newCredential(c.Name, credential, time.Time{})
	if err != nil {
		return secret.Text{}, err
	}
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.AddClient(ctx, c); err != nil {
			return err
		}
		if err := s.cfg.Store.AddKey(ctx, stored); err != nil {
			return err
		}
		details := map[string]string{
			"key": stored.ID, "tenants": strings.Join(c.Tenants, " "), "apis": strings.Join(c.APIs, " "),
			"directories": strings.Join(c.Directories, " "), "operations": join(c.Operations),
		}
		if len(c.Forward) > 0 {
			details["forward"] = fmt.Sprint(len(c.Forward))
			for i, rule := range c.Forward[:min(len(c.Forward), shownRules)] {
				details[fmt.Sprintf("rule_%d", i+1)] = rule.String()
			}
		}
		if !c.ExpiresAt.IsZero() {
			details["expires"] = c.ExpiresAt.UTC().Format(time.RFC3339)
		}
		return s.append(ctx, audit.ClientAdded, c.Name, details, by)
	})
	if errors.Is(err, tenant.ErrChanged) {
		return secret.Text{}, failure.New(failure.BadRequest, "reason", "there is a client of this name, or with this certificate or public key, already")
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("adding client %s: %w", c.Name, err)
	}
	return key, nil
}

// Remove deletes a client and its keys, which stop working at once here, and elsewhere within recent.Life.
func (s *Service) Remove(ctx context.Context, name string, by audit.Actor) error {
	defer s.recent.Forget()
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if _, err := s.Client(ctx, name); err != nil {
			return err
		}
		if err := s.cfg.Store.DeleteClient(ctx, name); err != nil {
			return fmt.Errorf("removing client %s: %w", name, err)
		}
		return s.append(ctx, audit.ClientRemoved, name, nil, by)
	})
}

// AddCredential stores one more key of a client and returns it, if it is a random one. The other keys go on working until
// RemoveKey; this one until the time given, if it is not zero.
func (s *Service) AddCredential(ctx context.Context, name string, credential Credential, expires time.Time, by audit.Actor) (secret.Text, error) {
	if err := s.future(expires); err != nil {
		return secret.Text{}, err
	}
	var key secret.Text
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		c, err := s.Client(ctx, name)
		if err != nil {
			return err
		}
		if c.Altered {
			return failure.New(failure.Integrity)
		}
		if ended(c.ExpiresAt, s.cfg.Now()) {
			return failure.New(failure.BadRequest, "reason", "the client has expired, and its keys with it: remove it and add it again")
		}
		keys, err := s.cfg.Store.Keys(ctx, name)
		if err != nil {
			return err
		}
		if len(keys) >= maxKeys {
			return failure.New(failure.BadRequest, "reason", fmt.Sprintf("the client has %d keys already; remove one first", maxKeys))
		}
		var stored Key
		if key, stored, err = s.newCredential(name, credential, expires); err != nil {
			return err
		}
		if err := s.cfg.Store.AddKey(ctx, stored); err != nil {
			return err
		}
		return s.append(ctx, audit.ClientKeyAdded, name, map[string]string{"key": stored.ID}, by)
	})
	if errors.Is(err, tenant.ErrChanged) {
		return secret.Text{}, failure.New(failure.BadRequest, "reason", "a client has this certificate or public key already")
	}
	return key, err
}

// RemoveKey deletes a key of a client, which stops working at once here, and elsewhere within recent.Life.
func (s *Service) RemoveKey(ctx context.Context, name, id string, by audit.Actor) error {
	defer s.recent.Forget()
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if _, err := s.Client(ctx, name); err != nil {
			return err
		}
		err := s.cfg.Store.DeleteKey(ctx, name, id)
		if errors.Is(err, tenant.ErrNotFound) {
			return failure.New(failure.NotFound)
		}
		if err != nil {
			return fmt.Errorf("removing a key of client %s: %w", name, err)
		}
		return s.append(ctx, audit.ClientKeyRemoved, name, map[string]string{"key": id}, by)
	})
}

// Client returns a client by name, or the failure not_found.
func (s *Service) Client(ctx context.Context, name string) (Client, error) {
	c, err := s.cfg.Store.Client(ctx, name)
	if errors.Is(err, tenant.ErrNotFound) {
		return Client{}, failure.New(failure.NotFound)
	}
	return c, err
}

// A Listed is a client with its keys.
type Listed struct {
	Client
	Keys []Key
}

// List returns all clients with their keys, ordered by name.
func (s *Service) List(ctx context.Context) ([]Listed, error) {
	clients, err := s.cfg.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	listed := make([]Listed, len(clients))
	for i, c := range clients {
		listed[i].Client = c
		if listed[i].Keys, err = s.cfg.Store.Keys(ctx, c.Name); err != nil {
			return nil, err
		}
	}
	return listed, nil
}

// A TenantClient is a client as the owner of one of its tenants sees it.
type TenantClient struct {
	Client
	LastUsedAt time.Time // the latest use of its keys, to the minute; zero: never
}

// OfTenant returns the clients that may get access tokens of a tenant or have calls forwarded with them, ordered by name. Those
// that Authenticate refuses are not among them: they and their keys expired, or were altered.
func (s *Service) OfTenant(ctx context.Context, tenantID string) ([]TenantClient, error) {
	clients, err := s.cfg.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	var found []TenantClient
	for _, c := range clients {
		if !c.HasTenant(tenantID) || !c.May(Lend) && !c.May(Forward) {
			continue
		}
		keys, err := s.cfg.Store.Keys(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		keys = slices.DeleteFunc(keys, func(key Key) bool { return (&known{c, key}).refusal(now) != nil })
		if len(keys) == 0 {
			continue
		}
		last := slices.MaxFunc(keys, func(a, b Key) int { return a.LastUsedAt.Compare(b.LastUsedAt) })
		found = append(found, TenantClient{c, last.LastUsedAt})
	}
	return found, nil
}

// Authenticate returns the client with a key. For an unknown key it returns the failure key_unknown, which nothing records; for a
// key or a client that expired or was altered, the client with the failure key_expired or integrity.
func (s *Service) Authenticate(ctx context.Context, key secret.Text) (Client, error) {
	if text := key.Reveal(); len(text) != keyLength || !strings.HasPrefix(text, keyPrefix) {
		return Client{}, failure.New(failure.KeyUnknown)
	}
	return s.byHash(ctx, hashKey, key.Reveal())
}

// byHash returns the client of a key whose keyed hash has a purpose and a value.
func (s *Service) byHash(ctx context.Context, purpose, value string) (Client, error) {
	hash, err := s.cfg.Hasher.Hash(purpose, value)
	if err != nil {
		return Client{}, err
	}
	now := s.cfg.Now()
	found, err := s.recent.Get(hash, now, func() (k known, err error) {
		if k.client, k.key, err = s.cfg.Store.ClientByKey(ctx, hash); err == nil {
			s.touch(ctx, &k, now)
		}
		return k, err
	})
	if errors.Is(err, tenant.ErrNotFound) {
		return Client{}, failure.New(failure.KeyUnknown)
	}
	if err != nil {
		return Client{}, fmt.Errorf("looking for a client: %w", err)
	}
	return found.client, found.refusal(now)
}

// refusal returns why a key is not accepted; nil when it is.
func (k *known) refusal(now time.Time) error {
	switch {
	case k.client.Altered || k.key.Altered:
		return failure.New(failure.Integrity)
	case ended(k.client.ExpiresAt, now) || ended(k.key.ExpiresAt, now):
		return failure.New(failure.KeyExpired)
	}
	return nil
}

// touch stores when a key that is accepted was used.
func (s *Service) touch(ctx context.Context, k *known, now time.Time) {
	if since := now.Sub(k.key.LastUsedAt); since >= 0 && since < usedAgain || k.refusal(now) != nil {
		return
	}
	if err := s.cfg.Store.TouchKeyOf(ctx, k.key.ID, now); err != nil {
		s.cfg.Log.WarnContext(ctx, "storing when a key was used failed", "client", k.client.Name, "err", err)
	}
}

// Refused counts a request of a known client that was refused, unless Lend of the token service has recorded it.
func (s *Service) Refused(ctx context.Context, c Client, cause error, details map[string]string) error {
	return s.cfg.Refusals.Append(ctx, audit.Event{
		Action: audit.ClientRefused, Actor: c.Actor(), Result: string(failure.From(cause).Code), Details: details,
	})
}

func ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

func (s *Service) future(expires time.Time) error {
	if ended(expires, s.cfg.Now()) {
		return failure.New(failure.BadRequest, "reason", "the time when it expires is over already")
	}
	return nil
}

// newKey returns a new key and what is stored about it.
func (s *Service) newKey(name string, expires time.Time) (secret.Text, Key, error) {
	key := secret.New(keyPrefix + random.Token())
	hash, err := s.cfg.Hasher.Hash(hashKey, key.Reveal())
	if err != nil {
		return secret.Text{}, Key{}, err
	}
	return key, Key{ID: random.Reference(), Client: name, Hash: hash, CreatedAt: s.cfg.Now(), ExpiresAt: expires}, nil
}

func (s *Service) append(ctx context.Context, action audit.Action, name string, details map[string]string, by audit.Actor) error {
	all := map[string]string{"name": name} // "client" is the address of whoever makes the request
	for key, value := range details {
		all[key] = length.Shorten(value, length.Detail)
	}
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), audit.Event{Action: action, Actor: by, Details: all})
}

func join(operations []Operation) string {
	words := make([]string, len(operations))
	for i, op := range operations {
		words[i] = string(op)
	}
	return strings.Join(words, " ")
}
