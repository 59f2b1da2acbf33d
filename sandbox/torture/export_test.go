package torture

import (
	"context"
	"os"

	"azure-partner-connector/connector/token"
)

// Renewed returns a rig on SQLite whose tenants have been renewed once, in good order.
func (g *Ground) Renewed(ctx context.Context, name string) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: name, tenants: 2, sqlite: true})
	if err != nil {
		return nil, err
	}
	r.Period()
	if _, err := r.start(ctx, wish{}); err != nil {
		return r, err
	}
	err = r.Settle(ctx)
	return r, err
}

// Spoil changes the database behind everybody's back.
func (r *Rig) Spoil(ctx context.Context, statement string, args ...any) error {
	_, err := r.raw.ExecContext(ctx, statement, args...)
	return err
}

// SpoilLog adds a line to the log of the first replica.
func (r *Rig) SpoilLog(line string) error {
	f, err := os.OpenFile(r.replicas[0].log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// Stored returns the refresh token that the first tenant has in a slot.
func (r *Rig) Stored(ctx context.Context, slot token.Slot) (string, error) {
	g, err := r.store.Grant(ctx, r.tenants[0], slot)
	return g.RefreshToken.Reveal(), err
}

// Revoke ends every sign-in of the first tenant at Microsoft.
func (r *Rig) Revoke() error { return r.Microsoft.RevokeSessions("admin@reseller-0.example") }

// Know has the examination look for one more value.
func (r *Rig) Know(value string) { r.secrets = append(r.secrets, secretValue{"a canary", value}) }
