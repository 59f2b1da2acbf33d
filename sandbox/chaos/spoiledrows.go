package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// The customers of spoiledRows, by what happens to their rows.
const (
	secretsSpoiled = iota // neither the grant nor its predecessor opens
	ownerChanged          // somebody without the keys gave the tenant to another account
	proofSpoiled          // the MAC of the tenant's row is wrong
	untouched
	customersSpoiled // how many there are
)

// spoiledRows damages single rows while replicas renew: a ciphertext, both ciphertexts of a tenant, a column that decides who has
// access, and a MAC. From a damaged row nothing is issued and its tenant says why, others notice nothing, and everything recovers
// when an operator has put back what was there, or has accepted it.
func spoiledRows(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "spoiled", tenants: 8, market: true})
	if err != nil {
		return nil, err
	}
	replicas, err := d.startReplicas(ctx, 2, healthy)
	if err != nil {
		return d, err
	}
	if err := d.market.install(ctx); err != nil {
		return d, err
	}
	customers := make([]*customer, customersSpoiled)
	for n := range customers {
		if customers[n], err = d.market.newCustomer(fmt.Sprintf("customer %d", n)); err != nil {
			return d, err
		}
		if err := errors.Join(d.market.buy(ctx, customers[n]), d.market.consent(ctx, customers[n])); err != nil {
			return d, err
		}
	}
	d.StartPeriod() // after which every grant has a predecessor
	if err := d.AwaitRenewals(ctx); err != nil {
		return d, err
	}
	for n := range s.Periods {
		if err := d.spoil(ctx, replicas, customers, d.tenants[n%len(d.tenants)]); err != nil {
			return d, err
		}
	}
	for _, c := range customers {
		for _, slot := range []token.Slot{token.Active, token.Predecessor} {
			err = errors.Join(err, d.verifyGrant(ctx, c.tenantID, slot))
		}
	}
	return d, err
}

// spoil damages rows, lets a period begin, checks what is issued, and repairs the rows. single is a tenant of which only the
// active grant is damaged: its predecessor renews it.
func (d *Deployment) spoil(ctx context.Context, replicas []*replica, customers []*customer, single string) error {
	saved, err := d.saveRows(ctx, customers[secretsSpoiled].tenantID, customers[ownerChanged].tenantID)
	if err != nil {
		return err
	}
	if err := d.damage(ctx, customers, single); err != nil {
		return err
	}
	d.StartPeriod()
	if err := d.AwaitRenewals(ctx); err != nil {
		return err
	}
	if err := d.verifySpoiled(ctx, replicas, customers, single); err != nil {
		return err
	}
	if err := d.repair(ctx, saved, customers); err != nil {
		return err
	}
	if err := d.Recover(ctx); err != nil {
		return err
	}
	for _, c := range customers {
		if err := d.verifyIssued(ctx, c, "active", ""); err != nil {
			return err
		}
	}
	return nil
}

// savedRows is what an operator would take from a backup.
type savedRows struct {
	tokens map[string][]byte // slot → ciphertext
	owner  string
}

func (d *Deployment) saveRows(ctx context.Context, secretsOf, ownerOf string) (saved savedRows, err error) {
	saved.tokens = map[string][]byte{}
	for _, slot := range []string{"active", "predecessor"} {
		var ciphertext []byte
		if err := d.db().QueryRowContext(ctx, "SELECT refresh_token FROM grants WHERE tenant_id = ? AND slot = ?", secretsOf, slot).Scan(&ciphertext); err != nil {
			return saved, fmt.Errorf("saving a %s grant: %w", slot, err)
		}
		saved.tokens[slot] = ciphertext
	}
	err = d.db().QueryRowContext(ctx, "SELECT account_id FROM tenants WHERE id = ?", ownerOf).Scan(&saved.owner)
	return saved, err
}

// damage changes rows as somebody does who can write to the database but has no key.
func (d *Deployment) damage(ctx context.Context, customers []*customer, single string) error {
	both, owner, proof := customers[secretsSpoiled].tenantID, customers[ownerChanged].tenantID, customers[proofSpoiled].tenantID
	const flipped = "CONCAT(SUBSTRING(%[1]s, 1, LENGTH(%[1]s) - 1), CHAR(ASCII(SUBSTRING(%[1]s, -1)) ^ 1))"
	token, mac := fmt.Sprintf(flipped, "refresh_token"), fmt.Sprintf(flipped, "mac")
	return errors.Join(
		d.change(ctx, grantChange, single, "UPDATE grants SET refresh_token = "+token+" WHERE slot = 'active' AND tenant_id = ?", single),
		d.change(ctx, grantChange, both, "UPDATE grants SET refresh_token = "+token+" WHERE slot = 'active' AND tenant_id = ?", both),
		d.change(ctx, predecessorChange, both, "UPDATE grants SET refresh_token = "+token+" WHERE slot = 'predecessor' AND tenant_id = ?", both),
		d.change(ctx, tenantChange, owner, "UPDATE tenants SET account_id = ? WHERE id = ?", customers[untouched].account.ID, owner),
		d.change(ctx, tenantChange, proof, "UPDATE tenants SET mac = "+mac+" WHERE id = ?", proof),
	)
}

