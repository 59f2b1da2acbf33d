package tenant_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

const moved = "https://controller-2.example.com:6308/"

func (h *harness) noteController(named string) tenant.Instance {
	h.Helper()
	in, err := h.NoteController(h.Context(), h.stored(key), named)
	h.must(err)
	return in
}

func TestNoteController_PinsTheFirstAddressOnly(t *testing.T) {
	h := newHarness(t)
	before := h.install(instance(key, rootID))
	for _, same := range []string{"", before.ControllerURI, strings.TrimSuffix(before.ControllerURI, "/"), "HTTPS://Controller.example.com:6308"} {
		if got := h.noteController(same); got.Version != before.Version {
			t.Errorf("NoteController(%q) wrote, want no write", same)
		}
	}
	got := h.noteController(moved)
	if got.ControllerURI != before.ControllerURI || got.NamedController != moved {
		t.Errorf("NoteController(%s) = controller %s, named %s; want %s and %s", moved, got.ControllerURI, got.NamedController, before.ControllerURI, moved)
	}
	h.checkSame("the stored instance", h.stored(key), got)
	if again := h.noteController(moved); again.Version != got.Version {
		t.Error("NoteController() with the same address wrote again, want no write")
	}
	h.checkActions("", audit.InstanceInstalled, audit.ControllerRefused)
	events, err := h.store.Events(t.Context(), "", time.Time{}, 1)
	h.must(err)
	if d := events[0].Details; d["controller"] != before.ControllerURI || d["named"] != moved {
		t.Errorf("the event has %v, want both addresses", d)
	}
}

// TestNoteController_FloodWritesOneEvent names a new address with every call.
func TestNoteController_FloodWritesOneEvent(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	for i := range 100 {
		h.noteController(fmt.Sprintf("https://controller-%d.example.com/", i))
	}
	h.checkActions("", audit.InstanceInstalled, audit.ControllerRefused)
	h.clock = h.clock.Add(time.Hour)
	h.noteController("https://controller-101.example.com/")
	h.checkActions("", audit.InstanceInstalled, audit.ControllerRefused, audit.ControllerRefused)
}

func TestNoteController_WithoutAnAddress(t *testing.T) {
	h := newHarness(t)
	in := instance(key, rootID)
	in.ControllerURI = ""
	h.install(in)
	if got := h.noteController(moved); got.ControllerURI != moved || h.stored(key).ControllerURI != moved {
		t.Errorf("NoteController() = %s, want %s pinned", got.ControllerURI, moved)
	}
	h.noteController("https://controller-3.example.com/")
	if got := h.stored(key); got.ControllerURI != moved {
		t.Errorf("the controller is %s, want %s", got.ControllerURI, moved)
	}
}

func TestNoteController_LeavesAnAlteredInstance(t *testing.T) {
	h := newHarness(t)
	in := h.install(instance(key, rootID))
	in.Altered = true
	if got, err := h.NoteController(t.Context(), in, moved); err != nil || got.NamedController != "" {
		t.Errorf("NoteController() = %+v, %v, want the instance as it is", got, err)
	}
	h.checkActions("", audit.InstanceInstalled)
}

func TestNoteController_ConcurrentReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		calls, ctx := errgroup.WithContext(t.Context())
		stored := h.stored(key)
		for range 8 {
			s := h.replica()
			calls.Go(func() error {
				_, err := s.NoteController(ctx, stored, moved)
				return err
			})
		}
		h.must(calls.Wait())
		if got := h.stored(key); got.NamedController != moved || got.ControllerURI != stored.ControllerURI {
			t.Errorf("after concurrent NoteController() = controller %s, named %s", got.ControllerURI, got.NamedController)
		}
		h.checkActions("", audit.InstanceInstalled, audit.ControllerRefused)
	})
}

