package consent

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Redeem ends the manual procedure with what the administrator sent back: the claim code, the whole address that Microsoft
// redirected to, or the authorization code in it. With the ID of a consent, it confirms the consent of another person than
// before. It returns who consented. When a redirected address turns out to be of another person, the failure is
// confirmation_waiting.
func (s *Service) Redeem(ctx context.Context, tenantID, input string, by audit.Actor) (token.Person, error) {
	forwarded, f := readPasted(input)
	switch {
	case f != nil:
		return token.Person{}, f
	case !forwarded.claimCode.Empty():
		return s.claim(ctx, tenantID, forwarded.claimCode.Reveal(), by)
	case forwarded.consentID != "":
		return s.confirm(ctx, tenantID, forwarded.consentID, by)
	}
	cb := forwarded.Callback
	state, c, r, err := s.byPasted(ctx, tenantID, cb, by)
	if err != nil {
		return token.Person{}, err
	}
	g, err := s.accept(ctx, r, c, state, cb, c.Procedure)
	if err != nil {
		return token.Person{}, err
	}
	accepted, err := s.succeed(ctx, r, c.ID, g, by)
	if err == nil && accepted.Waiting {
		err = waitingFor(g.ConsentedBy, accepted.Before)
	}
	return g.ConsentedBy, err
}

// byPasted returns the state that a pasted code belongs to, and its consent and tenant. Instead of the browser, it checks that
// the state belongs to the tenant of the panel's user.
func (s *Service) byPasted(ctx context.Context, tenantID string, cb Callback, by audit.Actor) (State, Consent, tenant.Resolved, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err == nil {
		err = s.take(ctx, r, limit.Codes, by)
	}
	if err != nil {
		return State{}, Consent{}, tenant.Resolved{}, err
	}
	if cb.State != "" {
		state, c, r, err := s.byState(ctx, cb.State)
		if err == nil && state.TenantID != tenantID {
			err = failure.New(failure.StateUnknown)
		}
		return state, c, r, err
	}
	fail := func(err error) (State, Consent, tenant.Resolved, error) {
		return State{}, Consent{}, tenant.Resolved{}, err
	}
	if r, err = s.ready(ctx, tenantID); err != nil {
		return fail(err)
	}
	c, err := s.cfg.Store.OpenConsent(ctx, tenantID, token.Manual)
	if errors.Is(err, tenant.ErrNotFound) {
		return fail(failure.New(failure.NothingToClaim))
	}
	if err != nil {
		return fail(fmt.Errorf("reading open link of %s: %w", tenantID, err))
	}
	states, err := s.cfg.Store.OpenStates(ctx, c.ID, s.cfg.Now())
	if err != nil {
		return fail(fmt.Errorf("reading states of consent %s: %w", c.ID, err))
	}
	states = slices.DeleteFunc(states, func(state State) bool { return s.expired(state) || state.TenantID != tenantID })
	if len(states) == 0 {
		return fail(failure.New(failure.NothingToClaim))
	}
	return states[0], c, r, nil
}

// claim activates the pending grant if the claim code is correct. Too many wrong codes delete the grant.
func (s *Service) claim(ctx context.Context, tenantID, code string, by audit.Actor) (token.Person, error) {
	return s.decide(ctx, tenantID, by, func(ctx context.Context, r tenant.Resolved, about *string) (token.Person, *failure.Error, error) {
		if err := s.replacedClaim(ctx, tenantID, code); err != nil {
			return token.Person{}, nil, err
		}
		c, err := s.countedClaim(ctx, tenantID)
		if err != nil {
			return token.Person{}, nil, err
		}
		*about = c.ID
		g, err := s.pending(ctx, tenantID)
		if err != nil {
			return token.Person{}, nil, err
		}
		proof, err := s.claimProof(g, code)
		if err != nil {
			return token.Person{}, nil, err
		}
		if subtle.ConstantTimeCompare([]byte(proof), []byte(c.ClaimHash)) != 1 {
			refused, err := s.refuseClaim(ctx, r, c, by)
			return token.Person{}, refused, err
		}
		person, err := s.activate(ctx, r, c, token.Pending, audit.ClaimAccepted, by)
		return person, nil, err
	})
}

