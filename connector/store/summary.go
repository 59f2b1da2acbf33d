package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

// An expression is a part of a statement with its values.
type expression struct {
	text string
	args []any
}

func (e *expression) add(text string, args ...any) {
	e.text += text
	e.args = append(e.args, args...)
}

// Of a tenant t and its instance i: the application that it uses, and what is wrong with it.
const (
	ownApplication    = "(i.tenant_application AND t.application_id <> '')"
	applicationID     = "(CASE WHEN " + ownApplication + " THEN t.application_id ELSE i.application_id END)"
	applicationSealed = "(CASE WHEN " + ownApplication + " THEN t.credentials ELSE i.credentials END)"
	applicationFails  = "(" + applicationID + " = '' OR " + applicationSealed + " IS NULL AND (" + ownApplication + " OR i.instance_key NOT IN ?))"
	anotherOwner      = "(g.instance_key <> '' AND g.instance_key <> t.instance_key OR g.account_id <> '' AND g.account_id <> t.account_id)"
)

// summaryFrom joins what a state depends on. The rows of removed instances are kept, but nothing is done for them.
const summaryFrom = " FROM tenants t JOIN instances i ON i.instance_key = t.instance_key AND i.removed_at IS NULL" +
	" LEFT JOIN grants g ON g.tenant_id = t.id AND g.slot = 'active'" +
	" LEFT JOIN grants p ON p.tenant_id = t.id AND p.slot = 'pending'" +
	" LEFT JOIN schedules s ON s.tenant_id = t.id"

// stateExpression computes the state of a tenant as token.Service.Status does, from columns alone: a property test compares
// the two. federated are the instances whose application needs no stored credential; at least one, which need not exist.
func (s *Store) stateExpression(m token.Moment, federated []string) expression {
	at := func(ago time.Duration) sqldb.Timestamp { return sqldb.NewTimestamp(m.Now.Add(-ago)) }
	because := func(code failure.Code) string { return string(token.StateOf(code)) }
	e := expression{text: "CASE"}
	e.add(" WHEN (t.suspended_at IS NOT NULL OR t.unlinked_at IS NOT NULL OR t.unknown_at IS NOT NULL) THEN CASE WHEN "+s.packageMajor()+" < ? THEN ? ELSE ? END",
		token.SuspendedSince, string(token.StateMisconfigured), string(token.StateSuspended))
	e.add(" WHEN g.issued_at <= ? THEN ?", at(token.Life), string(token.StateExpired))
	for _, reason := range []struct {
		when expression
		code failure.Code
	}{
		{expression{text: anotherOwner}, failure.Integrity},
		{expression{text: "t.directory_id IS NULL"}, failure.DirectoryMissing},
		{expression{applicationFails, []any{federated}}, failure.ApplicationMissing},
		{expression{text: "t.directory_id <> g.directory_id"}, failure.DirectoryChanged},
		{expression{text: applicationID + " <> g.application_id"}, failure.ApplicationChanged},
		{expression{text: "(t.proven_directory_id IS NULL OR t.proven_directory_id <> t.directory_id)"}, failure.DirectoryRefused},
	} {
		e.add(" WHEN g.tenant_id IS NOT NULL AND "+reason.when.text, reason.when.args...)
		e.add(" THEN ?", because(reason.code))
	}
	failed := " WHEN g.tenant_id IS NOT NULL AND s.failure IS NOT NULL"
	for _, kind := range []failure.Kind{failure.SignIn, failure.Configuration} {
		e.add(failed+" AND "+s.failureCode()+" IN ? THEN ?", codesOf(kind), string(token.StateOfKind(kind)))
	}
	e.add(failed+" THEN ?", string(token.StateRenewalFailing))
	e.add(" WHEN g.issued_at <= ? THEN ?", at(token.Life-token.ExpiringBelow), string(token.StateExpiring))
	e.add(" WHEN g.tenant_id IS NOT NULL THEN ?", string(token.StateActive))
	e.add(" WHEN p.consented_at > ? AND p.consented_at <= ? THEN ?", at(m.ClaimLife), at(-token.Tolerance), string(token.StatePending))
	e.add(" WHEN t.directory = '' OR "+applicationFails+" THEN ?", federated, string(token.StateMisconfigured))
	e.add(" ELSE ? END", string(token.StateAbsent))
	return e
}

// federated returns the keys of the installed instances whose application authenticates with the deployment's token.
func (s *Store) federated(ctx context.Context) ([]string, error) {
	var keys []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		keys = nil
		return db.Model(&instanceRow{}).Where("removed_at IS NULL").Pluck("instance_key", &keys).Error
	})
	if err != nil {
		return nil, fmt.Errorf("reading the keys of the instances: %w", err)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !s.deployment(key).Federated })
	return append(keys, ""), nil // an empty list is no SQL
}

