package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"azure-partner-connector/connector/tenant"
)

const (
	// accountTTL is how long an account stays cached. Its type and its parent hardly ever change.
	accountTTL = 5 * time.Minute
	// failureTTL is how long a look-up that only names a person is not tried again after it failed.
	failureTTL = 30 * time.Second
	// maxAccounts is how many lookups the cache holds at most.
	maxAccounts = 4096
)

// An accountKey names one lookup. The same id may be that of a user and of an account.
type accountKey struct {
	instance string
	user     bool
	id       string
}

type cachedAccount struct {
	account tenant.Account
	expires time.Time
}

// accountCache caches the accounts that Accounts returns, but not its errors: a user that is unknown now may exist a
// moment later. Only what is not needed is not tried again for a while. It is safe for concurrent use.
type accountCache struct {
	accounts Accounts
	now      func() time.Time
	cached   *lru.Cache[accountKey, cachedAccount]
	failed   *lru.Cache[accountKey, time.Time] // until when tryUserAccount doesn't try
}

func newAccountCache(accounts Accounts, now func() time.Time) (*accountCache, error) {
	cached, err := lru.New[accountKey, cachedAccount](maxAccounts)
	if err != nil {
		return nil, fmt.Errorf("hooks: creating the cache of accounts: %w", err)
	}
	failed, err := lru.New[accountKey, time.Time](maxAccounts)
	if err != nil {
		return nil, fmt.Errorf("hooks: creating the cache of failed look-ups: %w", err)
	}
	return &accountCache{accounts, now, cached, failed}, nil
}

func (c *accountCache) userAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error) {
	return c.lookUp(ctx, in, accountKey{in.Key, true, identity}, c.accounts.UserAccount)
}

// errNotTried is returned for a look-up that failed a moment ago.
var errNotTried = errors.New("the look-up failed a moment ago")

// tryUserAccount is userAccount for what a request can do without: after a failure it returns an error at once for a while.
func (c *accountCache) tryUserAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error) {
	key := accountKey{in.Key, true, identity}
	if until, ok := c.failed.Get(key); ok && c.now().Before(until) {
		return tenant.Account{}, errNotTried
	}
	account, err := c.userAccount(ctx, in, identity)
	if err != nil {
		c.failed.Add(key, c.now().Add(failureTTL))
	}
	return account, err
}

func (c *accountCache) account(ctx context.Context, in tenant.Instance, id string) (tenant.Account, error) {
	return c.lookUp(ctx, in, accountKey{in.Key, false, id}, c.accounts.Account)
}

func (c *accountCache) lookUp(ctx context.Context, in tenant.Instance, key accountKey, read func(context.Context, tenant.Instance, string) (tenant.Account, error)) (tenant.Account, error) {
	if hit, ok := c.cached.Get(key); ok && c.now().Before(hit.expires) {
		return hit.account, nil
	}
	account, err := read(ctx, in, key.id)
	if err != nil {
		return tenant.Account{}, err
	}
	c.cached.Add(key, cachedAccount{account, c.now().Add(accountTTL)})
	return account, nil
}

// forget removes an account from the cache.
func (c *accountCache) forget(in tenant.Instance, id string) {
	c.cached.Remove(accountKey{in.Key, false, id})
}