// repair puts back what was saved, and accepts the row whose MAC is wrong, as connector integrity accept does.
func (d *Deployment) repair(ctx context.Context, saved savedRows, customers []*customer) error {
	both, owner, proof := customers[secretsSpoiled].tenantID, customers[ownerChanged].tenantID, customers[proofSpoiled].tenantID
	const restore = "UPDATE grants SET refresh_token = ? WHERE tenant_id = ? AND slot = ?"
	err := errors.Join(
		d.change(ctx, grantChange, both, restore, saved.tokens["active"], both, "active"),
		d.change(ctx, predecessorChange, both, restore, saved.tokens["predecessor"], both, "predecessor"),
		d.change(ctx, tenantChange, owner, "UPDATE tenants SET account_id = ? WHERE id = ?", saved.owner, owner),
	)
	if err != nil {
		return err
	}
	altered, err := d.store.Altered(ctx)
	if err != nil {
		return err
	}
	if len(altered) != 1 || altered[0].TenantID != proof {
		return fmt.Errorf("%d rows are listed as altered, want only tenant %s", len(altered), proof)
	}
	d.count("rows accepted", 1)
	return d.store.Accept(ctx, altered[0], d.clock.Now(), audit.Actor{Kind: audit.Operator, Name: "operator"})
}

// change runs a statement of the harness that changes one row.
func (d *Deployment) change(ctx context.Context, what, subject, statement string, args ...any) error {
	result, err := d.db().ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("changing a %s: %w", what, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows changed instead of one %s: %w", n, what, errOf(err))
	}
	d.allowChange(what, subject)
	d.count("rows spoiled or put back", 1)
	return nil
}

// verifySpoiled checks what replicas say and issue while rows are damaged.
func (d *Deployment) verifySpoiled(ctx context.Context, replicas []*replica, customers []*customer, single string) error {
	for n, want := range []struct{ state, code string }{
		secretsSpoiled: {"misconfigured", "grant_unreadable"},
		ownerChanged:   {"misconfigured", "integrity"},
		proofSpoiled:   {"misconfigured", "integrity"},
		untouched:      {"active", ""},
	} {
		if err := d.verifyIssued(ctx, customers[n], want.state, want.code); err != nil {
			return err
		}
	}
	events, err := d.store.EventsOf(ctx, single, []audit.Action{audit.PredecessorUsed}, 1)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("tenant %s was not renewed with its predecessor", single)
	}
	return await(ctx, "an alarm about two altered rows", func(ctx context.Context) (bool, error) {
		for _, r := range replicas {
			metrics, err := r.metrics(ctx)
			if err != nil || strings.Contains(metrics, "\nconnector_altered_rows 2\n") {
				return err == nil, err
			}
		}
		return false, nil
	})
}

// verifyIssued checks the status of a customer's token. An access token is issued exactly if it is active.
func (d *Deployment) verifyIssued(ctx context.Context, c *customer, state, code string) error {
	st, err := d.market.status(ctx, c)
	if err != nil {
		return fmt.Errorf("the status of %s: %w", c.name, err)
	}
	got := ""
	if st.Failure != nil {
		got = st.Failure.Code
	}
	if st.State != state || got != code {
		return fmt.Errorf("the status of %s is %s (%s), want %s (%s)", c.name, st.State, got, state, code)
	}
	err = d.market.borrow(ctx, c)
	refused, isRefusal := errors.AsType[*unexpected](err)
	switch {
	case state == "active" && err != nil:
		return fmt.Errorf("borrowing from %s: %w", c.name, err)
	case state != "active" && (!isRefusal || refused.status >= 500):
		return fmt.Errorf("borrowing from %s while it is %s: %w, want a refusal", c.name, state, errOf(err))
	case state == "active":
		d.count("access tokens issued", 1)
	default:
		d.count("access tokens refused", 1)
	}
	return nil
}
