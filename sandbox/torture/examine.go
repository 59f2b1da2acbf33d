package torture

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// soonest is the least time between two renewals of a tenant by the calendar, whatever the clocks of two replicas say.
const soonest = every - jitter - 10*time.Minute

// watch has the database itself write down, in the transaction of the change, every success of a schedule and every
// change of an active grant: what the events are compared with.
func (r *Rig) watch(ctx context.Context) error {
	statements := []string{
		"CREATE TABLE torture_changes (id BIGINT PRIMARY KEY AUTO_INCREMENT, tenant_id VARCHAR(64) NOT NULL, what VARCHAR(16) NOT NULL," +
			" old_at DATETIME(3), new_at DATETIME(3))",
		"CREATE TRIGGER torture_schedules AFTER UPDATE ON schedules FOR EACH ROW INSERT INTO torture_changes (tenant_id, what, old_at, new_at)" +
			" SELECT NEW.tenant_id, 'success', OLD.last_success_at, NEW.last_success_at FROM DUAL WHERE NOT (OLD.last_success_at <=> NEW.last_success_at)",
		"CREATE TRIGGER torture_grants AFTER UPDATE ON grants FOR EACH ROW INSERT INTO torture_changes (tenant_id, what, old_at, new_at)" +
			" SELECT NEW.tenant_id, 'grant', OLD.issued_at, NEW.issued_at FROM DUAL WHERE NEW.slot = 'active' AND NOT (OLD.issued_at <=> NEW.issued_at)",
	}
	if r.layout.sqlite {
		statements = []string{
			"CREATE TABLE torture_changes (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, what TEXT NOT NULL, old_at TEXT, new_at TEXT)",
			"CREATE TRIGGER torture_schedules AFTER UPDATE ON schedules WHEN OLD.last_success_at IS NOT NEW.last_success_at BEGIN" +
				" INSERT INTO torture_changes (tenant_id, what, old_at, new_at) VALUES (NEW.tenant_id, 'success', OLD.last_success_at, NEW.last_success_at); END",
			"CREATE TRIGGER torture_grants AFTER UPDATE ON grants WHEN NEW.slot = 'active' AND OLD.issued_at IS NOT NEW.issued_at BEGIN" +
				" INSERT INTO torture_changes (tenant_id, what, old_at, new_at) VALUES (NEW.tenant_id, 'grant', OLD.issued_at, NEW.issued_at); END",
		}
	}
	for _, statement := range statements {
		if _, err := r.raw.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("watching the tables: %w", err)
		}
	}
	return nil
}

// Examine stops all replicas and checks what must hold whatever happened: every stored grant is one that Microsoft
// accepts; every tenant was renewed once in every period, and never twice; each renewal has its event; no older value
// replaced a newer one; no secret is in a log, in a column, or in what a replica shows. It returns the number of renewals, and everything that
// does not hold, joined.
func (r *Rig) Examine(ctx context.Context) (renewals int, err error) {
	errs := []error{r.examineDoors(ctx), r.stopAll()}
	for _, tenantID := range r.tenants {
		n, err := r.examineTenant(ctx, tenantID)
		renewals += n
		if err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", tenantID, err))
		}
	}
	errs = append(errs, r.examineChanges(ctx), r.examineSecrets(ctx))
	return renewals, errors.Join(errs...)
}

func (r *Rig) examineTenant(ctx context.Context, tenantID string) (renewals int, err error) {
	var errs []error
	for _, slot := range []token.Slot{token.Active, token.Predecessor} {
		g, err := r.store.Grant(ctx, tenantID, slot)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		value := g.RefreshToken.Reveal()
		r.secrets = append(r.secrets, secretValue{"a stored refresh token", value})
		if !r.Microsoft.WouldAccept(value) {
			errs = append(errs, fmt.Errorf("its %s grant of %s is not accepted by Microsoft", slot, g.IssuedAt))
		}
	}
	events, err := r.store.Events(ctx, tenantID, time.Time{}, 10*r.periods+1000)
	if err != nil {
		return 0, errors.Join(append(errs, err)...)
	}
	var last time.Time // of the renewal after, as events come newest first
	for _, e := range events {
		if e.Action != audit.GrantRenewed {
			continue
		}
		renewals++
		if between := last.Sub(e.At); !last.IsZero() && between < soonest {
			errs = append(errs, fmt.Errorf("renewed twice in %s, at %s and %s", between, e.At, last))
		}
		last = e.At
	}
	if renewals != r.periods {
		errs = append(errs, fmt.Errorf("renewed %d times in %d periods", renewals, r.periods))
	}
	schedule, err := r.store.Schedule(ctx, tenantID)
	if err == nil && schedule.Failure != nil {
		err = fmt.Errorf("left with the failure %s", schedule.Failure.Code)
	}
	return renewals, errors.Join(append(errs, err)...)
}

