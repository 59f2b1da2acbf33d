package chaos

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"azure-partner-connector/connector/audit"
)

// A recorded is a kind of change that triggers record, in the transaction of the change and without the connector.
type recorded struct {
	what    string
	table   string
	subject string // the column that holds the ID of the tenant or the key of the instance
	// slots are the values of the column slot; empty for tables without one.
	slots []string
	// on are the columns whose change counts; empty: every statement on the row.
	on []string
	// only is the condition under which an UPDATE counts, of a kind that is never inserted; except, under which one does not
	// count. In both, differs(column) compares NEW and OLD.
	only, except string
	// at is a column with a time that must never become earlier, while the column same, if any, keeps its value.
	at, same string
	// removal says that deletions are recorded, and nothing else.
	removal bool
}

// The kinds of change. Leases, due times and purged secrets are no changes of state and have no events.
const (
	instanceChange    = "instance"
	bindingChange     = "binding"
	tenantChange      = "tenant"
	directoryProof    = "proof of a directory"
	tenantRemoval     = "removal of a tenant"
	consentChange     = "consent"
	codeEntered       = "code" // a code that was entered for a consent
	grantChange       = "grant"
	waitingChange     = "waiting grant"
	predecessorChange = "predecessor"
	renewalSuccess    = "success"
	renewalFailure    = "failure"
)

// proves is the condition under which an UPDATE of a tenant only records, or ends, the proof of its directory: other events
// stand for that.
const proves = "differs(proven_directory_id) AND NOT differs(directory) AND NOT differs(directory_id)"

// changesRecorded returns every kind of change that is compared with the events.
func changesRecorded() []recorded {
	return []recorded{
		{what: instanceChange, table: "instances", subject: "instance_key"},
		{what: bindingChange, table: "ties", subject: "instance_key"},
		{what: tenantChange, table: "tenants", subject: "id", except: proves},
		{what: directoryProof, table: "tenants", subject: "id", only: proves},
		{what: tenantRemoval, table: "tenants", subject: "id", removal: true},
		{what: consentChange, table: "consents", subject: "tenant_id", on: []string{"status", "link_hash", "expires_at", "failure", "claim_expires_at"}},
		{what: codeEntered, table: "consents", subject: "tenant_id", only: "NEW.claim_attempts > OLD.claim_attempts"},
		{what: grantChange, table: "grants", subject: "tenant_id", slots: []string{"active"}, at: "issued_at", same: "consent_id"},
		{what: waitingChange, table: "grants", subject: "tenant_id", slots: []string{"pending", "unconfirmed"}},
		{what: predecessorChange, table: "grants", subject: "tenant_id", slots: []string{"predecessor"}},
		{what: renewalSuccess, table: "schedules", subject: "tenant_id", on: []string{"last_success_at"}, at: "last_success_at"},
		{what: renewalFailure, table: "schedules", subject: "tenant_id", only: "NEW.attempt > OLD.attempt"},
	}
}

// changesOf returns the changes that an event stands for. An event in two of them stands for one of each.
func changesOf(e audit.Event) []string {
	switch e.Action {
	case audit.InstanceInstalled, audit.InstanceConfigured, audit.InstanceUpgraded, audit.InstanceMoved, audit.InstanceRemoved:
		return []string{instanceChange}
	case audit.InstanceBound:
		if e.TenantID != "" {
			return []string{tenantChange}
		}
		return []string{bindingChange}
	case audit.TenantProvisioned, audit.TenantConfigured, audit.DirectoryResolved, audit.TenantMoved:
		return []string{tenantChange, directoryProof} // it may prove the directory again that it had before
	case audit.TenantSuspended, audit.TenantResumed, audit.TenantLinked, audit.TenantUnlinked, audit.TenantDoubted, audit.TenantRecognized:
		return []string{tenantChange}
	case audit.TenantRemoved:
		return []string{tenantRemoval}
	case audit.IntegrityAccepted:
		if e.TenantID == "" {
			return []string{instanceChange}
		}
		return []string{tenantChange}
	case audit.ConsentBegun, audit.ConsentLinked, audit.ConsentRefused, audit.ConsentClosed:
		return []string{consentChange}
	case audit.ConsentDisowned:
		return []string{consentChange, directoryProof}
	case audit.ConsentGranted:
		if e.Details["waits_for"] != "" || e.Details["procedure"] == "manual" && e.Actor.Kind == audit.Visitor {
			return []string{consentChange, waitingChange}
		}
		return []string{consentChange, grantChange, renewalSuccess, directoryProof}
	case audit.ClaimAccepted:
		return []string{consentChange, codeEntered, grantChange, renewalSuccess, directoryProof}
	case audit.ConsentConfirmed:
		return []string{consentChange, grantChange, renewalSuccess, directoryProof}
	case audit.ClaimRefused:
		if e.Result == "claim_locked" {
			return []string{consentChange, codeEntered}
		}
		return []string{codeEntered}
	case audit.GrantRenewed:
		return []string{grantChange, predecessorChange, renewalSuccess}
	case audit.GrantRotated:
		return []string{grantChange, predecessorChange}
	case audit.GrantChecked:
		return []string{grantChange}
	case audit.RenewalFailed:
		return []string{renewalFailure}
	}
	return nil
}

