package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/world"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const sizingGuide = "guides/sizing.md"

// documented returns the bytes in a row of the guide.
func documented(t *testing.T, what string) (bytes []float64) {
	t.Helper()
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(what) + ` \|(.*)\|$`).FindStringSubmatch(read(t, sizingGuide))
	if row == nil {
		t.Fatalf("%s has no row of %s", sizingGuide, what)
	}
	for cell := range strings.SplitSeq(row[1], "|") {
		n, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(cell), " bytes"), ",", ""), 64)
		if err != nil {
			t.Fatalf("%s says %q of %s, want a number of bytes", sizingGuide, cell, what)
		}
		bytes = append(bytes, n)
	}
	return bytes
}

// compare fails when a figure of the guide is more than a quarter off.
func compare(t *testing.T, what string, measured, figure float64) {
	t.Helper()
	t.Logf("%s takes %.0f bytes", what, measured)
	if math.Abs(measured-figure) > measured/4 {
		t.Errorf("%s takes %.0f bytes; %s says %.0f", what, measured, sizingGuide, figure)
	}
}

// TestSizing_DatabaseGrowsAsTheGuideSays fills a database and sees how it grows.
func TestSizing_DatabaseGrowsAsTheGuideSays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		g := &growing{T: t, db: db, store: db.Open(t), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
		g.add("a tenant with its refresh token and the one before it", 1000, g.tenant)
		g.add("an event", 8000, func(ctx context.Context, n int) error {
			if n%2 == 0 {
				return g.event(ctx, n, audit.Event{Action: audit.GrantRenewed, Actor: audit.Actor{Kind: audit.Scheduler}})
			}
			return g.event(ctx, n, audit.Event{
				Action: audit.TokenLent, Actor: audit.Actor{Kind: audit.Client, Name: "billing"},
				Details: map[string]string{"api": "graph", "directory": random.ID(), "client": "192.0.2.10"},
			})
		})
	})
}

// A growing is a database that is filled.
type growing struct {
	*testing.T
	db    *storetest.Database
	store *store.Store
	now   time.Time
	ids   []string // of the tenants
}

