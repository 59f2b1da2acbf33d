package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// The columns of queries for many tenants. When a tenant has no grant or schedule, its columns are NULL.
const (
	tenantColumns = "t.id, t.instance_key, t.account_id, t.subscription_id, t.name, t.marketplace, t.directory_id, t.directory, t.application_id, t.credentials, " +
		"t.suspended_at, t.created_at, t.updated_at, t.version, t.mac, t.proven_directory_id, t.unlinked_at, t.unknown_at, t.moved_at, t.watched_account_id, t.notices"
	instanceColumns = "i.instance_key, i.instance_id, i.root_id, i.controller_uri, i.named_controller, i.package_version, i.cloud, i.application_id, i.credentials, i.mfa_request, " +
		"i.borrowers, i.customer_directories, i.skip_landing, i.direct_link, i.tenant_application, i.created_at, i.updated_at, i.removed_at, i.version, i.mac"
	activeColumns = "COALESCE(a.tenant_id, ''), a.issued_at, COALESCE(a.instance_key, ''), COALESCE(a.account_id, ''), COALESCE(a.directory_id, ''), COALESCE(a.application_id, ''), " +
		"COALESCE(a.procedure_name, ''), COALESCE(a.consent_id, ''), a.consented_at, a.consented_by, COALESCE(a.asked_by, ''), a.scopes, a.checks, COALESCE(a.version, 0), a.refresh_token"
	pendingColumns = "COALESCE(p.tenant_id, ''), COALESCE(p.instance_key, ''), COALESCE(p.account_id, ''), COALESCE(p.directory_id, ''), " +
		"COALESCE(p.procedure_name, ''), COALESCE(p.consent_id, ''), p.consented_at, p.consented_by, p.refresh_token"
	unconfirmedColumns = "COALESCE(u.tenant_id, ''), COALESCE(u.instance_key, ''), COALESCE(u.account_id, ''), COALESCE(u.directory_id, ''), " +
		"COALESCE(u.procedure_name, ''), COALESCE(u.consent_id, ''), u.consented_at, u.consented_by, u.refresh_token"
	scheduleColumns = "s.due_at, s.lease_owner, s.lease_until, COALESCE(s.attempt, 0), s.last_at, s.last_success_at, s.failing_since, s.failure, " +
		"COALESCE(s.version, 0)"
)

const (
	resolvedQuery  = "SELECT " + tenantColumns + ", " + instanceColumns + " FROM tenants t JOIN instances i ON i.instance_key = t.instance_key WHERE t.id IN"
	grantsQuery    = "SELECT " + activeColumns + " FROM grants a WHERE a.slot = 'active' AND a.tenant_id IN"
	snapshotsQuery = "SELECT t.id, " + snapshotColumns + " FROM tenants t" + snapshotsFrom
	wholesQuery    = "SELECT " + tenantColumns + ", " + instanceColumns + ", " + snapshotColumns +
		" FROM tenants t JOIN instances i ON i.instance_key = t.instance_key" + snapshotsFrom
	snapshotColumns = activeColumns + ", " + pendingColumns + ", " + unconfirmedColumns + ", " + scheduleColumns
	snapshotsFrom   = " LEFT JOIN grants a ON a.tenant_id = t.id AND a.slot = 'active' LEFT JOIN grants p ON p.tenant_id = t.id AND p.slot = 'pending'" +
		" LEFT JOIN grants u ON u.tenant_id = t.id AND u.slot = 'unconfirmed'" +
		" LEFT JOIN schedules s ON s.tenant_id = t.id WHERE t.id IN"
)

func (row *tenantRow) scanDest() []any {
	return []any{
		&row.ID, &row.InstanceKey, &row.AccountID, &row.SubscriptionID, &row.Name, &row.Marketplace, &row.DirectoryID, &row.Directory,
		&row.ApplicationID, &row.Credentials, &row.Suspended, &row.Created, &row.Updated, &row.Version, &row.MAC, &row.Proven,
		&row.Unlinked, &row.Unknown, &row.Moved, &row.Watched, &row.Notices,
	}
}

func (row *instanceRow) scanDest() []any {
	return []any{
		&row.InstanceKey, &row.InstanceID, &row.RootID, &row.ControllerURI, &row.NamedController, &row.PackageVersion, &row.Cloud, &row.ApplicationID, &row.Credentials,
		&row.MFARequest, &row.Borrowers, &row.CustomerDirectories, &row.SkipLanding, &row.DirectLink, &row.TenantApplication, &row.Created, &row.Updated, &row.Removed, &row.Version,
		&row.MAC,
	}
}

func (row *grantRow) activeDest() []any {
	return []any{
		&row.TenantID, &row.IssuedAt, &row.InstanceKey, &row.AccountID, &row.DirectoryID, &row.ApplicationID, &row.ProcedureName, &row.ConsentID,
		&row.ConsentedAt, &row.ConsentedBy, &row.AskedBy, &row.Scopes, &row.Checks, &row.Version, &row.RefreshToken,
	}
}

