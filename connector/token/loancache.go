package token

import (
	"cmp"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
)

const (
	// refusalLife is how long borrowers get a permanent refusal from the cache before the next request to Microsoft.
	refusalLife = 5 * time.Minute

	// maxCachedLoans bounds the cache of tokens for partner directories. Access tokens have 2 to 4 kB, so it takes 100 to 200 MB
	// at most. An entry that was evicted costs one redemption. Tokens for customer directories have a cache of their own
	// (Config.CustomerTokens), so that they do not evict these.
	maxCachedLoans = 50_000
)

// A loanKey is what an access token is for.
type loanKey struct {
	tenantID  string
	directory string // ID of a customer directory; empty for the partner's own
	api       API
}

// String returns a text that no other key has.
func (k loanKey) String() string { return k.tenantID + "/" + k.directory + "/" + string(k.api) }

// A cachedLoan is a sealed access token or a refusal. An access token has no consentID: it is sealed for its consent.
type cachedLoan struct {
	sealed    []byte    // nil for a refusal
	expiresAt time.Time // of the token, for the borrower

	// The entry is used from cachedAt until usedUntil, both on our clock. When our clock was set back meanwhile, it is not.
	cachedAt, usedUntil time.Time

	// replacedAt is when the token replaced one that its api had refused; zero for others.
	replacedAt time.Time

	refusal   *failure.Error // nil for a token
	consentID string         // of the refused grant
}

// A loanCache keeps access tokens in memory until shortly before they expire, and refusals for a while. The tokens are
// sealed with a key that exists only in this process, so that a leak of parts of its memory reveals none. It is safe for
// concurrent use.
type loanCache struct {
	keys    *seal.Keyring
	entries *lru.Cache[loanKey, cachedLoan]
}

func newLoanCache(size int) (*loanCache, error) {
	keys, err := seal.Create()
	if err != nil {
		return nil, err
	}
	entries, err := lru.New[loanKey, cachedLoan](size)
	if err != nil {
		return nil, err
	}
	return &loanCache{keys: keys, entries: entries}, nil
}

// sealedFor returns the name of the row that a token is sealed for. A token from another consent does not open.
func (k loanKey) sealedFor(consentID string) string {
	return string(k.api) + "/" + k.directory + "/" + consentID
}

// get returns the cached answer for a grant and a key: a loan, or the error of a refusal. ok is false when there is none
// or it has expired.
func (c *loanCache) get(g *Grant, key loanKey, now time.Time) (loan Loan, ok bool, err error) {
	cached, ok := c.entries.Get(key)
	switch {
	case !ok || now.Before(cached.cachedAt) || !now.Before(cached.usedUntil):
		return Loan{}, false, nil
	case cached.refusal != nil:
		if cached.consentID != g.ConsentID {
			return Loan{}, false, nil
		}
		return Loan{}, true, cached.refusal
	}
	opened, err := c.keys.Open(cached.sealed, "loans", g.TenantID, key.sealedFor(g.ConsentID))
	if err != nil {
		return Loan{}, false, nil //nolint:nilerr // from another consent, or damaged: counts as missing
	}
	directory := cmp.Or(key.directory, g.DirectoryID)
	return Loan{API: key.api, AccessToken: secret.New(string(opened)), ExpiresAt: cached.expiresAt, DirectoryID: directory}, true, nil
}

// put caches a loan that was issued from g, not before the time asked, and works for life.
func (c *loanCache) put(g Grant, key loanKey, loan Loan, life time.Duration, asked time.Time) error {
	sealed, err := c.keys.Seal([]byte(loan.AccessToken.Reveal()), "loans", g.TenantID, key.sealedFor(g.ConsentID))
	if err != nil {
		return err
	}
	c.entries.Add(key, cachedLoan{sealed: sealed, expiresAt: loan.ExpiresAt, cachedAt: asked, usedUntil: asked.Add(life - loanMargin)})
	return nil
}

// refuse caches a refusal: a permanent one for refusalLife, a transient one for as long as Microsoft asked to wait.
func (c *loanCache) refuse(g Grant, key loanKey, f *failure.Error, now time.Time) {
	until := now.Add(refusalLife)
	if f.Kind() == failure.Transient {
		until = now
		if f.Microsoft != nil {
			until = now.Add(time.Duration(f.Microsoft.RetryAfterSeconds) * time.Second)
		}
	}
	c.entries.Add(key, cachedLoan{refusal: f, consentID: g.ConsentID, cachedAt: now, usedUntil: until})
}

// replaced notes that the entry of a key is a token that replaced a refused one.
func (c *loanCache) replaced(key loanKey, now time.Time) {
	if cached, ok := c.entries.Peek(key); ok && cached.refusal == nil {
		cached.replacedAt = now
		c.entries.Add(key, cached)
	}
}

// replacedWithin reports whether the entry of a key is a token that replaced a refused one less than d ago.
func (c *loanCache) replacedWithin(key loanKey, d time.Duration, now time.Time) bool {
	cached, ok := c.entries.Peek(key)
	if !ok || cached.replacedAt.IsZero() {
		return false
	}
	age := now.Sub(cached.replacedAt)
	return age >= 0 && age < d
}

// dropBefore removes the entry of a key if it was cached before a time, and reports whether it was.
func (c *loanCache) dropBefore(key loanKey, at time.Time) bool {
	cached, ok := c.entries.Peek(key)
	if !ok || !cached.cachedAt.Before(at) {
		return false
	}
	c.entries.Remove(key)
	return true
}

// dropDirectory removes the entries of one customer directory of a tenant.
func (c *loanCache) dropDirectory(tenantID, directory string) {
	for _, key := range c.entries.Keys() {
		if key.tenantID == tenantID && key.directory == directory {
			c.entries.Remove(key)
		}
	}
}

// drop removes a tenant's entries.
func (c *loanCache) drop(tenantID string) {
	for _, key := range c.entries.Keys() {
		if key.tenantID == tenantID {
			c.entries.Remove(key)
		}
	}
}

// purge removes expired entries.
func (c *loanCache) purge(now time.Time) {
	for _, key := range c.entries.Keys() {
		if cached, ok := c.entries.Peek(key); ok && (cached.usedUntil.Before(now) || now.Before(cached.cachedAt)) {
			c.entries.Remove(key)
		}
	}
}

// cacheOf returns the cache for a key.
func (s *Service) cacheOf(key loanKey) *loanCache {
	if key.directory != "" {
		return s.customerLoans
	}
	return s.loans
}

// dropLoans removes a tenant's access tokens and refusals from memory.
func (s *Service) dropLoans(tenantID string) {
	s.loans.drop(tenantID)
	s.customerLoans.drop(tenantID)
}
