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

// An answer is what a borrower gets: a loan, or a refusal until its end.
type answer struct {
	loan         Loan // without its access token
	sealed       []byte
	refusal      *failure.Error
	refusedUntil time.Time
}

// loanCache keeps access tokens in memory until shortly before they expire, and refusals for a while. The tokens are
// sealed under a key that this process makes and never writes: what spills memory in pieces spills none of them.
type loanCache struct {
	keys *seal.Keyring

	mu    sync.RWMutex // guards byKey
	byKey map[loanKey]answer
}

func newLoanCache() (*loanCache, error) {
	keys, err := seal.Create()
	if err != nil {
		return nil, err
	}
	return &loanCache{keys: keys, byKey: map[loanKey]answer{}}, nil
}

// get returns what was answered for a consent while that still holds.
func (c *loanCache) get(tenantID string, api API, consentID string, now time.Time) (loan Loan, ok bool, err error) {
	c.mu.RLock()
	a, ok := c.byKey[loanKey{tenantID, api}]
	c.mu.RUnlock()
	switch {
	case !ok || a.loan.consentID != consentID:
		return Loan{}, false, nil
	case a.refusal != nil:
		return Loan{}, now.Before(a.refusedUntil), a.refusal
	case a.loan.ExpiresAt.Sub(now) <= loanMargin:
		return Loan{}, false, nil
	}
	opened, err := c.keys.Open(a.sealed, "loans", tenantID, string(api))
	if err != nil {
		return Loan{}, false, nil //nolint:nilerr // a token that was spoiled in memory is as good as none
	}
	loan = a.loan
	loan.AccessToken = secret.New(string(opened))
	return loan, true, nil
}

func (c *loanCache) put(tenantID string, loan Loan) error {
	sealed, err := c.keys.Seal([]byte(loan.AccessToken.Reveal()), "loans", tenantID, string(loan.API))
	if err != nil {
		return err
	}
	loan.AccessToken = secret.Text{}
	c.set(loanKey{tenantID, loan.API}, answer{loan: loan, sealed: sealed})
	return nil
}

// refuse remembers a refusal: for a while what is permanent, as long as Microsoft asked what is not.
func (c *loanCache) refuse(tenantID string, api API, consentID string, f *failure.Error, now time.Time) {
	until := now.Add(refusalLife)
	if f.Kind() == failure.Transient {
		until = now
		if f.Microsoft != nil {
			until = now.Add(time.Duration(f.Microsoft.RetryAfterSeconds) * time.Second)
		}
	}
	c.set(loanKey{tenantID, api}, answer{loan: Loan{consentID: consentID}, refusal: f, refusedUntil: until})
}

func (c *loanCache) set(key loanKey, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKey[key] = a
}

// drop forgets what was answered for a tenant.
func (c *loanCache) drop(tenantID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, api := range APIs() {
		delete(c.byKey, loanKey{tenantID, api})
	}
}

// purge forgets what is over.
func (c *loanCache) purge(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.byKey, func(_ loanKey, a answer) bool {
		return a.loan.ExpiresAt.Before(now) && a.refusedUntil.Before(now)
	})
}