func (row *grantRow) waitingDest() []any {
	return []any{
		&row.TenantID, &row.InstanceKey, &row.AccountID, &row.DirectoryID, &row.ProcedureName, &row.ConsentID, &row.ConsentedAt, &row.ConsentedBy,
		&row.RefreshToken,
	}
}

func (row *scheduleRow) scanDest() []any {
	return []any{
		&row.DueAt, &row.LeaseOwner, &row.LeaseUntil, &row.Attempt, &row.LastAt, &row.LastSuccessAt, &row.FailingSince, &row.Failure, &row.Version,
	}
}

// Resolve implements tenant.Resolver.
func (s *Store) Resolve(ctx context.Context, tenantID string) (tenant.Resolved, error) {
	r, err := do(ctx, s.resolved, tenantID)
	if err != nil {
		return tenant.Resolved{}, fmt.Errorf("reading tenant %q and its instance: %w", tenantID, err)
	}
	return r, nil
}

// Snapshot implements token.Store.
func (s *Store) Snapshot(ctx context.Context, tenantID string) (token.Snapshot, error) {
	snapshot, err := do(ctx, s.snapshots, tenantID)
	if err != nil {
		return token.Snapshot{}, fmt.Errorf("reading the token of tenant %q: %w", tenantID, err)
	}
	return snapshot, nil
}

// A whole is a tenant with its instance and what is stored about its token.
type whole struct {
	resolved tenant.Resolved
	snapshot token.Snapshot
}

// ResolveWithSnapshot implements token.Store.
func (s *Store) ResolveWithSnapshot(ctx context.Context, tenantID string) (tenant.Resolved, token.Snapshot, error) {
	w, err := do(ctx, s.wholes, tenantID)
	if err != nil {
		return tenant.Resolved{}, token.Snapshot{}, fmt.Errorf("reading tenant %q, its instance and its token: %w", tenantID, err)
	}
	return w.resolved, w.snapshot, nil
}

// readResolved reads tenants, each with its instance.
func (s *Store) readResolved(ctx context.Context, ids []string) ([]result[tenant.Resolved], error) {
	return readByKey(ctx, s, resolvedQuery, ids, s.scanResolved)
}

func (s *Store) scanResolved(rows *sql.Rows) (id string, r tenant.Resolved, err error) {
	var t tenantRow
	var in instanceRow
	if err := rows.Scan(slices.Concat(t.scanDest(), in.scanDest())...); err != nil {
		return t.ID, tenant.Resolved{}, err
	}
	return t.ID, tenant.Resolved{Tenant: s.tenantOf(t), Instance: s.instanceOf(in)}, nil
}

// readSnapshots reads the stored state of the tokens of some tenants.
func (s *Store) readSnapshots(ctx context.Context, ids []string) ([]result[token.Snapshot], error) {
	return readByKey(ctx, s, snapshotsQuery, ids, s.scanSnapshot)
}

func (s *Store) scanSnapshot(rows *sql.Rows) (id string, snapshot token.Snapshot, err error) {
	row := newSnapshotRow()
	if err := rows.Scan(append([]any{&id}, row.scanDest()...)...); err != nil {
		return id, token.Snapshot{}, err
	}
	return id, s.snapshotOf(id, row), nil
}

// readWholes reads tenants, each with its instance and what is stored about its token.
func (s *Store) readWholes(ctx context.Context, ids []string) ([]result[whole], error) {
	return readByKey(ctx, s, wholesQuery, ids, s.scanWhole)
}

func (s *Store) scanWhole(rows *sql.Rows) (id string, w whole, err error) {
	var t tenantRow
	var in instanceRow
	row := newSnapshotRow()
	if err := rows.Scan(slices.Concat(t.scanDest(), in.scanDest(), row.scanDest())...); err != nil {
		return t.ID, whole{}, err
	}
	return t.ID, whole{tenant.Resolved{Tenant: s.tenantOf(t), Instance: s.instanceOf(in)}, s.snapshotOf(t.ID, row)}, nil
}

// A snapshotRow is the part of a row that snapshotColumns names.
type snapshotRow struct {
	active, pending, unconfirmed grantRow
	schedule                     scheduleRow
}

func newSnapshotRow() *snapshotRow {
	return &snapshotRow{
		active: grantRow{Slot: string(token.Active)}, pending: grantRow{Slot: string(token.Pending)}, unconfirmed: grantRow{Slot: string(token.Unconfirmed)},
	}
}

func (row *snapshotRow) scanDest() []any {
	return slices.Concat(row.active.activeDest(), row.pending.waitingDest(), row.unconfirmed.waitingDest(), row.schedule.scanDest())
}

func (s *Store) snapshotOf(tenantID string, row *snapshotRow) token.Snapshot {
	row.schedule.TenantID = tenantID
	return token.Snapshot{
		Active: s.grantIn(row.active), Pending: s.grantIn(row.pending), Unconfirmed: s.grantIn(row.unconfirmed), Schedule: row.schedule.schedule(),
	}
}

// grantIn returns the grant in a row of a join without its refresh token; nil when the tenant has none.
func (s *Store) grantIn(row grantRow) *token.Grant {
	if row.TenantID == "" {
		return nil
	}
	g := s.grantOf(row)
	g.RefreshToken = secret.Text{}
	return &g
}
