package consent

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Callback is what Microsoft sent to the redirect URI.
type Callback struct {
	State   string
	Browser string // value of the browser's cookie; empty without one
	Code    secret.Text

	Error, SubCode, Description string

	Locale string // as in Authorize
}

// An Outcome is the result of an accepted consent, for the page that visitors see, or the address to which they are
// redirected.
type Outcome struct {
	// SignInAgain is the address of Microsoft's sign-in page if the visitor must open it again; the other fields are then
	// empty.
	SignInAgain string

	ConsentID string
	// Procedure is how the consent ended: an automatic one that another browser completed ended as a manual one.
	Procedure token.Procedure
	// Waiting says that the consent takes effect only once the reseller confirms it, until ClaimExpiresAt.
	Waiting        bool
	ClaimCode      string // manual only; shown once and stored as a hash
	ClaimExpiresAt time.Time
	ConsentedBy    token.Person
	// Replaced says that ClaimCode replaces that of an earlier sign-in with the same link.
	Replaced bool
	// Who received the consent, as in Landing.
	TenantName string
	AccountID  string

	// Link comes with an error, alone: the visitor can sign in once more with it. It is empty when the consent is over.
	Link secret.Text
}

// maxStoreAttempts is how often an accepted consent is stored while renewals and lendings change the same rows. A person waits for
// it, and would have to consent again.
const maxStoreAttempts = 10

// acceptTimeout limits the checks of a consent; a first call to Partner Center can take many seconds
// (docs/reference/microsoft-identity.md §5.5).
const acceptTimeout = 90 * time.Second

// Complete checks what Microsoft sent to the redirect URI, exchanges the code, and stores the grant: active for the automatic
// procedure in the browser in whose panel it began, unless another person consented than before; pending in all other cases. A
// refusal stores no grant. It returns the link for another attempt with the error.
func (s *Service) Complete(ctx context.Context, cb Callback) (Outcome, error) {
	state, c, r, err := s.byState(ctx, cb.State)
	own, hashErr := s.ownState(state, cb.Browser)
	if hashErr != nil {
		return Outcome{}, hashErr
	}
	if err == nil && !own { // before the state is used up, so that another browser cannot break the sign-in
		err = failure.New(failure.StateBrowser)
	}
	var out Outcome
	if err == nil {
		out, err = s.complete(ctx, state, c, r, cb)
	}
	if err != nil {
		return Outcome{Link: s.linkAgain(ctx, state, own)}, err
	}
	return out, nil
}

// ownState reports whether a state belongs to the browser with a cookie.
func (s *Service) ownState(state State, browser string) (bool, error) {
	hash, err := s.hash(hashBrowser, browser)
	return err == nil && state.BrowserHash != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(state.BrowserHash)) == 1, err
}

// linkAgain returns the link with which the visitor can sign in once more; empty when the consent of the state is over, or when
// another browser opened Microsoft's page.
func (s *Service) linkAgain(ctx context.Context, state State, own bool) secret.Text {
	if !own {
		return secret.Text{}
	}
	c, err := s.cfg.Store.Consent(ctx, state.ConsentID)
	if err != nil || !c.open() || s.timedOut(c) {
		return secret.Text{}
	}
	return c.Link
}

// complete is Complete for the browser that opened Microsoft's page.
func (s *Service) complete(ctx context.Context, state State, c Consent, r tenant.Resolved, cb Callback) (Outcome, error) {
	if s.claimsRefused(r, state, cb) {
		return s.openWithoutClaims(ctx, r, state, cb.Locale)
	}
	automatic, err := s.takesEffect(r, c, cb.Browser)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{ConsentID: c.ID, Procedure: token.Manual, TenantName: tenant.ShownName(r.Tenant.Name), AccountID: r.Tenant.AccountID}
	if automatic {
		out.Procedure = token.Automatic
	}
	g, err := s.accept(ctx, r, c, state, cb, out.Procedure)
	if err != nil {
		return Outcome{}, err
	}
	out.ConsentedBy, out.ClaimExpiresAt = g.ConsentedBy, s.claimEnds(g)
	if automatic {
		accepted, err := s.succeed(ctx, r, c.ID, g, visitor(g.ConsentedBy))
		out.Waiting = accepted.Waiting
		return out, err
	}
	out.ClaimCode = random.ClaimCode()
	out.Replaced, err = s.await(ctx, r, c.ID, g, out)
	return out, err
}

