package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// What is read at once of a tenant, and where it goes. Of grants that is everything but the sealed token; where a tenant
// has none, or no schedule, their columns are NULL.
const (
	tenantColumns = "t.id, t.instance_key, t.account_id, t.subscription_id, t.name, t.marketplace, t.directory_id, t.directory, " +
		"t.application_id, t.credentials, t.created_at, t.updated_at, t.version"
	instanceColumns = "i.instance_key, i.instance_id, i.root_id, i.controller_uri, i.package_version, i.cloud, i.application_id, i.credentials, " +
		"i.mfa_request, i.borrowers, i.skip_landing, i.direct_link, i.tenant_application, i.created_at, i.updated_at, i.removed_at, i.version"
	activeColumns = "COALESCE(a.tenant_id, ''), a.issued_at, COALESCE(a.directory_id, ''), COALESCE(a.application_id, ''), COALESCE(a.procedure_name, ''), " +
		"COALESCE(a.consent_id, ''), a.consented_at, a.consented_by, COALESCE(a.asked_by, ''), a.scopes, a.checks, COALESCE(a.version, 0)"
	pendingColumns  = "COALESCE(p.tenant_id, ''), p.consented_at, p.consented_by"
	scheduleColumns = "s.due_at, s.lease_owner, s.lease_until, COALESCE(s.attempt, 0), s.last_at, s.last_success_at, s.failing_since, s.failure, " +
		"COALESCE(s.version, 0)"
)

func (row *tenantRow) places() []any {
	return []any{
		&row.ID, &row.InstanceKey, &row.AccountID, &row.SubscriptionID, &row.Name, &row.Marketplace, &row.DirectoryID, &row.Directory,
		&row.ApplicationID, &row.Credentials, &row.Created, &row.Updated, &row.Version,
	}
}

func (row *instanceRow) places() []any {
	return []any{
		&row.InstanceKey, &row.InstanceID, &row.RootID, &row.ControllerURI, &row.PackageVersion, &row.Cloud, &row.ApplicationID, &row.Credentials,
		&row.MFARequest, &row.Borrowers, &row.SkipLanding, &row.DirectLink, &row.TenantApplication, &row.Created, &row.Updated, &row.Removed, &row.Version,
	}
}

func (row *grantRow) activePlaces() []any {
	return []any{
		&row.TenantID, &row.IssuedAt, &row.DirectoryID, &row.ApplicationID, &row.ProcedureName, &row.ConsentID, &row.ConsentedAt, &row.ConsentedBy,
		&row.AskedBy, &row.Scopes, &row.Checks, &row.Version,
	}
}

func (row *grantRow) pendingPlaces() []any {
	return []any{&row.TenantID, &row.ConsentedAt, &row.ConsentedBy}
}

func (row *scheduleRow) places() []any {
	return []any{
		&row.DueAt, &row.LeaseOwner, &row.LeaseUntil, &row.Attempt, &row.LastAt, &row.LastSuccessAt, &row.FailingSince, &row.Failure, &row.Version,
	}
}

// A found is what a gathering found of one tenant, or why it cannot be had: tenant.ErrNotFound when there is no such
// tenant.
type found[T any] struct {
	it  T
	err error
}

// A party is a tenant with its instance.
type party struct {
	tenant   tenant.Tenant
	instance tenant.Instance
}

// Party implements tenant.Finder.
func (s *Store) Party(ctx context.Context, tenantID string) (tenant.Tenant, tenant.Instance, error) {
	p, err := gathered(ctx, s, &s.parties, tenantID)
	if err != nil {
		return tenant.Tenant{}, tenant.Instance{}, fmt.Errorf("reading tenant %q and its instance: %w", tenantID, err)
	}
	return p.tenant, p.instance, nil
}

// Standing implements token.Store.
func (s *Store) Standing(ctx context.Context, tenantID string) (token.Standing, error) {
	standing, err := gathered(ctx, s, &s.standings, tenantID)
	if err != nil {
		return token.Standing{}, fmt.Errorf("reading all about the token of tenant %q: %w", tenantID, err)
	}
	return standing, nil
}

// gathered asks for one tenant, together with others who ask at the same time unless ctx carries a transaction.
func gathered[T any](ctx context.Context, s *Store, g *gathering[string, found[T]], tenantID string) (T, error) {
	if s.transaction(ctx) == nil {
		answer, err := g.ask(ctx, tenantID)
		return answer.it, errors.Join(err, answer.err)
	}
	var none T
	answers, err := g.do(ctx, []string{tenantID})
	if err != nil {
		return none, err
	}
	return answers[0].it, answers[0].err
}