func TestControllerOf_PrefersWhatIsConfigured(t *testing.T) {
	const pinned = "https://apsc.example.net:6308/base/"
	for name, tc := range map[string]struct {
		stored string
		listed []string
		want   string
	}{
		"pinned":                {pinned, nil, pinned},
		"listed":                {pinned, []string{"https://other.example.net", "https://APSC.example.net:6308"}, pinned},
		"default port":          {"https://apsc.example.net/", []string{"https://apsc.example.net:443"}, "https://apsc.example.net/"},
		"another port":          {pinned, []string{"https://apsc.example.net:6309"}, "https://apsc.example.net:6309"},
		"another scheme":        {"http://apsc.example.net:6308", []string{"https://apsc.example.net:6308"}, "https://apsc.example.net:6308"},
		"another host":          {pinned, []string{"https://10.0.0.5:6308"}, "https://10.0.0.5:6308"},
		"private":               {"https://10.0.0.5:6308/", nil, "https://10.0.0.5:6308/"},
		"IPv6":                  {"https://[fd00::5]:6308/", []string{"https://[fd00::5]:6308"}, "https://[fd00::5]:6308/"},
		"nothing":               {"", nil, ""},
		"nothing stored":        {"", []string{"https://apsc.example.net:6308"}, "https://apsc.example.net:6308"},
		"what is no address":    {"%zz", []string{"https://apsc.example.net:6308"}, "https://apsc.example.net:6308"},
		"a listed name as user": {"https://apsc.example.net:6308@evil.example.net/", []string{"https://apsc.example.net:6308"}, "https://apsc.example.net:6308"},
	} {
		if got := tenant.ControllerOf(tenant.Instance{ControllerURI: tc.stored}, tc.listed); got != tc.want {
			t.Errorf("%s: ControllerOf(%q, %q) = %q, want %q", name, tc.stored, tc.listed, got, tc.want)
		}
	}
}

func TestAcceptController_TakesOnlyTheNamedAddress(t *testing.T) {
	h := newHarness(t)
	before := h.install(instance(key, rootID))
	by := audit.Actor{Kind: audit.Operator, Name: "ada"}
	accept := func(key, address string) error {
		return tenant.AcceptController(t.Context(), h.store, h.clock, key, address, by)
	}
	for _, address := range []string{"", moved, before.ControllerURI} {
		if err := accept(key, address); !errors.Is(err, tenant.ErrNotNamed) {
			t.Errorf("AcceptController(%q) before a call named it = %v, want %v", address, err, tenant.ErrNotNamed)
		}
	}
	h.noteController(moved)
	if err := accept(key, "https://controller-3.example.com/"); !errors.Is(err, tenant.ErrNotNamed) {
		t.Errorf("AcceptController() of another address = %v, want %v", err, tenant.ErrNotNamed)
	}
	h.checkFailure("AcceptController() of an unknown instance", accept(otherKey, moved), failure.NotFound)
	h.must(accept(key, moved))
	if got := h.stored(key); got.ControllerURI != moved || got.NamedController != "" {
		t.Errorf("after AcceptController() = controller %s, named %s, want %s only", got.ControllerURI, got.NamedController, moved)
	}
	events, err := h.store.Events(t.Context(), "", time.Time{}, 1)
	h.must(err)
	if e := events[0]; e.Action != audit.InstanceMoved || e.Actor != by || e.Details["controller"] != moved || e.Details["before"] != before.ControllerURI {
		t.Errorf("the event = %+v, want one of %v with both addresses", e, by)
	}
}

func TestRecordRefusal_AppendsAnEvent(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	by := audit.Actor{Kind: audit.User, ID: "user-1"}
	h.must(h.RecordRefusal(t.Context(), key, "", "app unprovision", by))
	events, err := h.store.Events(t.Context(), "", time.Time{}, 1)
	h.must(err)
	if e := events[0]; e.Action != audit.CallRefused || e.Actor != by || e.Result != string(failure.Forbidden) || e.Details["operation"] != "app unprovision" {
		t.Errorf("the event = %+v, want the refusal", e)
	}
}
