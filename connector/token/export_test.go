package token

import "time"

// CacheLoans puts loans of n tenants into a cache for size loans, and returns how many the cache still has.
func CacheLoans(size, n int, now time.Time) (int, error) {
	cache, err := newLoanCache(size)
	if err != nil {
		return 0, err
	}
	grant := func(i int) Grant { return Grant{TenantID: string(rune('a' + i)), ConsentID: "consent"} }
	key := func(i int) loanKey { return loanKey{tenantID: grant(i).TenantID, api: Graph} }
	for i := range n {
		if err := cache.put(grant(i), key(i), Loan{API: Graph, ExpiresAt: now.Add(time.Hour)}, time.Hour, now); err != nil {
			return 0, err
		}
	}
	left := 0
	for i := range n {
		g := grant(i)
		if _, ok, err := cache.get(&g, key(i), now); err != nil {
			return 0, err
		} else if ok {
			left++
		}
	}
	return left, nil
}

// CachedLoans returns how many answers for a tenant's own directory are in memory.
func (s *Service) CachedLoans(tenantID string) (n int) {
	for _, key := range s.loans.entries.Keys() {
		if key.tenantID == tenantID {
			n++
		}
	}
	return n
}

// NewBudgets is newBudgets of texts, and TakeBudget their take.
var (
	NewBudgets = newBudgets[string]
	TakeBudget = (*budgets[string]).take
)

// CompareSubject is compareSubject.
var CompareSubject = compareSubject