// A changeKey is a kind of change of one tenant or instance.
type changeKey struct{ what, subject string }

// recordChanges creates the triggers. verifyChanges compares what they record with the events.
func (d *Deployment) recordChanges(ctx context.Context) error {
	statements := []string{"CREATE TABLE chaos_changes (id BIGINT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(32) NOT NULL, subject VARCHAR(128) NOT NULL," +
		" old_at DATETIME(3), new_at DATETIME(3))"}
	if d.spec.sqlite {
		statements = []string{"CREATE TABLE chaos_changes (id INTEGER PRIMARY KEY, what TEXT NOT NULL, subject TEXT NOT NULL, old_at TEXT, new_at TEXT)"}
	}
	for i, r := range changesRecorded() {
		operations := []string{"INSERT", "UPDATE"}
		if r.removal {
			operations = []string{"DELETE"}
		}
		for _, operation := range operations {
			if operation == "INSERT" && r.only != "" {
				continue
			}
			statements = append(statements, r.trigger(fmt.Sprintf("chaos_%d_%s", i, operation), operation, d.spec.sqlite))
		}
	}
	for _, statement := range statements {
		if _, err := d.db().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("recording changes: %w", err)
		}
	}
	return nil
}

// trigger returns the statement that creates the trigger of an operation.
func (r recorded) trigger(name, operation string, sqlite bool) string {
	row, before, after := "NEW", "NULL", "NULL"
	if operation == "DELETE" {
		row = "OLD"
	}
	if r.at != "" {
		after = "NEW." + r.at
		if operation == "UPDATE" {
			before = "OLD." + r.at
			if r.same != "" {
				before = fmt.Sprintf("CASE WHEN OLD.%[1]s = NEW.%[1]s THEN OLD.%[2]s END", r.same, r.at)
			}
		}
	}
	insert := fmt.Sprintf("INSERT INTO chaos_changes (what, subject, old_at, new_at) SELECT '%s', %s.%s, %s, %s", r.what, row, r.subject, before, after)
	if sqlite {
		return fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s WHEN %s BEGIN %s; END", name, operation, r.table, r.condition(operation, row, "%[1]s IS NOT %[2]s"), insert)
	}
	return fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s FOR EACH ROW %s FROM DUAL WHERE %s", name, operation, r.table, insert, r.condition(operation, row, "NOT (%[1]s <=> %[2]s)"))
}

// compared matches a comparison in a condition.
var compared = regexp.MustCompile(`differs\((\w+)\)`)

// condition returns when an operation counts. differs is how the dialect compares two values that may be NULL.
func (r recorded) condition(operation, row, differs string) string {
	all := []string{"1 = 1"}
	if len(r.slots) > 0 {
		all = append(all, row+".slot IN ('"+strings.Join(r.slots, "', '")+"')")
	}
	translated := func(condition string) string {
		return compared.ReplaceAllStringFunc(condition, func(call string) string {
			name := compared.FindStringSubmatch(call)[1]
			return "(" + fmt.Sprintf(differs, "OLD."+name, "NEW."+name) + ")"
		})
	}
	if operation == "UPDATE" && r.only != "" {
		all = append(all, translated(r.only))
	}
	if operation == "UPDATE" && r.except != "" {
		all = append(all, "NOT ("+translated(r.except)+")")
	}
	if operation == "UPDATE" && len(r.on) > 0 {
		var changed []string
		for _, column := range r.on {
			changed = append(changed, fmt.Sprintf(differs, "OLD."+column, "NEW."+column))
		}
		all = append(all, "("+strings.Join(changed, " OR ")+")")
	}
	return strings.Join(all, " AND ")
}

