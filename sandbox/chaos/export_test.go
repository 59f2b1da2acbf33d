package chaos

import (
	"context"
	"os"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

// DeployRenewed returns a deployment on SQLite whose tenants have been renewed once, without faults.
func (e *Env) DeployRenewed(ctx context.Context, name string) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: name, tenants: 2, sqlite: true})
	if err != nil {
		return nil, err
	}
	d.StartPeriod()
	if _, err := d.start(ctx, replicaOptions{}); err != nil {
		return d, err
	}
	err = d.AwaitRenewals(ctx)
	return d, err
}

// Corrupt changes the database without the connector.
func (d *Deployment) Corrupt(ctx context.Context, statement string, args ...any) error {
	_, err := d.db().ExecContext(ctx, statement, args...)
	return err
}

// AddConsent stores a consent of the first tenant, and no event.
func (d *Deployment) AddConsent(ctx context.Context) error {
	now := d.clock.Now()
	return d.store.SaveConsent(ctx, &consent.Consent{
		ID: random.ID(), TenantID: d.tenants[0], Procedure: token.Manual, Status: consent.Waiting, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	})
}

// AddEvent appends an event about the instance.
func (d *Deployment) AddEvent(ctx context.Context, action audit.Action) error {
	return audit.Append(ctx, d.store, d.clock.Now(), audit.Event{InstanceKey: instanceKey, Action: action})
}

// AppendToLog adds a line to the log of the first replica.
func (d *Deployment) AppendToLog(line string) error {
	f, err := os.OpenFile(d.replicas[0].logFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// StoredToken returns the refresh token that the first tenant has in a slot.
func (d *Deployment) StoredToken(ctx context.Context, slot token.Slot) (string, error) {
	g, err := d.store.Grant(ctx, d.tenants[0], slot)
	return g.RefreshToken.Reveal(), err
}

// Revoke ends every sign-in of the first tenant at Microsoft.
func (d *Deployment) Revoke() error { return d.Microsoft.RevokeSessions("admin@reseller-0.example") }

// AddSecret makes Verify search for one more value.
func (d *Deployment) AddSecret(value string) {
	d.addSecret("a canary", value)
}
