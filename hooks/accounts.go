package hooks

import (
	"context"
	"maps"
	"sync"
	"time"

	"azure-partner-connector/connector/tenant"
)

// Accounts resolves accounts at the platform of an instance. Errors are *failure.Error: not_found when there is no
// such user or account, platform_unavailable when it cannot be said.
type Accounts interface {
	UserAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error)
	Account(ctx context.Context, in tenant.Instance, id string) (tenant.Account, error)
}

const (
	// accountLife is how long an account's type and place are taken for true; both hardly ever change.
	accountLife = 5 * time.Minute
	// maxAccounts bounds the memory that accounts take.
	maxAccounts = 4096
)

// An accountKey names what was asked; an identity and an account are different questions.
type accountKey struct {
	instance string
	identity bool
	id       string
}

type cachedAccount struct {
	account tenant.Account
	until   time.Time
}

// accountCache remembers what Accounts found, never what it did not find. It is safe for concurrent use.
type accountCache struct {
	accounts Accounts
	now      func() time.Time

	mu    sync.Mutex // guards known
	known map[accountKey]cachedAccount
}

func newAccountCache(accounts Accounts, now func() time.Time) *accountCache {
	return &accountCache{accounts: accounts, now: now, known: make(map[accountKey]cachedAccount)}
}

func (c *accountCache) userAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error) {
	return c.find(ctx, in, accountKey{in.Key, true, identity}, c.accounts.UserAccount)
}

func (c *accountCache) account(ctx context.Context, in tenant.Instance, id string) (tenant.Account, error) {
	return c.find(ctx, in, accountKey{in.Key, false, id}, c.accounts.Account)
}

func (c *accountCache) find(ctx context.Context, in tenant.Instance, key accountKey, ask func(context.Context, tenant.Instance, string) (tenant.Account, error)) (tenant.Account, error) {
	c.mu.Lock()
	cached, ok := c.known[key]
	c.mu.Unlock()
	if ok && c.now().Before(cached.until) {
		return cached.account, nil
	}
	found, err := ask(ctx, in, key.id)
	if err != nil {
		return tenant.Account{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom()
	c.known[key] = cachedAccount{found, c.now().Add(accountLife)}
	return found, nil
}

// forget has the next question about an account asked anew.
func (c *accountCache) forget(in tenant.Instance, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, accountKey{in.Key, false, id})
}

// makeRoom forgets what is over and, where that does not suffice, everything: it is soon asked for again. c.mu is held.
func (c *accountCache) makeRoom() {
	if len(c.known) < maxAccounts {
		return
	}
	now := c.now()
	maps.DeleteFunc(c.known, func(_ accountKey, v cachedAccount) bool { return !now.Before(v.until) })
	if len(c.known) >= maxAccounts {
		clear(c.known)
	}
}