// packageMajor is tenant.PackageMajor of the instance i.
func (s *Store) packageMajor() string {
	integer := "SIGNED"
	if s.db.Driver() == sqldb.SQLite {
		integer = "INTEGER"
	}
	return "CAST(i.package_version AS " + integer + ")"
}

// failureCode is the code of the failure of the schedule s.
func (s *Store) failureCode() string {
	if s.db.Driver() == sqldb.SQLite {
		return "json_extract(s.failure, '$.code')"
	}
	return "JSON_UNQUOTE(JSON_EXTRACT(s.failure, '$.code'))"
}

// secondsUntil is the time from a time until a column.
func (s *Store) secondsUntil(column string) string {
	if s.db.Driver() == sqldb.SQLite {
		return "((julianday(" + column + ") - julianday(?)) * 86400)"
	}
	return "TIMESTAMPDIFF(SECOND, ?, " + column + ")"
}

func codesOf(kind failure.Kind) []string {
	var codes []string
	for _, code := range failure.Codes() {
		if code.Kind() == kind {
			codes = append(codes, string(code))
		}
	}
	return codes
}

// A summaryRow is what the database knows of the tenants in one state.
type summaryRow struct {
	State       string
	Tenants     int
	Grants      int
	Remaining   float64
	FirstIssued sqldb.Timestamp
	Due         int
	FirstDue    sqldb.Timestamp
	Leased      int
	LastSuccess sqldb.Timestamp
}

// Summarize implements token.Store.
func (s *Store) Summarize(ctx context.Context, m token.Moment) (token.Summary, error) {
	summary := token.Summary{At: m.Now, Tenants: map[token.State]int{}, Ending: make([]int, len(token.EndBounds()))}
	for _, state := range token.States() {
		summary.Tenants[state] = 0
	}
	federated, err := s.federated(ctx)
	if err != nil {
		return token.Summary{}, err
	}
	now := sqldb.NewTimestamp(m.Now)
	var e expression
	state := s.stateExpression(m, federated)
	e.add("SELECT state, COUNT(*) AS tenants, COUNT(issued_at) AS grants, COALESCE(SUM("+s.secondsUntil("issued_at")+"), 0) AS remaining,"+
		" MIN(issued_at) AS first_issued, COALESCE(SUM(CASE WHEN due_at <= ? THEN 1 ELSE 0 END), 0) AS due, MIN(due_at) AS first_due,"+
		" COALESCE(SUM(CASE WHEN lease_until > ? THEN 1 ELSE 0 END), 0) AS leased, MAX(last_success_at) AS last_success", now, now, now)
	for i, bound := range token.EndBounds() {
		e.add(fmt.Sprintf(", COALESCE(SUM(CASE WHEN issued_at <= ? THEN 1 ELSE 0 END), 0) AS ending%d", i), sqldb.NewTimestamp(m.Now.Add(bound-token.Life)))
	}
	e.add(" FROM (SELECT "+state.text+" AS state, g.issued_at, s.due_at, s.lease_until, s.last_success_at"+summaryFrom+") AS x GROUP BY state", state.args...)
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		rows, err := db.Raw(e.text, e.args...).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row summaryRow
			ending := make([]int, len(summary.Ending))
			dest := []any{&row.State, &row.Tenants, &row.Grants, &row.Remaining, &row.FirstIssued, &row.Due, &row.FirstDue, &row.Leased, &row.LastSuccess}
			for i := range ending {
				dest = append(dest, &ending[i])
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			addSummary(&summary, row, ending)
		}
		return rows.Err()
	})
	if err != nil {
		return token.Summary{}, err
	}
	if err := s.summarizeAnnouncements(ctx, &summary); err != nil {
		return token.Summary{}, err
	}
	err = s.summarizeExports(ctx, &summary)
	return summary, err
}

func addSummary(summary *token.Summary, row summaryRow, ending []int) {
	summary.Tenants[token.State(row.State)] = row.Tenants
	summary.Grants += row.Grants
	summary.Remaining += time.Duration(row.Remaining)*time.Second + time.Duration(row.Grants)*token.Life
	if issued := row.FirstIssued.Time; !issued.IsZero() && (summary.FirstEnd.IsZero() || issued.Add(token.Life).Before(summary.FirstEnd)) {
		summary.FirstEnd = issued.Add(token.Life)
	}
	summary.Due += row.Due
	if due := row.FirstDue.Time; !due.IsZero() {
		summary.Overdue = max(summary.Overdue, summary.At.Sub(due))
	}
	summary.Leased += row.Leased
	if row.LastSuccess.Time.After(summary.LastSuccess) {
		summary.LastSuccess = row.LastSuccess.Time
	}
	for i, n := range ending {
		summary.Ending[i] += n
	}
}

