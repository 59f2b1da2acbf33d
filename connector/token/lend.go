package token

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// loanMargin is the remaining life below which a cached access token is not issued any more, so that the borrower has time
// to use it.
const loanMargin = 5 * time.Minute

// A Loan is an access token that was issued to a borrower: an application of the platform, or a client of the token API.
type Loan struct {
	API         API
	AccessToken secret.Text
	ExpiresAt   time.Time
	DirectoryID string
	// Account says whether the redemption was for the account that consented; empty for a token from the cache.
	Account Answer
}

// A LoanRequest is what a borrower asks for.
type LoanRequest struct {
	API API
	// Directory is the ID or a verified domain of the directory that the access token is for. Default: the partner's own.
	Directory string
	// Borrower says what the caller may borrow. Default: what the settings of the instance say of the calling application.
	Borrower *tenant.Borrower
	// Call describes the call of the borrower that the access token is added to, for the event. Default: none, the borrower gets the
	// access token.
	Call map[string]string
	// Snapshot is what was read with the tenant just now. Default: it is read.
	Snapshot *Snapshot
	// PerMinute counts what is lent within a minute into one event. Default: an event each.
	PerMinute bool
}

// event returns the event of a success.
func (request LoanRequest) event(by audit.Actor) audit.Event {
	event := audit.Event{Action: audit.TokenLent, Actor: by, Details: map[string]string{}}
	if request.Call != nil {
		event.Action = audit.CallForwarded
		maps.Copy(event.Details, request.Call)
	}
	return event
}