// decide lets fn decide in a transaction whether a grant that waits becomes the active one. fn returns who consented, or a refusal,
// which is not its error because the transaction must succeed for the refusal to be counted, and sets which consent it is about.
func (s *Service) decide(ctx context.Context, tenantID string, by audit.Actor, fn func(ctx context.Context, r tenant.Resolved, about *string) (token.Person, *failure.Error, error)) (token.Person, error) {
	r, err := s.ready(ctx, tenantID)
	if err == nil {
		err = s.takeClaim(ctx, r, by)
	}
	if err != nil {
		return token.Person{}, err
	}
	var person token.Person
	var refused *failure.Error
	var consentID string
	err = s.store(ctx, func(ctx context.Context) (err error) {
		person, refused, err = fn(ctx, r, &consentID)
		return err
	})
	if err == nil && refused != nil {
		s.cfg.Observe(audit.ClaimRefused, string(refused.Code))
		return token.Person{}, refused
	}
	return person, s.refuseDisputed(ctx, r, consentID, err)
}

// activate makes the waiting grant of c the active one and ends c, in the caller's transaction. It returns who consented.
func (s *Service) activate(ctx context.Context, r tenant.Resolved, c Consent, slot token.Slot, action audit.Action, by audit.Actor) (token.Person, error) {
	g, before, err := s.cfg.Tokens.Activate(ctx, r.Tenant.ID, slot, c.ID)
	if err != nil {
		return token.Person{}, err
	}
	c.Status, c.EndedAt, c.ClaimHash, c.Failure = Succeeded, s.cfg.Now(), "", nil
	if err := s.cfg.Store.SaveConsent(ctx, &c); err != nil {
		return token.Person{}, changed(err, "saving consent "+c.ID)
	}
	if err := s.closeOthers(ctx, r, c.ID, by); err != nil {
		return token.Person{}, err
	}
	e := audit.Event{Action: action, Actor: by, Details: map[string]string{"username": g.ConsentedBy.Username}}
	if name := shown(before); name != "" {
		e.Details["before"] = name
	}
	return g.ConsentedBy, s.append(ctx, r, e)
}

// claimable returns the consent whose grant waits for a claim code; once that grant has been deleted, the open link, whose
// code may have expired. An automatic consent that ended as a manual one has a code, too.
func (s *Service) claimable(ctx context.Context, tenantID string) (Consent, error) {
	g, err := s.cfg.Store.Grant(ctx, tenantID, token.Pending)
	var c Consent
	switch {
	case err == nil:
		c, err = s.cfg.Store.Consent(ctx, g.ConsentID)
	case errors.Is(err, tenant.ErrNotFound):
		c, err = s.cfg.Store.OpenConsent(ctx, tenantID, token.Manual)
	}
	if errors.Is(err, tenant.ErrNotFound) || err == nil && (c.Status != Claimable || c.TenantID != tenantID) {
		return Consent{}, failure.New(failure.NothingToClaim)
	}
	if err != nil {
		return Consent{}, fmt.Errorf("reading open link of %s: %w", tenantID, err)
	}
	// A code that an earlier program has shown proves nothing about the grant.
	if s.unclaimed(c) || len(c.ClaimHash) != proofLength {
		return Consent{}, failure.New(failure.ClaimExpired)
	}
	return c, nil
}

// pending returns the grant that waits for a claim code.
func (s *Service) pending(ctx context.Context, tenantID string) (token.Grant, error) {
	g, err := s.cfg.Store.Grant(ctx, tenantID, token.Pending)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return token.Grant{}, failure.New(failure.NothingToClaim)
	case err != nil:
		return token.Grant{}, fmt.Errorf("reading pending grant of %s: %w", tenantID, err)
	case g.Unreadable:
		return token.Grant{}, failure.New(failure.GrantUnreadable)
	}
	return g, nil
}

// replacedClaim refuses a claim code that a later sign-in replaced. It is not counted: it is of no use to anybody.
func (s *Service) replacedClaim(ctx context.Context, tenantID, code string) error {
	c, err := s.claimable(ctx, tenantID)
	if err != nil || c.ReplacedHashes == "" {
		return err
	}
	hash, err := s.claimHash(c.ID, code)
	if err != nil {
		return err
	}
	for replaced := range strings.SplitSeq(c.ReplacedHashes, ",") {
		if len(replaced) >= replacedLength && subtle.ConstantTimeCompare([]byte(hash[:min(len(replaced), len(hash))]), []byte(replaced)) == 1 {
			return failure.New(failure.ClaimReplaced)
		}
	}
	return nil
}

