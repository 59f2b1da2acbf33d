package client_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/store"
)

// A countingStore counts how often keys are read.
type countingStore struct {
	*store.Store
	reads atomic.Int64
}

// ClientByKey implements client.Store.
func (c *countingStore) ClientByKey(ctx context.Context, hash string) (client.Client, client.Key, error) {
	c.reads.Add(1)
	return c.Store.ClientByKey(ctx, hash)
}

// TestAuthenticate_AfterARemoval removes keys and clients here and in another process, while both have just used them.
func TestAuthenticate_AfterARemoval(t *testing.T) {
	h := newHarness(t)
	other := h.service(h.store)
	for name, remove := range map[string]func(keyID string) error{
		"a key":    func(id string) error { return h.RemoveKey(t.Context(), "billing", id, operator) },
		"a client": func(string) error { return h.Remove(t.Context(), "billing", operator) },
	} {
		t.Run(name, func(t *testing.T) {
			key := h.add(billing())
			for _, s := range []*client.Service{h.Service, other} {
				if _, err := s.Authenticate(t.Context(), key); err != nil {
					t.Fatalf("Authenticate() = %v", err)
				}
			}
			listed, err := h.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := remove(listed[0].Keys[0].ID); err != nil {
				t.Fatal(err)
			}
			_, err = h.Authenticate(t.Context(), key)
			h.refused("Authenticate() where it was removed", err, failure.KeyUnknown)
			h.clock = h.clock.Add(recent.Life)
			_, err = other.Authenticate(t.Context(), key)
			h.refused("Authenticate() elsewhere a second later", err, failure.KeyUnknown)
			if name == "a key" {
				if err := h.Remove(t.Context(), "billing", operator); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestAuthenticate_ReadsAKeyOnceASecond also lets a client expire between two reads.
func TestAuthenticate_ReadsAKeyOnceASecond(t *testing.T) {
	h := newHarness(t)
	counting := &countingStore{Store: h.store}
	s := h.service(counting)
	c := billing()
	c.ExpiresAt = h.clock.Add(1500 * time.Millisecond)
	key := h.add(c)
	for _, step := range []struct {
		after time.Duration
		reads int64
		want  failure.Code
	}{
		{0, 1, ""},
		{recent.Life - time.Millisecond, 1, ""},
		{time.Millisecond, 2, ""},
		{recent.Life / 2, 2, failure.KeyExpired},
	} {
		h.clock = h.clock.Add(step.after)
		_, err := s.Authenticate(t.Context(), key)
		if step.want == "" && err != nil || step.want != "" && !failure.Is(err, step.want) {
			t.Errorf("Authenticate() %s later = %v, want %q", step.after, err, step.want)
		}
		if got := counting.reads.Load(); got != step.reads {
			t.Errorf("the key was read %d times, want %d", got, step.reads)
		}
	}
}
