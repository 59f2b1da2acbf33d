package tenant

import (
	"context"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// Link records that the platform linked a tenant with an account. The first account becomes the owner, and the owner again ends
// what Unlink began. Another account is a move: it is refused with move_refused while the tenant has a grant, unless the
// operator allows moves. Then everything that the old owner gave is destroyed, and the account owns the tenant. It writes
// nothing, and no event, when the link is stored already. before is the owner that the caller has seen, and by which it decided
// that the link is allowed; when the tenant got another one since, Link returns the failure conflict.
func (s *Service) Link(ctx context.Context, instanceKey, id, before, accountID string, by audit.Actor) (Tenant, error) {
	if err := (Tenant{AccountID: accountID}).checkLengths(); err != nil {
		return Tenant{}, err
	}
	var t Tenant
	err := transact(ctx, s.cfg.Store, func(ctx context.Context) (err error) {
		if t, err = s.Tenant(ctx, instanceKey, id); err != nil {
			return err
		}
		switch {
		case t.AccountID != accountID && t.AccountID != before:
			return failure.New(failure.Conflict)
		case t.AccountID == accountID, t.AccountID == "":
			if t.AccountID != "" && t.UnlinkedAt.IsZero() {
				return nil
			}
			t.AccountID, t.UnlinkedAt = accountID, time.Time{}
			return s.saveTenant(ctx, &t, audit.TenantLinked, by, map[string]string{"account": accountID})
		}
		return s.move(ctx, &t, accountID, by)
	})
	return t, err
}

// move makes an account the owner of a tenant, in the caller's transaction.
func (s *Service) move(ctx context.Context, t *Tenant, accountID string, by audit.Actor) error {
	holds, err := s.mayMove(ctx, *t)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	if err := s.cfg.Store.EmptyTenant(ctx, t.ID); err != nil {
		return err
	}
	if holds {
		if err := s.append(ctx, audit.Event{InstanceKey: t.InstanceKey, TenantID: t.ID, Action: audit.GrantForgotten, Actor: by}); err != nil {
			return err
		}
	}
	details := map[string]string{"before": t.AccountID, "account": accountID}
	// The directory as entered stays, because the platform shows it. Whatever gives access is removed: the proof, and the old owner's
	// own application. So are the old owner's mailboxes.
	t.AccountID, t.UnlinkedAt, t.MovedAt = accountID, time.Time{}, now
	t.ProvenDirectoryID, t.Application, t.WatchedAccountID, t.Name, t.Notices = "", Application{}, "", "", Notices{}
	return s.saveTenant(ctx, t, audit.TenantMoved, by, details)
}

// mayMove returns move_refused when a tenant may not get another owner, and otherwise whether that destroys a grant.
func (s *Service) mayMove(ctx context.Context, t Tenant) (holds bool, err error) {
	if t.Altered {
		return false, failure.New(failure.Integrity)
	}
	holds, err = s.cfg.Store.HoldsGrant(ctx, t.ID)
	if err == nil && holds && !s.cfg.AllowMoves(t.InstanceKey) {
		return true, failure.New(failure.MoveRefused)
	}
	return holds, err
}

// MayMove returns the failure with which Link would refuse another account; nil when it would not.
func (s *Service) MayMove(ctx context.Context, t Tenant) error {
	_, err := s.mayMove(ctx, t)
	return err
}

// Unlink records that the platform removed the link between a tenant and an account; an empty account stands for the linked one.
// Until Link, nothing is issued for the tenant. The link to another account than the owner is not stored: removing it changes
// nothing.
func (s *Service) Unlink(ctx context.Context, instanceKey, id, accountID string, by audit.Actor) (Tenant, error) {
	var t Tenant
	err := transact(ctx, s.cfg.Store, func(ctx context.Context) (err error) {
		if t, err = s.Tenant(ctx, instanceKey, id); err != nil {
			return err
		}
		if t.AccountID == "" || accountID != "" && accountID != t.AccountID || !t.UnlinkedAt.IsZero() {
			return nil
		}
		t.UnlinkedAt = s.cfg.Now()
		return s.saveTenant(ctx, &t, audit.TenantUnlinked, by, map[string]string{"account": t.AccountID})
	})
	return t, err
}

// LinkSubscription records the subscription of a tenant; empty for none.
func (s *Service) LinkSubscription(ctx context.Context, instanceKey, id, subscriptionID string, by audit.Actor) (Tenant, error) {
	if err := (Tenant{SubscriptionID: subscriptionID}).checkLengths(); err != nil {
		return Tenant{}, err
	}
	var t Tenant
	err := transact(ctx, s.cfg.Store, func(ctx context.Context) (err error) {
		if t, err = s.Tenant(ctx, instanceKey, id); err != nil || t.SubscriptionID == subscriptionID {
			return err
		}
		t.SubscriptionID = subscriptionID
		return s.saveTenant(ctx, &t, audit.TenantConfigured, by, map[string]string{"subscription": subscriptionID})
	})
	return t, err
}

// Watched records that the platform reports the changes of the tenant's account.
func (s *Service) Watched(ctx context.Context, instanceKey, id, accountID string, by audit.Actor) error {
	return transact(ctx, s.cfg.Store, func(ctx context.Context) error {
		t, err := s.Tenant(ctx, instanceKey, id)
		if err != nil || t.AccountID != accountID || t.WatchedAccountID == accountID {
			return err
		}
		t.WatchedAccountID = accountID
		return s.saveTenant(ctx, &t, audit.InstanceBound, by, map[string]string{"account": accountID})
	})
}

// saveTenant stores a tenant that changed, with its event.
func (s *Service) saveTenant(ctx context.Context, t *Tenant, action audit.Action, by audit.Actor, details map[string]string) error {
	t.UpdatedAt = s.cfg.Now()
	if err := s.cfg.Store.SaveTenant(ctx, t); err != nil {
		return translated(err, "saving tenant "+t.ID)
	}
	return s.append(ctx, audit.Event{InstanceKey: t.InstanceKey, TenantID: t.ID, Action: action, Actor: by, Details: details})
}