// byState returns the state with a value, and its consent and tenant. It refuses a value that is unknown, used or expired, and
// returns the state that it refuses, for a known one.
func (s *Service) byState(ctx context.Context, value string) (State, Consent, tenant.Resolved, error) {
	var state State
	fail := func(err error) (State, Consent, tenant.Resolved, error) {
		return state, Consent{}, tenant.Resolved{}, err
	}
	hash, err := s.hash(hashState, value)
	if err != nil {
		return fail(err)
	}
	state, err = s.cfg.Store.State(ctx, hash)
	if errors.Is(err, tenant.ErrNotFound) {
		return fail(failure.New(failure.StateUnknown))
	}
	if err != nil {
		return fail(fmt.Errorf("reading state: %w", err))
	}
	c, err := s.cfg.Store.Consent(ctx, state.ConsentID)
	if errors.Is(err, tenant.ErrNotFound) { // it ended so long ago that it was deleted
		return fail(failure.New(failure.StateUsed))
	}
	if err != nil {
		return fail(fmt.Errorf("reading consent %s: %w", state.ConsentID, err))
	}
	switch {
	case c.TenantID != state.TenantID: // somebody else changed the consent: the state is sealed for its tenant
		return fail(failure.New(failure.StateUnknown))
	case !state.UsedAt.IsZero(), !c.open():
		return fail(failure.New(failure.StateUsed))
	case s.expired(state):
		return fail(failure.New(failure.StateExpired))
	}
	r, err := s.ready(ctx, state.TenantID)
	if err != nil {
		return fail(err)
	}
	return state, c, r, nil
}

// claimsRefused reports whether Microsoft may have refused the claims request for MFA, which is not documented
// (docs/reference/microsoft-identity.md §2.2).
func (s *Service) claimsRefused(r tenant.Resolved, state State, cb Callback) bool {
	return cb.Error != "" && !state.WithoutClaims && r.Client().MFARequest != tenant.MFARequestOff &&
		s.callbackError(cb).Code == failure.MicrosoftRequest
}

func (s *Service) callbackError(cb Callback) *failure.Error {
	return s.cfg.Microsoft.CallbackError(CallbackError{Error: cb.Error, SubCode: cb.SubCode, Description: cb.Description})
}

// openWithoutClaims uses up a state and opens Microsoft's sign-in page again in the same browser, without the claims request.
// Whether MFA was used is verified later, as for every consent.
func (s *Service) openWithoutClaims(ctx context.Context, r tenant.Resolved, refused State, locale string) (Outcome, error) {
	if err := s.use(ctx, refused); err != nil {
		return Outcome{}, err
	}
	now := s.cfg.Now()
	state := newState(refused.ConsentID, refused.TenantID, refused.BrowserHash, now, now.Add(s.cfg.ConsentLife))
	state.WithoutClaims = true
	address, err := s.openPage(ctx, r, state, Visit{Locale: locale})
	if err != nil {
		return Outcome{}, err
	}
	s.cfg.Log.WarnContext(ctx, "Microsoft refused the MFA request; opening its page without one", "tenant", r.Tenant.ID,
		"mfa_request", r.Client().MFARequest, "reference", failure.Reference(ctx))
	return Outcome{SignInAgain: address}, nil
}

// use uses up a state. Of several concurrent callers, one succeeds.
func (s *Service) use(ctx context.Context, state State) error {
	err := s.cfg.Store.UseState(ctx, state.Hash, s.cfg.Now())
	if errors.Is(err, tenant.ErrChanged) {
		return failure.New(failure.StateUsed)
	}
	if err != nil {
		return fmt.Errorf("using state of consent %s: %w", state.ConsentID, err)
	}
	return nil
}

// accept uses up the state and exchanges the code for a grant. It stores every refusal.
func (s *Service) accept(ctx context.Context, r tenant.Resolved, c Consent, state State, cb Callback, procedure token.Procedure) (token.Grant, error) {
	if err := s.use(ctx, state); err != nil {
		return token.Grant{}, err
	}
	// The code works only once: a caller that stops waiting must not end the exchange.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout)
	defer cancel()
	g, err := s.exchange(ctx, r, c, state, cb, procedure)
	if err == nil {
		err = s.unowned(ctx, r, g.DirectoryID)
	}
	if err == nil {
		return g, nil
	}
	return token.Grant{}, errors.Join(err, s.refuse(context.WithoutCancel(ctx), r, c.ID, err))
}

func (s *Service) exchange(ctx context.Context, r tenant.Resolved, c Consent, state State, cb Callback, procedure token.Procedure) (token.Grant, error) {
	if cb.Error != "" {
		return token.Grant{}, s.callbackError(cb)
	}
	if cb.Code.Empty() {
		return token.Grant{}, failure.New(failure.BadRequest, "reason", "neither a code nor an error came back from Microsoft")
	}
	return s.cfg.Tokens.Exchange(ctx, token.CodeExchange{
		TenantID:  r.Tenant.ID,
		Code:      token.AuthorizationCode{Code: cb.Code, Verifier: state.Verifier, RedirectURI: s.RedirectURI()},
		Nonce:     state.Nonce,
		ConsentID: c.ID, Procedure: procedure, AskedBy: c.AskedBy.Name,
	})
}

// refuse stores why a consent was refused. It ends an automatic consent and one with a direct link; the link of another manual
// consent stays open for the next attempt.
func (s *Service) refuse(ctx context.Context, r tenant.Resolved, consentID string, cause error) error {
	f := failure.From(cause)
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		err := s.change(ctx, consentID, func(c *Consent) {
			if !c.open() {
				return // another opening of it has ended it meanwhile
			}
			c.Failure = failure.NewRecord(ctx, f)
			if c.Procedure == token.Automatic || r.Instance.Settings.DirectLink {
				c.Status, c.EndedAt = Failed, s.cfg.Now()
			}
		})
		if err == nil && f.Code == failure.DirectoryRefused {
			err = s.dispute(ctx, r, consentID)
		}
		if err != nil {
			return err
		}
		e := audit.Event{Action: audit.ConsentRefused, Actor: audit.Actor{Kind: audit.Visitor}, Result: string(f.Code), Details: f.Params}
		return s.append(ctx, r, e)
	})
}

