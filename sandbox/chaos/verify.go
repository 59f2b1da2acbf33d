package chaos

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
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// soonest is the shortest time between two scheduled renewals of a tenant, including the skew between the clocks of two
// replicas.
const soonest = every - jitter - 10*time.Minute

// Verify stops all replicas and checks what must hold whatever happened: Microsoft accepts every stored grant; every
// tenant was renewed once in every period, and never twice; each change has its event; the audit trail has no hole; no older
// value replaced a newer one; no secret is in a log, in a column, or in a response. It returns the number of renewals, and all
// violations, joined.
func (d *Deployment) Verify(ctx context.Context) (renewals int, err error) {
	errs := []error{d.verifyEndpoints(ctx), d.stopAll(ctx)}
	for _, tenantID := range d.tenants {
		n, err := d.verifyTenant(ctx, tenantID)
		renewals += n
		if err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", tenantID, err))
		}
	}
	errs = append(errs, d.verifyTraffic(ctx), d.verifyChanges(ctx), d.verifyTrail(ctx), d.verifySecrets(ctx))
	return renewals, errors.Join(errs...)
}

func (d *Deployment) verifyTenant(ctx context.Context, tenantID string) (renewals int, err error) {
	var errs []error
	for _, slot := range []token.Slot{token.Active, token.Predecessor} {
		errs = append(errs, d.verifyGrant(ctx, tenantID, slot))
	}
	events, err := d.store.Events(ctx, tenantID, time.Time{}, 10*d.periods+1000)
	if err != nil {
		return 0, errors.Join(append(errs, err)...)
	}
	var last time.Time // of the next renewal, because events come newest first
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
	if renewals != d.periods {
		errs = append(errs, fmt.Errorf("renewed %d times in %d periods", renewals, d.periods))
	}
	schedule, err := d.store.Schedule(ctx, tenantID)
	if err == nil && schedule.Failure != nil {
		err = fmt.Errorf("left with the failure %s", schedule.Failure.Code)
	}
	return renewals, errors.Join(append(errs, err)...)
}

// issueTolerance is how far the stored time of issue may be from Microsoft's.
const issueTolerance = time.Hour

// verifyGrant checks that a stored grant opens, that Microsoft accepts it, and that its time of issue is Microsoft's: the days
// that are left are counted from it.
func (d *Deployment) verifyGrant(ctx context.Context, tenantID string, slot token.Slot) error {
	var g token.Grant
	err := answered(ctx, func(ctx context.Context) (err error) {
		g, err = d.store.Grant(ctx, tenantID, slot)
		return err
	})
	if err != nil {
		return err
	}
	if g.Unreadable {
		return fmt.Errorf("its %s grant cannot be opened", slot)
	}
	value := g.RefreshToken.Reveal()
	d.addSecret("a stored refresh token", value)
	if !d.Microsoft.WouldAccept(value) {
		return fmt.Errorf("its %s grant of %s is not accepted by Microsoft", slot, g.IssuedAt)
	}
	if at, _ := d.Microsoft.IssuedAt(value); at.Sub(g.IssuedAt).Abs() > issueTolerance {
		return fmt.Errorf("its %s grant counts as issued at %s, Microsoft issued it at %s", slot, g.IssuedAt, at)
	}
	return nil
}

// addSecret makes Verify search for one more value. It may be called again with a value.
func (d *Deployment) addSecret(what, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if added := (secretValue{what, value}); !slices.Contains(d.secrets, added) {
		d.secrets = append(d.secrets, added)
	}
}

// tokenShape matches Microsoft's refresh tokens, and JSON Web Tokens.
var tokenShape = regexp.MustCompile(`\b[01]\.A[A-Za-z0-9_-]{30,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`)

// keyMaterial matches the keys in a key file.
var keyMaterial = regexp.MustCompile(`"value":"([^"]+)"`)

// verifySecrets looks for secrets in the replicas' logs and in every column of the database.
func (d *Deployment) verifySecrets(ctx context.Context) error {
	keys, err := os.ReadFile(d.file("keys"))
	if err != nil {
		return fmt.Errorf("reading the keys: %w", err)
	}
	values := keyMaterial.FindAllSubmatch(keys, -1)
	if len(values) < 2 {
		return errors.New("the key file has no keys to look for")
	}
	for _, key := range values {
		d.secrets = append(d.secrets, secretValue{"a key", string(key[1])})
	}
	s := newScanner(d.secrets)
	logs, err := filepath.Glob(d.file("replica-*.log"))
	if err != nil || len(logs) == 0 {
		return errors.Join(errors.New("found no logs to search"), err)
	}
	errs := make([]error, 0, len(logs)+1)
	for _, log := range logs {
		errs = append(errs, s.file(log))
	}
	errs = append(errs, d.scanTables(ctx, s))
	if s.searched == 0 {
		errs = append(errs, errors.New("nothing was searched"))
	}
	return errors.Join(errs...)
}

// A scanner searches texts for known values and for values with the shape of a token.
type scanner struct {
	shape    *regexp.Regexp
	remover  *strings.Replacer // removes every known value: faster than searching for thousands of them in turn
	searched int
}

func newScanner(secrets []secretValue) *scanner {
	words := make([]string, 0, 4*len(secrets))
	for _, s := range secrets {
		words = append(words, s.value, "", url.QueryEscape(s.value), "")
	}
	return &scanner{shape: tokenShape, remover: strings.NewReplacer(words...)}
}

func (s *scanner) holds(text string) bool {
	s.searched += len(text)
	return s.shape.MatchString(text) || len(s.remover.Replace(text)) != len(text)
}

func (s *scanner) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("searching a log: %w", err)
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
			return fmt.Errorf("searching a log: %w", err)
		}
	}
}

func (d *Deployment) scanTables(ctx context.Context, s *scanner) error {
	list := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	if d.spec.sqlite {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	var tables []string
	err := d.rows(ctx, list, func(values []sql.RawBytes) error {
		tables = append(tables, string(values[0]))
		return nil
	})
	if err != nil {
		return err
	}
	for _, table := range tables {
		err := d.rows(ctx, "SELECT * FROM "+table, func(values []sql.RawBytes) error {
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

// rows calls visit with every row of a query.
func (d *Deployment) rows(ctx context.Context, query string, visit func(values []sql.RawBytes) error) error {
	result, err := d.db().QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("searching the database: %w", err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		return fmt.Errorf("searching the database: %w", err)
	}
	values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for result.Next() {
		if err := result.Scan(targets...); err != nil {
			return fmt.Errorf("searching the database: %w", err)
		}
		if err := visit(values); err != nil {
			return err
		}
	}
	return result.Err()
}
