package binding_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const key = "binding-test"

// An installation is an instance that is installed on a simulated platform and stored.
type installation struct {
	t        *testing.T
	clock    *clock.Clock
	platform *platform.Platform
	store    *store.Store
	instance tenant.Instance
	down     atomic.Bool  // the platform does not answer
	calls    atomic.Int64 // calls that reached the platform
	service  *binding.Service
	disabled bool // replica turns off task and subscription
}

func newInstallation(t *testing.T, db *storetest.Database) *installation {
	s := &installation{t: t, clock: &clock.Clock{}, store: db.Open(t)}
	var err error
	if s.platform, err = platform.Start(platform.Config{Now: s.clock.Now, Development: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.platform.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		t.Fatal(err)
	}
	archive, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.platform.Import(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	s.install()
	s.service = s.replica()
	return s
}

func (s *installation) tenants() *tenant.Service {
	s.t.Helper()
	tenants, err := tenant.New(tenant.Config{Store: s.store, Directories: noDirectories{}, Clouds: []string{"global"}, Now: s.clock.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	return tenants
}

// noDirectories resolves no directory.
type noDirectories struct{}

func (noDirectories) ResolveDirectory(context.Context, string, string) (string, error) {
	return "", nil
}

// install creates a new instance on the platform and stores it.
func (s *installation) install() {
	s.t.Helper()
	connector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	s.t.Cleanup(connector.Close)
	made, err := s.platform.CreateInstance(s.t.Context(), connector.URL, key, secret.New("a-shared-secret"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.instance.Key, s.instance.ID, s.instance.RootID = key, made.ID, made.RootID
	s.instance.ControllerURI, s.instance.PackageVersion = s.platform.ControllerURI(), "1-1"
	s.instance.RemovedAt = time.Time{}
	if err := s.store.SaveInstance(s.t.Context(), &s.instance); err != nil {
		s.t.Fatal(err)
	}
}

// RoundTrip implements http.RoundTripper for the calls of all replicas to the platform.
func (s *installation) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.down.Load() {
		return nil, io.ErrUnexpectedEOF
	}
	s.calls.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

// replica returns the service of another process on the same database.
func (s *installation) replica() *binding.Service {
	s.t.Helper()
	client, err := httpclient.New(httpclient.Config{Timeout: time.Minute, Transport: s})
	if err != nil {
		s.t.Fatal(err)
	}
	calls, err := controller.New(controller.Config{
		HTTP: client, Now: s.clock.Now,
		Secrets: func(string) ([]secret.Text, bool) { return []secret.Text{secret.New("a-shared-secret")}, true },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	service, err := binding.New(binding.Config{
		Store: s.store, Controller: calls, Tenants: s.tenants(), PeriodicTask: !s.disabled, AccountEvents: !s.disabled, Keys: []string{"nobody", key}, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return service
}

func (s *installation) sweep() {
	s.t.Helper()
	if err := s.service.Sweep(s.t.Context()); err != nil {
		s.t.Errorf("Sweep() = %v", err)
	}
}

// task asserts that the platform has one task whose ID the root resource and the store have, and returns the ID.
func (s *installation) task() string {
	s.t.Helper()
	tasks := s.platform.Tasks()
	if len(tasks) != 1 || tasks[0].ResourceID != s.instance.RootID || tasks[0].Path != "/renewTokens" {
		s.t.Fatalf("Tasks() = %+v, want one for the root %s", tasks, s.instance.RootID)
	}
	if root, _ := s.platform.Resource(s.instance.RootID); root["renewalTask"] != tasks[0].ID {
		s.t.Errorf("the root has the task %v, want %s", root["renewalTask"], tasks[0].ID)
	}
	if got, err := s.service.RenewalTask(s.t.Context(), s.instance); err != nil || got != tasks[0].ID {
		s.t.Errorf("RenewalTask() = %q, %v, want %s", got, err, tasks[0].ID)
	}
	return tasks[0].ID
}

func TestSweep_CreatesTaskAndSubscriptionOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := newInstallation(t, db)
		s.sweep()
		first := s.task()
		calls := s.calls.Load()
		s.sweep()
		s.service = s.replica()
		s.sweep()
		if got := s.task(); got != first || s.calls.Load() != calls {
			t.Errorf("more sweeps made %d calls and the task %s, want none and %s", s.calls.Load()-calls, got, first)
		}
		due, err := s.store.DueAnnouncements(t.Context(), s.clock.Now(), 10) // every event of an instance makes it due
		if err != nil || len(due) != 1 {
			t.Errorf("DueAnnouncements() after the binding = %v, %v, want the instance", due, err)
		}

		account, err := s.platform.AddAccount(platform.Account{Name: "North"})
		if err != nil {
			t.Fatal(err)
		}
		if watched, err := s.service.SubscribeAccount(t.Context(), s.instance, account.ID); err != nil || !watched {
			t.Errorf("SubscribeAccount() = %t, %v, want true", watched, err)
		}
		if err := s.platform.RenameAccount(account.ID, "North Group"); err != nil {
			t.Fatal(err)
		}
		if made := s.platform.DeliverEvents(t.Context()); made != 1 {
			t.Errorf("DeliverEvents() = %d, want 1 for the account", made)
		}
	})
}

// TestSweep_ReplicasCreateOneTask asserts that replicas that sweep at the same time create one task together.
func TestSweep_ReplicasCreateOneTask(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := newInstallation(t, db)
		ended := make(chan error)
		const replicas = 4
		for range replicas {
			service := s.replica()
			go func() { ended <- service.Sweep(context.WithoutCancel(t.Context())) }()
		}
		for range replicas {
			if err := <-ended; err != nil {
				t.Errorf("Sweep() = %v", err)
			}
		}
		s.clock.Advance(time.Hour) // the slower ones retry
		s.sweep()
		if tasks := s.platform.Tasks(); len(tasks) != 1 {
			t.Fatalf("Tasks() = %+v, want one", tasks)
		}
		if got, err := s.service.RenewalTask(t.Context(), s.instance); err != nil || got != s.platform.Tasks()[0].ID {
			t.Errorf("RenewalTask() = %q, %v, want the one that the platform has", got, err)
		}
	})
}

func TestSweep_BacksOffAfterFailure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := newInstallation(t, db)
		s.down.Store(true)
		s.sweep()
		s.down.Store(false)
		s.sweep()
		if got := s.calls.Load(); got != 0 {
			t.Errorf("the platform was called %d times right after a failure, want none", got)
		}
		s.clock.Advance(time.Minute)
		s.sweep()
		s.task()
	})
}

func TestUnsubscribe_CancelsTask(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := newInstallation(t, db)
		if err := s.service.Unsubscribe(t.Context(), s.instance); err != nil {
			t.Errorf("Unsubscribe() without a task = %v", err)
		}
		s.sweep()
		first := s.task()
		for range 2 {
			if err := s.service.Unsubscribe(t.Context(), s.instance); err != nil {
				t.Errorf("Unsubscribe() = %v", err)
			}
		}
		if tasks := s.platform.Tasks(); len(tasks) != 0 {
			t.Errorf("Tasks() after Unsubscribe() = %+v, want none", tasks)
		}
		s.instance.RemovedAt = s.clock.Now()
		if err := s.store.SaveInstance(t.Context(), &s.instance); err != nil {
			t.Fatal(err)
		}
		calls := s.calls.Load()
		s.sweep()
		if got := s.calls.Load(); got != calls {
			t.Errorf("Sweep() made %d calls for a removed instance, want none", got-calls)
		}
		// The same key with a new root: the old root's binding is obsolete.
		if err := s.platform.DeleteInstance(t.Context(), s.instance.ID); err != nil {
			t.Fatal(err)
		}
		s.install()
		s.sweep()
		if got := s.task(); got == first {
			t.Errorf("the new instance has the task %s of the old one, want another", got)
		}
	})
}

func TestSweep_CreatesNothingWhenDisabled(t *testing.T) {
	s := newInstallation(t, storetest.SQLite(t))
	s.disabled = true
	s.service = s.replica()
	s.sweep()
	if watched, err := s.service.SubscribeAccount(t.Context(), s.instance, "not read"); err != nil || watched || s.calls.Load() != 0 {
		t.Errorf("SubscribeAccount() = %t, %v after %d calls, want false after none", watched, err, s.calls.Load())
	}
}

func TestNew_RefusesEmptyConfig(t *testing.T) {
	if _, err := binding.New(binding.Config{}); err == nil {
		t.Error("New() without a store = nil, want an error")
	}
}