const (
	// replacedLength is how much is kept of the hash of a claim code that was replaced: 72 bits. It admits nobody.
	replacedLength = 12
	// proofLength is the length of what claimProof returns.
	proofLength = hashLength + replacedLength
	// hashLength is the length of a keyed hash.
	hashLength = 43
	// maxReplaced is how many replaced codes are told; their column has no room for more.
	maxReplaced = 5
)

// replaceClaim puts the hash of the claim code that is being replaced, if there is one, before those of earlier ones.
func (c *Consent) replaceClaim() {
	if len(c.ClaimHash) != proofLength {
		return
	}
	all := []string{c.ClaimHash[hashLength:]}
	for replaced := range strings.SplitSeq(c.ReplacedHashes, ",") {
		if len(replaced) >= replacedLength && len(all) < maxReplaced { // a release before kept one whole hash
			all = append(all, replaced[:replacedLength])
		}
	}
	c.ReplacedHashes = strings.Join(all, ",")
}

// countedClaim returns the claimable consent of a tenant after counting one more code. Whoever has not counted must not compare:
// of any number of codes that are sent at once, no more than the limit are compared.
func (s *Service) countedClaim(ctx context.Context, tenantID string) (Consent, error) {
	c, err := s.claimable(ctx, tenantID)
	if err != nil {
		return Consent{}, err
	}
	err = s.cfg.Store.CountClaim(ctx, c.ID, maxClaimAttempts)
	if errors.Is(err, tenant.ErrChanged) { // others used up the limit, or the code, since it was read
		return Consent{}, failure.New(failure.NothingToClaim)
	}
	if err != nil {
		return Consent{}, fmt.Errorf("counting a claim code of %s: %w", tenantID, err)
	}
	return s.claimable(ctx, tenantID)
}

// refuseClaim refuses a wrong claim code, which was counted. The refusal is not the error, because the transaction must
// succeed for the code to be counted.
func (s *Service) refuseClaim(ctx context.Context, r tenant.Resolved, c Consent, by audit.Actor) (*failure.Error, error) {
	refused := failure.New(failure.ClaimWrong, "left", strconv.Itoa(maxClaimAttempts-c.ClaimAttempts))
	if c.ClaimAttempts >= maxClaimAttempts {
		refused = failure.New(failure.ClaimLocked)
		slot := token.Pending
		if c.Status == Confirmable {
			slot = token.Unconfirmed
		}
		if c.Status == Confirmable || c.Procedure == token.Automatic {
			c.Status, c.EndedAt, c.Failure = Failed, s.cfg.Now(), failure.NewRecord(ctx, refused)
			c.ClaimHash = ""
		} else {
			c.Status, c.ClaimHash, c.ClaimExpiresAt = Waiting, "", time.Time{}
		}
		if err := s.cfg.Store.DeleteGrant(ctx, r.Tenant.ID, slot); err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return nil, fmt.Errorf("deleting %s grant of %s: %w", slot, r.Tenant.ID, err)
		}
	}
	if err := s.cfg.Store.SaveConsent(ctx, &c); err != nil {
		return nil, changed(err, "saving consent "+c.ID)
	}
	return refused, s.append(ctx, r, audit.Event{Action: audit.ClaimRefused, Actor: by, Result: string(refused.Code), Details: refused.Params})
}

// claimProof returns what is kept of the claim code of a waiting grant: its hash with the consent and with the refresh token, and the
// beginning of its hash without that, which tells it once the grant is replaced. So whoever knows the claim code of one sign-in, and
// can write to the database, cannot use it for the grant of another one.
func (s *Service) claimProof(g token.Grant, code string) (string, error) {
	plain, err := s.claimHash(g.ConsentID, code)
	if err != nil {
		return "", err
	}
	proof, err := s.hash(hashProof, plain+"/"+g.RefreshToken.Reveal())
	if err == nil && (len(proof) != hashLength || len(plain) < replacedLength) {
		err = errors.New("hashing claim code: a keyed hash has another length")
	}
	if err != nil {
		return "", err
	}
	return proof + plain[:replacedLength], nil
}

// claimHash returns the hash of a claim code and its consent: equal codes of two consents have different hashes.
func (s *Service) claimHash(consentID, code string) (string, error) {
	canonical, ok := random.ParseClaimCode(code)
	if !ok {
		return "", errors.New("hashing claim code: not canonical")
	}
	return s.hash(hashClaim, consentID+"/"+canonical)
}