// claimEnds returns until when a grant waits for its claim code or for its confirmation.
func (s *Service) claimEnds(g token.Grant) time.Time { return g.ConsentedAt.Add(s.cfg.ClaimLife) }

// succeed stores an exchanged grant as the active one, ends its consent, and closes the other attempts of the tenant, whose
// panels learn this outcome. If another person consented than before, the consent waits for confirmation instead.
func (s *Service) succeed(ctx context.Context, r tenant.Resolved, consentID string, g token.Grant, by audit.Actor) (token.Acceptance, error) {
	var accepted token.Acceptance
	err := s.store(ctx, func(ctx context.Context) (err error) {
		if accepted, err = s.cfg.Tokens.Accept(ctx, g); err != nil {
			return err
		}
		err = s.change(ctx, consentID, func(c *Consent) {
			c.ConsentedBy, c.Failure = g.ConsentedBy, nil
			if accepted.Waiting {
				c.Status, c.ClaimHash, c.ClaimExpiresAt, c.ClaimAttempts = Confirmable, "", s.claimEnds(g), 0
				c.Failure = failure.NewRecord(ctx, waitingFor(g.ConsentedBy, accepted.Before))
				return
			}
			c.Status, c.EndedAt = Succeeded, s.cfg.Now()
		})
		if err == nil {
			err = s.closeOthers(ctx, r, consentID, by)
		}
		if err != nil {
			return err
		}
		e := granted(g, by)
		if accepted.Waiting {
			e.Details["waits_for"], e.Details["before"] = "confirmation", shown(accepted.Before)
		}
		return s.append(ctx, r, e)
	})
	return accepted, s.refuseDisputed(ctx, r, consentID, err)
}

// closeOthers closes the other attempts of a tenant, one of which has ended well, in the caller's transaction.
func (s *Service) closeOthers(ctx context.Context, r tenant.Resolved, consentID string, by audit.Actor) error {
	closed, err := s.cfg.Store.CloseOthers(ctx, r.Tenant.ID, consentID, s.cfg.Now())
	if err != nil {
		return changed(err, "closing other consents of "+r.Tenant.ID)
	}
	for range closed {
		if err := s.append(ctx, r, audit.Event{Action: audit.ConsentClosed, Actor: by, Details: map[string]string{"procedure": string(token.Automatic)}}); err != nil {
			return err
		}
	}
	return nil
}

// await stores an exchanged grant as pending, to wait for its claim code, and reports whether that code replaces another one.
func (s *Service) await(ctx context.Context, r tenant.Resolved, consentID string, g token.Grant, out Outcome) (replaced bool, err error) {
	proof, err := s.claimProof(g, out.ClaimCode)
	if err != nil {
		return false, err
	}
	return replaced, s.store(ctx, func(ctx context.Context) error {
		if err := s.cfg.Tokens.StorePending(ctx, g); err != nil {
			return err
		}
		err := s.change(ctx, consentID, func(c *Consent) {
			replaced = c.Status == Claimable && c.ClaimHash != ""
			c.Status, c.ConsentedBy, c.Failure = Claimable, g.ConsentedBy, nil
			c.replaceClaim()
			c.ClaimHash, c.ClaimExpiresAt, c.ClaimAttempts = proof, out.ClaimExpiresAt, 0
		})
		if err != nil {
			return err
		}
		return s.append(ctx, r, granted(g, visitor(g.ConsentedBy)))
	})
}

func granted(g token.Grant, by audit.Actor) audit.Event {
	return audit.Event{Action: audit.ConsentGranted, Actor: by, Details: map[string]string{
		"procedure": string(g.Procedure), "username": g.ConsentedBy.Username, "directory": g.DirectoryID,
	}}
}

// store runs fn, which stores a grant, its consent and its event, in a transaction, even when ctx has ended. It repeats fn
// when others, as a rule a renewal, change the same rows.
func (s *Service) store(ctx context.Context, fn func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for range maxStoreAttempts {
		err = s.cfg.Store.Transact(ctx, fn)
		if !failure.Is(err, failure.GrantStale) && !failure.Is(err, failure.Conflict) {
			break
		}
	}
	return err
}

// change applies a change to a consent in the caller's transaction.
func (s *Service) change(ctx context.Context, consentID string, change func(*Consent)) error {
	c, err := s.cfg.Store.Consent(ctx, consentID)
	if err != nil {
		return fmt.Errorf("reading consent %s: %w", consentID, err)
	}
	change(&c)
	if err := s.cfg.Store.SaveConsent(ctx, &c); err != nil {
		return changed(err, "saving consent "+consentID)
	}
	return nil
}

func visitor(p token.Person) audit.Actor {
	return audit.Actor{Kind: audit.Visitor, ID: p.ObjectID, Name: p.Username}
}