// examineChanges compares what the database itself saw with the events.
func (r *Rig) examineChanges(ctx context.Context) error {
	var errs []error
	for _, check := range []struct{ query, found string }{
		{
			"SELECT COUNT(*) FROM torture_changes WHERE new_at < old_at",
			"an older time replaced a newer one",
		},
		{
			"SELECT COUNT(*) FROM (SELECT tenant_id, SUM(n) AS total FROM (" +
				"SELECT tenant_id, COUNT(*) AS n FROM torture_changes WHERE what = 'success' GROUP BY tenant_id UNION ALL " +
				"SELECT tenant_id, -COUNT(*) FROM events WHERE action = 'grant.renewed' GROUP BY tenant_id) AS both_counts GROUP BY tenant_id HAVING total <> 0) AS unequal",
			"the changes and the events of a tenant are not as many",
		},
		{
			"SELECT COUNT(*) FROM grants WHERE slot = 'active' AND issued_at < (SELECT MAX(new_at) FROM torture_changes WHERE what = 'grant' AND torture_changes.tenant_id = grants.tenant_id)",
			"the newest grant is not the stored one",
		},
	} {
		var n int
		if err := r.raw.QueryRowContext(ctx, check.query).Scan(&n); err != nil {
			errs = append(errs, fmt.Errorf("comparing changes: %w", err))
		} else if n > 0 {
			errs = append(errs, fmt.Errorf("%s, %d times", check.found, n))
		}
	}
	return errors.Join(errs...)
}

// looksSecret matches what tokens look like: Microsoft's refresh tokens, and JSON Web Tokens.
var looksSecret = regexp.MustCompile(`\b[01]\.A[A-Za-z0-9_-]{30,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`)

// keyMaterial matches the keys in a key file.
var keyMaterial = regexp.MustCompile(`"value":"([^"]+)"`)

// examineSecrets looks for secrets in the replicas' logs and in every column of the database.
func (r *Rig) examineSecrets(ctx context.Context) error {
	keys, err := os.ReadFile(r.file("keys"))
	if err != nil {
		return fmt.Errorf("reading the keys: %w", err)
	}
	found := keyMaterial.FindAllSubmatch(keys, -1)
	if len(found) < 2 {
		return errors.New("the keys are not found in their file: looking for them elsewhere proves nothing")
	}
	for _, key := range found {
		r.secrets = append(r.secrets, secretValue{"a key", string(key[1])})
	}
	s := newScanner(r.secrets)
	logs, err := filepath.Glob(r.file("replica-*.log"))
	if err != nil || len(logs) == 0 {
		return errors.Join(errors.New("there are no logs to look through"), err)
	}
	errs := make([]error, 0, len(logs)+1)
	for _, log := range logs {
		errs = append(errs, s.file(log))
	}
	errs = append(errs, r.scanTables(ctx, s))
	if s.seen == 0 {
		errs = append(errs, errors.New("nothing was looked through"))
	}
	return errors.Join(errs...)
}

// A scanner looks for known values and for what looks like a token.
type scanner struct {
	shape    *regexp.Regexp
	removing *strings.Replacer // removes every known value: faster than looking for thousands of them in turn
	seen     int
}

func newScanner(secrets []secretValue) *scanner {
	words := make([]string, 0, 4*len(secrets))
	for _, s := range secrets {
		words = append(words, s.value, "", url.QueryEscape(s.value), "")
	}
	return &scanner{shape: looksSecret, removing: strings.NewReplacer(words...)}
}

func (s *scanner) holds(text string) bool {
	s.seen += len(text)
	return s.shape.MatchString(text) || len(s.removing.Replace(text)) != len(text)
}

func (s *scanner) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("looking through a log: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if s.holds(line) {
			return fmt.Errorf("a secret is in %s, line %d", filepath.Base(name), n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking through a log: %w", err)
		}
	}
}

func (r *Rig) scanTables(ctx context.Context, s *scanner) error {
	list := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	if r.layout.sqlite {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	var tables []string
	err := r.rows(ctx, list, func(values []sql.RawBytes) error {
		tables = append(tables, string(values[0]))
		return nil
	})
	if err != nil {
		return err
	}
	for _, table := range tables {
		err := r.rows(ctx, "SELECT * FROM "+table, func(values []sql.RawBytes) error {
			for _, value := range values {
				if s.holds(string(value)) {
					return fmt.Errorf("a secret is in a row of %s", table)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rows calls see with every row of a query.
func (r *Rig) rows(ctx context.Context, query string, see func(values []sql.RawBytes) error) error {
	result, err := r.raw.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("looking through the database: %w", err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		return fmt.Errorf("looking through the database: %w", err)
	}
	values, places := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for result.Next() {
		if err := result.Scan(places...); err != nil {
			return fmt.Errorf("looking through the database: %w", err)
		}
		if err := see(values); err != nil {
			return err
		}
	}
	return result.Err()
}