// Lend returns an access token for a tenant that was just resolved, to a borrower that may have it. Tokens are cached until
// shortly before they expire; however many callers ask at the same time, one process redeems once per tenant, directory and
// api. What fails for a customer directory has a code of its own and changes nothing about the tenant. The audit event is
// stored, or counted if the request says so, before the token is returned. Refusals that a borrower repeats are counted. A caller
// that is gone before the answer leaves no record.
func (s *Service) Lend(ctx context.Context, r tenant.Resolved, request LoanRequest, by audit.Actor) (Loan, error) {
	snapshot := request.Snapshot
	if snapshot == nil {
		loan, ok, err := s.LendCached(ctx, r, request, by)
		if ok {
			return loan, err
		}
		if snapshot, err = s.readSnapshot(ctx, &r); err != nil {
			return Loan{}, err
		}
	}
	loan, err := s.lend(ctx, &r, snapshot, request, by)
	if hungUp(ctx, err) {
		return Loan{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		if err := s.recordLoan(ctx, &r, request, loan, by); err != nil {
			return Loan{}, err
		}
		return loan, nil
	}
	s.observe(audit.TokenLent, err)
	event := refusal(audit.LendingRefused, by, err)
	request.describe(&event, loan)
	event.InstanceKey, event.TenantID = r.Tenant.InstanceKey, r.Tenant.ID
	if auditErr := s.cfg.Refusals.Append(ctx, event); auditErr != nil {
		return Loan{}, auditErr
	}
	return loan, err
}

// LendCached is Lend of an access token that is in memory. Without a Snapshot of the request, it decides by what Lend has read up to
// recent.Life ago, unless this Service has changed something since. It calls nobody, so that nothing has to go on when ctx ends: the
// event is then stored or not, and the borrower gets no access token. ok is false if Lend has to decide, which has not begun anything
// then.
func (s *Service) LendCached(ctx context.Context, r tenant.Resolved, request LoanRequest, by audit.Actor) (loan Loan, ok bool, err error) {
	snapshot := request.Snapshot
	if snapshot == nil {
		snapshot = s.recentSnapshot(&r)
	}
	if snapshot == nil || snapshot.Active == nil || !s.decidable(&r, snapshot, request) {
		return Loan{}, false, nil
	}
	key, err := s.loanKeyOf(ctx, &r, snapshot, request, by)
	if err != nil {
		return Loan{}, false, nil //nolint:nilerr // Lend refuses it again, and records that
	}
	if loan, ok, err = s.cacheOf(key).get(snapshot.Active, key, s.cfg.Now()); !ok || err != nil {
		return Loan{}, false, nil //nolint:nilerr // likewise
	}
	if key.directory != "" {
		s.noteCustomer(ctx, r.Tenant.ID, key.directory, nil)
	}
	if err := s.recordLoan(ctx, &r, request, loan, by); err != nil {
		return Loan{}, true, err
	}
	return loan, true, nil
}

// decidable reports whether memory says which directory a request is for, and whether that is one of a customer.
func (s *Service) decidable(r *tenant.Resolved, snapshot *Snapshot, request LoanRequest) bool {
	directory, isID, _ := request.directory()
	switch {
	case directory == "":
		return true
	case !isID:
		return false
	case r.Instance.Settings.CustomerDirectories != tenant.ListedCustomers:
		return true
	}
	list, _ := s.customers.Get(listKey{r.Tenant.ID, snapshot.Active.ConsentID})
	return !list.due(directory, s.cfg.Now())
}

// recordLoan stores the event of a loan, or counts it.
func (s *Service) recordLoan(ctx context.Context, r *tenant.Resolved, request LoanRequest, loan Loan, by audit.Actor) error {
	s.observe(audit.TokenLent, nil)
	event := request.event(by)
	if loan.Account == Unknown {
		event.Details["account"] = string(Unknown)
	}
	request.describe(&event, loan)
	if request.PerMinute {
		return s.count(ctx, r, event)
	}
	return s.append(ctx, r, event)
}

// describe adds what was asked for to an event.
func (request LoanRequest) describe(e *audit.Event, loan Loan) {
	e.Details["api"] = string(request.API)
	if asked, _, ok := request.directory(); ok && asked != "" {
		e.Details["directory"] = cmp.Or(loan.DirectoryID, e.Details["directory"], asked)
	}
}

// count stores the event of a success, or counts it when the borrower has had one within the minute.
func (s *Service) count(ctx context.Context, r *tenant.Resolved, e audit.Event) error {
	e.InstanceKey, e.TenantID = r.Tenant.InstanceKey, r.Tenant.ID
	return s.cfg.Uses.Append(ctx, e)
}

// hungUp reports whether err only says that the caller is gone: nothing was refused then, and nothing failed.
func hungUp(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && ctx.Err() != nil
}

func (s *Service) lend(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, request LoanRequest, by audit.Actor) (Loan, error) {
	key, err := s.loanKeyOf(ctx, r, snapshot, request, by)
	if err != nil {
		return Loan{}, err
	}
	key.directory = strings.Clone(key.directory) // is kept longer than the request that it is a part of
	loan, err := s.obtain(ctx, snapshot, key, by)
	if key.directory != "" && !hungUp(ctx, err) {
		s.noteCustomer(context.WithoutCancel(ctx), r.Tenant.ID, key.directory, err)
	}
	return loan, err
}

// loanKeyOf returns what a borrower gets an access token for, or why it gets none.
func (s *Service) loanKeyOf(ctx context.Context, r *tenant.Resolved, snapshot *Snapshot, request LoanRequest, by audit.Actor) (loanKey, error) {
	if d := &r.Instance.Deployment; !d.HasAPI(string(request.API)) {
		return loanKey{}, failure.New(failure.BadRequest, "reason", "api is none of "+strings.Join(d.APINames(), ", "))
	}
	if err := r.Intact(); err != nil {
		return loanKey{}, err // before the list of borrowers, which may have been altered
	}
	borrower, err := borrowerOf(r, request, by)
	if err != nil {
		return loanKey{}, err
	}
	directory, err := s.directoryOf(ctx, r, snapshot, request, borrower)
	if err != nil {
		return loanKey{}, err
	}
	if err := r.Tenant.InUse(); err != nil {
		return loanKey{}, err
	}
	if err := s.lendable(r, snapshot); err != nil {
		return loanKey{}, err
	}
	if directory != "" && r.Instance.Settings.CustomerDirectories == tenant.ListedCustomers {
		if err := s.mustBeListed(ctx, r, snapshot, directory, by); err != nil {
			return loanKey{}, err
		}
	}
	return loanKey{r.Tenant.ID, directory, request.API}, nil
}

// borrowerOf returns what the caller may borrow, or borrower_not_allowed when it may not borrow for any directory.
func borrowerOf(r *tenant.Resolved, request LoanRequest, by audit.Actor) (tenant.Borrower, error) {
	if request.Borrower != nil {
		return *request.Borrower, nil
	}
	borrower, ok := r.Instance.Settings.Borrower(by.ID)
	if by.Kind != audit.Application || !ok || !slices.Contains(borrower.APIs, string(request.API)) {
		return tenant.Borrower{}, failure.New(failure.BorrowerNotAllowed)
	}
	return borrower, nil
}

// obtain returns an access token from the cache, or redeems the active grant of a tenant that is lendable for one.
func (s *Service) obtain(ctx context.Context, snapshot *Snapshot, key loanKey, by audit.Actor) (Loan, error) {
	if loan, ok, err := s.keptLoan(ctx, snapshot, key); ok {
		return loan, err
	}
	result := s.lends.DoChan(key.String(), func() (any, error) {
		// The redemption is shared: a caller that cancels must not end it for the others.
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		if loan, ok, err := s.cacheOf(key).get(snapshot.Active, key, s.cfg.Now()); ok {
			return loan, err
		}
		return s.redeemToLend(shared, key, by)
	})
	select {
	case <-ctx.Done():
		return Loan{}, ctx.Err()
	case res := <-result:
		if res.Err != nil {
			return Loan{}, res.Err
		}
		return res.Val.(Loan), nil
	}
}

// keptLoan returns the cached answer for a key. That a customer's consent is missing ends with the next consent, which another process
// may have made.
func (s *Service) keptLoan(ctx context.Context, snapshot *Snapshot, key loanKey) (loan Loan, ok bool, err error) {
	loans := s.cacheOf(key)
	loan, ok, err = loans.get(snapshot.Active, key, s.cfg.Now())
	if !failure.Is(err, failure.CustomerConsentMissing) {
		return loan, ok, err
	}
	record, recordErr := s.cfg.Store.CustomerRecord(ctx, key.tenantID, key.directory)
	if recordErr == nil && loans.dropBefore(key, record.ConsentedAt) {
		return Loan{}, false, nil
	}
	return loan, ok, err // also when the record cannot be read
}

// directory returns the ID of the directory that access tokens of the active grant are for; "" without a grant.
func (s *Snapshot) directory() string {
	if s.Active == nil {
		return ""
	}
	return s.Active.DirectoryID
}

// lendable returns why no access token can be issued from the active grant; nil when one can. A refusal that only a person
// can repair is in the schedule, so that further borrowers do not cause further requests to Microsoft.
func (s *Service) lendable(r *tenant.Resolved, snapshot *Snapshot) error {
	if snapshot.Active == nil {
		s.loans.drop(r.Tenant.ID) // of a grant that another replica deleted
		return failure.New(failure.GrantAbsent)
	}
	if !s.cfg.Now().Before(snapshot.Active.ExpiresAt()) {
		return failure.New(failure.GrantExpired)
	}
	if f := snapshot.Schedule.Failure; f != nil && f.Code.Kind() == failure.SignIn {
		return f.Error()
	}
	_, err := usable(r, snapshot.Active)
	if failure.Is(err, failure.GrantUnreadable) {
		return nil // a cached access token still works, and redeemToLend refuses the rest
	}
	return err
}

// redeemToLend redeems for what is stored now. The caller may have read the tenant a while ago, and what Microsoft refuses for a
// credential that was replaced since would be kept.
func (s *Service) redeemToLend(ctx context.Context, key loanKey, by audit.Actor) (Loan, error) {
	if wait := s.redemptions.take(key, s.cfg.Now()); wait > 0 {
		return Loan{}, s.cfg.Limits.Refuse(limit.Redemptions, wait)
	}
	r, err := tenant.Resolve(ctx, s.cfg.Store, key.tenantID)
	if err == nil {
		err = errors.Join(r.Intact(), r.Tenant.InUse())
	}
	if err != nil {
		return Loan{}, err
	}
	g, ok, err := s.grant(ctx, r.Tenant.ID, Active)
	if err != nil {
		return Loan{}, err
	}
	if !ok {
		return Loan{}, failure.New(failure.GrantAbsent) // deleted meanwhile
	}
	c, err := usable(&r, &g)
	if err != nil && !failure.Is(err, failure.GrantUnreadable) {
		return Loan{}, err // replaced meanwhile
	}
	loans, ours := s.cacheOf(key), true
	if key.directory != "" {
		c = c.In(key.directory)
	}
	var redeemed Redemption
	asked := s.cfg.Now() // the token's life began no earlier, and may have ended when a suspended process resumes with the answer
	if err == nil {
		if redeemed, err = s.redeemFor(ctx, c, &g, g.RefreshToken, key.api); err != nil && c.Customer {
			err, ours = customerFailure(err, key.directory), false
		}
	}
	if err != nil {
		loans.refuse(g, key, failure.From(err), s.cfg.Now())
		if ours {
			err = errors.Join(err, s.scheduleNow(ctx, r, failure.From(err)))
		}
		return Loan{}, err
	}
	if _, err := s.keepSuccessor(ctx, &r, g, redeemed, key.directory, by); err != nil {
		return Loan{}, err
	}
	account, err := compareSubject(c, &g, redeemed.Subject)
	if err != nil {
		return Loan{}, err // redeemFor has refused it already
	}
	loan := Loan{API: key.api, AccessToken: redeemed.AccessToken, ExpiresAt: redeemed.ExpiresAt, DirectoryID: c.DirectoryID, Account: account}
	return loan, loans.put(g, key, loan, redeemed.ExpiresAt.Sub(redeemed.IssuedAt), asked)
}

// scheduleNow makes the renewal due at once when Microsoft refused the grant permanently, so that the status soon shows it.
func (s *Service) scheduleNow(ctx context.Context, r tenant.Resolved, f *failure.Error) error {
	if f.Kind() != failure.SignIn && f.Kind() != failure.Configuration {
		return nil
	}
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		return s.reschedule(ctx, r.Tenant.ID, func(schedule *Schedule) {
			if schedule.Failure == nil {
				schedule.DueAt = s.cfg.Now()
			}
		})
	})
}

// RenewUnreadable makes the renewal of a tenant whose refresh token does not open due at once, unless it has failed for that
// reason: the renewal uses the predecessor, or records why it cannot.
func (s *Service) RenewUnreadable(ctx context.Context, tenantID string) error {
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		g, ok, err := s.grant(ctx, tenantID, Active)
		if err != nil || !ok || !g.Unreadable {
			return err
		}
		schedule, err := s.cfg.Store.Schedule(ctx, tenantID)
		if err != nil || schedule.Version == 0 || schedule.Failure != nil {
			return err
		}
		return s.reschedule(ctx, tenantID, func(schedule *Schedule) { schedule.DueAt = s.cfg.Now() })
	})
}
