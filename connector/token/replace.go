package token

import (
	"context"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// replaceAgain is how long an access token that replaced a refused one is not replaced in turn: an api that refuses both wants
// something that no redemption brings.
const replaceAgain = 5 * time.Minute

// Replace returns an access token instead of one that its api refused before it expired, as an answer to the same request as in
// Lend. When the refused one replaced another one within five minutes, ok is false, and if it is for the partner's own directory,
// the renewal of the grant is due, whose probes show in the status what the api wants.
func (s *Service) Replace(ctx context.Context, r tenant.Resolved, request LoanRequest, refused secret.Text, by audit.Actor) (loan Loan, ok bool, err error) {
	snapshot, err := s.Snapshot(ctx, r.Tenant.ID)
	if err != nil {
		return Loan{}, false, err
	}
	key, err := s.loanKeyOf(ctx, &r, &snapshot, request, by)
	if err != nil {
		return Loan{}, false, err
	}
	loans := s.cacheOf(key)
	loan, cached, err := loans.get(snapshot.Active, key, s.cfg.Now())
	switch {
	case err != nil:
		return Loan{}, false, err
	case cached && loan.AccessToken != refused:
		return loan, true, nil // replaced already
	case loans.replacedWithin(key, replaceAgain, s.cfg.Now()):
		return Loan{}, false, s.doubt(ctx, &snapshot, key)
	}
	result, err, _ := s.lends.Do(key.String()+"/replace", func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		loan, err := s.redeemToLend(shared, key, by)
		if err == nil {
			loans.replaced(key, s.cfg.Now())
		}
		return loan, err
	})
	if err != nil {
		return Loan{}, false, err
	}
	return result.(Loan), true, nil
}

// doubt makes the renewal of a grant due at once because an api refuses its access tokens, unless the grant has failed already.
// What a customer directory refuses says nothing about the grant.
func (s *Service) doubt(ctx context.Context, snapshot *Snapshot, key loanKey) error {
	if key.directory != "" || snapshot.Schedule.Failure != nil || !snapshot.Schedule.DueAt.After(s.cfg.Now()) {
		return nil
	}
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		return s.reschedule(ctx, key.tenantID, func(schedule *Schedule) {
			if schedule.Failure == nil {
				schedule.DueAt = s.cfg.Now()
			}
		})
	})
}