func (s *Store) summarizeAnnouncements(ctx context.Context, summary *token.Summary) error {
	var row struct {
		Due   int
		First sqldb.Timestamp
	}
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Raw("SELECT COUNT(*) AS due, MIN(look_at) AS first FROM announcements WHERE look_at <= ?", sqldb.NewTimestamp(summary.At)).Row().
			Scan(&row.Due, &row.First)
	})
	if err != nil {
		return fmt.Errorf("counting announcements: %w", err)
	}
	summary.Announcements = row.Due
	if !row.First.Time.IsZero() {
		summary.AnnouncementsOverdue = summary.At.Sub(row.First.Time)
	}
	return nil
}

func (s *Store) summarizeExports(ctx context.Context, summary *token.Summary) error {
	var last sqldb.Timestamp
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		return db.Raw("SELECT MAX(happened_at) FROM events WHERE tenant_id = '' AND action = ? AND happened_at > ?",
			string(audit.TokensExported), sqldb.NewTimestamp(summary.At.Add(-token.ExportsTold))).Row().Scan(&last)
	})
	if err != nil {
		return fmt.Errorf("looking for exports: %w", err)
	}
	summary.LastExport = last.Time
	return nil
}

// ListTenants implements token.Store.
func (s *Store) ListTenants(ctx context.Context, q token.Query, m token.Moment) (token.List, error) {
	list := token.List{Tenants: []token.Listed{}, Counts: map[token.State]int{}}
	federated, err := s.federated(ctx)
	if err != nil {
		return token.List{}, err
	}
	matching := s.matching(q, s.stateExpression(m, federated))
	page := expression{text: "SELECT id, state FROM "}
	page.add(matching.text, matching.args...)
	if len(q.States) > 0 {
		page.add(" WHERE state IN ?", q.States)
	}
	page.add(" ORDER BY CASE state")
	for rank, state := range token.ByUrgency() {
		page.add(fmt.Sprintf(" WHEN ? THEN %d", rank), string(state))
	}
	page.add(" END, CASE WHEN issued_at IS NULL THEN 1 ELSE 0 END, issued_at, name, id")
	if q.Limit > 0 {
		page.add(" LIMIT ? OFFSET ?", q.Limit, q.Offset)
	}
	err = s.db.Read(ctx, func(db *gorm.DB) error {
		var rows []struct{ ID, State string }
		if err := db.Raw(page.text, page.args...).Scan(&rows).Error; err != nil {
			return err
		}
		list.Tenants = make([]token.Listed, len(rows))
		for i, row := range rows {
			list.Tenants[i] = token.Listed{TenantID: row.ID, State: token.State(row.State)}
		}
		var counts []struct {
			State   string
			Tenants int
		}
		if err := db.Raw("SELECT state, COUNT(*) AS tenants FROM "+matching.text+" GROUP BY state", matching.args...).Scan(&counts).Error; err != nil {
			return err
		}
		for _, row := range counts {
			list.Counts[token.State(row.State)] = row.Tenants
		}
		return nil
	})
	return list, err
}

// matching selects the tenants of a query in any state.
func (s *Store) matching(q token.Query, state expression) expression {
	e := expression{text: "(SELECT t.id, t.name, g.issued_at, "}
	e.add(state.text, state.args...)
	e.add(" AS state" + summaryFrom)
	var conditions []string
	if len(q.Instances) > 0 {
		conditions = append(conditions, "t.instance_key IN ?")
		e.args = append(e.args, q.Instances)
	}
	if q.Search != "" {
		pattern := "%" + likePattern(q.Search) + "%"
		var found []string
		for _, column := range []string{"t.name", "t.directory", "t.directory_id", "t.id"} {
			found = append(found, "LOWER("+column+") LIKE LOWER(?) ESCAPE '!'")
			e.args = append(e.args, pattern)
		}
		conditions = append(conditions, "("+strings.Join(found, " OR ")+")")
	}
	if len(conditions) > 0 {
		e.add(" WHERE " + strings.Join(conditions, " AND "))
	}
	e.add(") AS x")
	return e
}

// likePattern returns a text for LIKE ... ESCAPE '!' that stands for itself.
func likePattern(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// FailedWith returns the tenants whose last renewal failed with a reference.
func (s *Store) FailedWith(ctx context.Context, reference string) ([]string, error) {
	var ids []string
	err := s.db.Read(ctx, func(db *gorm.DB) error {
		ids = nil
		return db.Model(&scheduleRow{}).Where("failure LIKE ? ESCAPE '!'", `%"reference":"`+likePattern(reference)+`"%`).Order("tenant_id").Pluck("tenant_id", &ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("searching failures: %w", err)
	}
	return ids, nil
}