// readParties reads some tenants with their instances.
func (s *Store) readParties(ctx context.Context, ids []string) ([]found[party], error) {
	query := "SELECT " + tenantColumns + ", " + instanceColumns + " FROM tenants t JOIN instances i ON i.instance_key = t.instance_key WHERE t.id IN "
	instances := s.instancesOf()
	return readTenants(ctx, s, query, ids, func(rows *sql.Rows) (string, party, error) {
		var t tenantRow
		var in instanceRow
		if err := rows.Scan(append(t.places(), in.places()...)...); err != nil {
			return t.ID, party{}, err
		}
		p, err := s.partyOf(t, in, instances)
		return t.ID, p, err
	})
}

// readStandings reads all about the tokens of some tenants.
func (s *Store) readStandings(ctx context.Context, ids []string) ([]found[token.Standing], error) {
	query := "SELECT " + strings.Join([]string{tenantColumns, instanceColumns, activeColumns, pendingColumns, scheduleColumns}, ", ") +
		" FROM tenants t JOIN instances i ON i.instance_key = t.instance_key" +
		" LEFT JOIN grants a ON a.tenant_id = t.id AND a.slot = 'active' LEFT JOIN grants p ON p.tenant_id = t.id AND p.slot = 'pending'" +
		" LEFT JOIN schedules s ON s.tenant_id = t.id WHERE t.id IN "
	instances := s.instancesOf()
	return readTenants(ctx, s, query, ids, func(rows *sql.Rows) (string, token.Standing, error) {
		var t tenantRow
		var in instanceRow
		active, pending := grantRow{Slot: string(token.Active)}, grantRow{Slot: string(token.Pending)}
		var schedule scheduleRow
		places := slices.Concat(t.places(), in.places(), active.activePlaces(), pending.pendingPlaces(), schedule.places())
		if err := rows.Scan(places...); err != nil {
			return t.ID, token.Standing{}, err
		}
		p, err := s.partyOf(t, in, instances)
		if err != nil {
			return t.ID, token.Standing{}, err
		}
		schedule.TenantID = t.ID
		standing := token.Standing{Tenant: p.tenant, Instance: p.instance, Schedule: schedule.schedule()}
		if standing.Active, err = s.grantIn(active); err != nil {
			return t.ID, token.Standing{}, err
		}
		standing.Pending, err = s.grantIn(pending)
		return t.ID, standing, err
	})
}

// grantIn returns the grant in a row of a join; nil when there is none.
func (s *Store) grantIn(row grantRow) (*token.Grant, error) {
	if row.TenantID == "" {
		return nil, nil
	}
	g, err := s.grantOf(row)
	return &g, err
}

// instancesOf returns how instances are made of rows. What the tenants of one query share is opened once.
func (s *Store) instancesOf() func(instanceRow) (tenant.Instance, error) {
	known := map[string]tenant.Instance{}
	return func(row instanceRow) (tenant.Instance, error) {
		if in, ok := known[row.InstanceKey]; ok {
			in.Settings.Borrowers = row.Borrowers.of // a slice of its own for everybody
			return in, nil
		}
		in, err := s.instanceOf(row)
		if err == nil {
			known[row.InstanceKey] = in
		}
		return in, err
	}
}

func (s *Store) partyOf(t tenantRow, in instanceRow, instances func(instanceRow) (tenant.Instance, error)) (party, error) {
	instance, err := instances(in)
	if err != nil {
		return party{}, err
	}
	one, err := s.tenantOf(t)
	return party{one, instance}, err
}

// readTenants runs a query for some tenants and returns what it yields of each, in the order in which they were asked
// for. scan reads one row and returns whose it is; what cannot be read of one tenant is no matter of the others.
func readTenants[T any](ctx context.Context, s *Store, query string, ids []string, scan func(*sql.Rows) (string, T, error)) ([]found[T], error) {
	asked := make([]any, len(ids))
	for i, id := range ids {
		asked[i] = id
	}
	query += "(?" + strings.Repeat(", ?", len(ids)-1) + ")"
	byID := make(map[string]found[T], len(ids))
	err := s.read(ctx, func(db *gorm.DB) error {
		rows, err := db.Statement.ConnPool.QueryContext(ctx, query, asked...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			id, it, err := scan(rows)
			if id == "" {
				return err
			}
			byID[id] = found[T]{it, err}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	all := make([]found[T], len(ids))
	for i, id := range ids {
		var ok bool
		if all[i], ok = byID[id]; !ok {
			all[i].err = tenant.ErrNotFound
		}
	}
	return all, nil
}