// add adds n of something in transactions of 500, and compares how much larger the database is with the guide.
func (g *growing) add(what string, n int, one func(ctx context.Context, n int) error) {
	g.Helper()
	before := g.size()
	for first := 0; first < n; first += 500 {
		err := g.store.Transact(g.Context(), func(ctx context.Context) error {
			for i := first; i < min(first+500, n); i++ {
				if err := one(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			g.Fatal(err)
		}
	}
	if _, err := g.store.WriteCheckpoints(g.Context(), g.now.AddDate(1, 0, 0), func(store.Checkpoint) {}); err != nil {
		g.Fatal(err)
	}
	figures := documented(g.T, what)
	figure := figures[0]
	if g.db.Driver == sqldb.MySQL {
		figure = figures[1]
	}
	compare(g.T, what, float64(g.size()-before)/float64(n), figure)
}

// size returns how much the tables and their indexes take.
func (g *growing) size() (bytes int64) {
	g.Helper()
	raw := g.db.Raw(g.T)
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if g.db.Driver == sqldb.MySQL {
		for _, table := range []string{"tenants", "grants", "schedules", "events", "checkpoints", "announcements"} {
			if _, err := raw.ExecContext(g.Context(), "ANALYZE TABLE "+table); err != nil {
				g.Fatal(err)
			}
		}
		query = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
	}
	if err := raw.QueryRowContext(g.Context(), query).Scan(&bytes); err != nil {
		g.Fatal(err)
	}
	return bytes
}

// tenant adds a tenant as it is after some renewals.
func (g *growing) tenant(ctx context.Context, n int) error {
	directory := random.ID()
	t := tenant.Tenant{
		ID: random.ID(), InstanceKey: "key-1", AccountID: random.ID(), SubscriptionID: random.ID(), Name: fmt.Sprintf("Reseller %d", n), Marketplace: "Larkfield Cloud Marketplace",
		Directory: fmt.Sprintf("reseller%d.onmicrosoft.com", n), DirectoryID: directory, ProvenDirectoryID: directory, CreatedAt: g.now, UpdatedAt: g.now,
	}
	g.ids = append(g.ids, t.ID)
	grant := func(issued time.Time) token.Grant {
		works := token.Probe{Works: token.Yes, At: issued, MFA: token.Unknown}
		return token.Grant{
			TenantID: t.ID, Slot: token.Active, RefreshToken: secret.New(strings.Repeat(random.Token(), 40)[:1400]), IssuedAt: issued,
			InstanceKey: t.InstanceKey, AccountID: t.AccountID, DirectoryID: directory, ApplicationID: random.ID(), Procedure: token.Automatic,
			ConsentID: random.ID(), ConsentedAt: issued, AskedBy: "Rita Reseller",
			ConsentedBy: token.Person{ObjectID: random.ID(), Username: "admin@" + t.Directory, Name: "Ada Admin"},
			Scopes:      []string{"https://api.partnercenter.microsoft.com/user_impersonation", "https://graph.microsoft.com/Directory.Read.All", "offline_access"},
			Checks: token.Checks{MFA: token.Yes, GlobalAdmin: token.Yes, AdminAgent: token.Yes, APIs: map[token.API]token.Probe{
				token.PartnerCenter: works, token.Graph: works, token.ARM: works,
			}},
		}
	}
	active := grant(g.now)
	if err := g.store.SaveTenant(ctx, &t); err != nil {
		return err
	}
	if err := g.store.SaveGrant(ctx, &active); err != nil {
		return err
	}
	if err := g.store.SavePredecessor(ctx, grant(g.now.AddDate(0, 0, -10))); err != nil {
		return err
	}
	return g.store.SaveSchedule(ctx, &token.Schedule{TenantID: t.ID, DueAt: g.now.AddDate(0, 0, 10), LastAt: g.now, LastSuccessAt: g.now})
}

// event adds an event of one tenant after the other.
func (g *growing) event(ctx context.Context, n int, e audit.Event) error {
	e.InstanceKey, e.TenantID = "azure-partner-connector", g.ids[n%len(g.ids)]
	e = audit.Completed(ctx, g.now.Add(time.Duration(n)*time.Second), e)
	e.Reference = random.Reference()
	return g.store.AppendEvent(ctx, e)
}

// TestSizing_LogGrowsAsTheGuideSays has a connector answer hooks and renew a token, and measures what it logs.
func TestSizing_LogGrowsAsTheGuideSays(t *testing.T) {
	log := &lines{}
	w, err := world.Start(t.Context(), world.Config{Log: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}()
	if err := w.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := consent(t.Context(), w, w.TenantOf(world.Rita).ID); err != nil {
		t.Fatal(err)
	}
	w.Advance(11 * 24 * time.Hour)
	for what, message := range map[string]string{"an answered hook": "hook answered", "a renewal": "renewal succeeded"} {
		compare(t, what, log.average(t, message), documented(t, what)[0])
	}
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex // guards all
	all [][]byte
}

// Write implements io.Writer. A handler writes one line at once.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, bytes.Clone(line))
	return len(line), nil
}

// average waits for records with a message, and returns how long they are on average.
func (l *lines) average(t *testing.T, message string) float64 {
	t.Helper()
	for {
		sum, n := 0, 0
		l.mu.Lock()
		for _, line := range l.all {
			var record struct{ Msg string }
			if err := json.Unmarshal(line, &record); err != nil {
				t.Fatal(err)
			}
			if record.Msg == message {
				sum, n = sum+len(line), n+1
			}
		}
		l.mu.Unlock()
		if n > 0 {
			return float64(sum) / float64(n)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("the log has no record %q", message)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
