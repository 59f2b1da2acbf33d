package token

import (
	"maps"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
)

// refusalLife is how long a refusal answers for Microsoft before it is asked again.
const refusalLife = 5 * time.Minute

type loanKey struct {
	tenantID string
	api      API
}

// A heldLoan is an access token that waits to be lent again. There may be very many: what is known of it otherwise is not
// kept here, and the consent that it was made from is in the seal.
type heldLoan struct {
	sealed    []byte
	expiresAt time.Time
}

// A heldRefusal answers for Microsoft for a while.
type heldRefusal struct {
	consentID string
	failure   *failure.Error
	until     time.Time
}

// loanCache keeps access tokens in memory until shortly before they expire, and refusals for a while. The tokens are
// sealed under a key that this process makes and never writes: what spills memory in pieces spills none of them.
type loanCache struct {
	keys *seal.Keyring

	mu       sync.RWMutex // guards the rest; a key is in one of them at most
	loans    map[loanKey]heldLoan
	refusals map[loanKey]heldRefusal
}

func newLoanCache() (*loanCache, error) {
	keys, err := seal.Create()
	if err != nil {
		return nil, err
	}
	return &loanCache{keys: keys, loans: map[loanKey]heldLoan{}, refusals: map[loanKey]heldRefusal{}}, nil
}

// place names what a token is sealed for. One of another consent does not open.
func place(api API, consentID string) string { return string(api) + "/" + consentID }

// get returns what was answered for the grant of a consent while that still holds.
func (c *loanCache) get(g Grant, api API, now time.Time) (loan Loan, ok bool, err error) {
	key := loanKey{g.TenantID, api}
	c.mu.RLock()
	held, lent := c.loans[key]
	refusal, refused := c.refusals[key]
	c.mu.RUnlock()
	switch {
	case refused && refusal.consentID == g.ConsentID:
		return Loan{}, now.Before(refusal.until), refusal.failure
	case !lent || held.expiresAt.Sub(now) <= loanMargin:
		return Loan{}, false, nil
	}
	opened, err := c.keys.Open(held.sealed, "loans", g.TenantID, place(api, g.ConsentID))
	if err != nil {
		return Loan{}, false, nil //nolint:nilerr // another consent's, or spoiled in memory: as good as none
	}
	return Loan{API: api, AccessToken: secret.New(string(opened)), ExpiresAt: held.expiresAt, DirectoryID: g.DirectoryID}, true, nil
}

// put keeps a loan that was made from g.
func (c *loanCache) put(g Grant, loan Loan) error {
	sealed, err := c.keys.Seal([]byte(loan.AccessToken.Reveal()), "loans", g.TenantID, place(loan.API, g.ConsentID))
	if err != nil {
		return err
	}
	key := loanKey{g.TenantID, loan.API}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loans[key] = heldLoan{sealed, loan.ExpiresAt}
	delete(c.refusals, key)
	return nil
}

// refuse remembers a refusal: for a while what is permanent, as long as Microsoft asked what is not.
func (c *loanCache) refuse(g Grant, api API, f *failure.Error, now time.Time) {
	until := now.Add(refusalLife)
	if f.Kind() == failure.Transient {
		until = now
		if f.Microsoft != nil {
			until = now.Add(time.Duration(f.Microsoft.RetryAfterSeconds) * time.Second)
		}
	}
	key := loanKey{g.TenantID, api}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[key] = heldRefusal{g.ConsentID, f, until}
	delete(c.loans, key)
}

// drop forgets what was answered for a tenant.
func (c *loanCache) drop(tenantID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, api := range APIs() {
		delete(c.loans, loanKey{tenantID, api})
		delete(c.refusals, loanKey{tenantID, api})
	}
}

// purge forgets what is over.
func (c *loanCache) purge(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.loans, func(_ loanKey, held heldLoan) bool { return held.expiresAt.Before(now) })
	maps.DeleteFunc(c.refusals, func(_ loanKey, refusal heldRefusal) bool { return refusal.until.Before(now) })
}