// allowChange says that the harness itself made a change, which has no event.
func (d *Deployment) allowChange(what, subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ownChanges[changeKey{what, subject}]++
}

// verifyChanges compares what the triggers recorded with the events, and the times that they recorded with each other. A consent
// replaces a grant whatever the times say, so what a tenant's customer may have replaced by another consent is not compared.
func (d *Deployment) verifyChanges(ctx context.Context) error {
	errs := []error{d.compareChanges(ctx)}
	for _, check := range []struct{ query, violation string }{
		{
			"SELECT what, subject FROM chaos_changes WHERE new_at < old_at",
			"an older time replaced a newer one",
		},
		{
			"SELECT 'success', tenant_id FROM grants WHERE slot = 'active' AND issued_at < (SELECT MAX(new_at) FROM chaos_changes WHERE what = 'grant' AND chaos_changes.subject = grants.tenant_id)",
			"the newest grant is not the stored one",
		},
	} {
		err := d.rows(ctx, check.query, func(values []sql.RawBytes) error {
			if what, subject := string(values[0]), string(values[1]); what != renewalSuccess || slices.Contains(d.tenants, subject) {
				errs = append(errs, fmt.Errorf("%s: %s of %s", check.violation, what, subject))
			}
			return nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// compareChanges compares the numbers of changes and events of every kind, for every tenant and every instance.
func (d *Deployment) compareChanges(ctx context.Context) error {
	changes, err := d.countChanges(ctx)
	if err != nil {
		return err
	}
	events, err := d.countEvents(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	for key, n := range d.ownChanges {
		events[key] += n
	}
	d.mu.Unlock()
	total := 0
	var keys []changeKey
	for key, n := range changes {
		keys = append(keys, key)
		total += n
	}
	for key := range events {
		if _, seen := changes[key]; !seen {
			keys = append(keys, key)
		}
	}
	d.count("changes compared with events", total)
	slices.SortFunc(keys, func(a, b changeKey) int {
		return strings.Compare(a.subject+" "+a.what, b.subject+" "+b.what)
	})
	var errs []error
	for _, key := range keys {
		switch {
		case key.what == renewalSuccess && changes[key] < events[key] && !slices.Contains(d.tenants, key.subject):
			continue // a customer who consents again within a second stores the same time
		case key.what == directoryProof && changes[key] < events[key]:
			continue // a directory is proven once
		}
		if changes[key] != events[key] {
			errs = append(errs, fmt.Errorf("of %s, the changes of kind %s and their events differ in number: %d and %d", key.subject, key.what, changes[key], events[key]))
		}
	}
	return errors.Join(errs...)
}

func (d *Deployment) countChanges(ctx context.Context) (map[changeKey]int, error) {
	counts := map[changeKey]int{}
	err := d.rows(ctx, "SELECT what, subject FROM chaos_changes", func(values []sql.RawBytes) error {
		counts[changeKey{string(values[0]), string(values[1])}]++
		return nil
	})
	return counts, err
}

// countEvents returns the changes that the events stand for.
func (d *Deployment) countEvents(ctx context.Context) (map[changeKey]int, error) {
	counts := map[changeKey]int{}
	query := "SELECT action, tenant_id, instance_key, actor_kind, result, details FROM events"
	err := d.rows(ctx, query, func(values []sql.RawBytes) error {
		e := audit.Event{
			Action: audit.Action(values[0]), TenantID: string(values[1]), InstanceKey: string(values[2]),
			Actor: audit.Actor{Kind: audit.ActorKind(values[3])}, Result: string(values[4]),
		}
		if len(values[5]) > 0 {
			if err := json.Unmarshal(values[5], &e.Details); err != nil {
				return fmt.Errorf("reading the details of an event: %w", err)
			}
		}
		subject := e.TenantID
		if subject == "" {
			subject = e.InstanceKey
		}
		for _, what := range changesOf(e) {
			counts[changeKey{what, subject}]++
		}
		if e.Action == audit.PredecessorUsed {
			counts[changeKey{predecessorChange, subject}]-- // the renewal with it stores none
		}
		return nil
	})
	return counts, err
}

// verifyTrail lets the connector verify the events against its checkpoints, which replicas wrote while they met faults.
func (d *Deployment) verifyTrail(ctx context.Context) error {
	var errs []error
	verified, err := d.store.VerifyEvents(ctx, func(text string) { errs = append(errs, fmt.Errorf("the audit trail: %s", text)) })
	d.count("events covered by checkpoints", int(verified.Events))
	return errors.Join(append(errs, err)...)
}
