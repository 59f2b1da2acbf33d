package consent_test

import (
	"context"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/store"
)

// A suspendingStore calls resume while it first compares stored times with the current one: the process, or the server, was
// suspended.
type suspendingStore struct {
	*store.Store
	resume func()
}

// EndMisdated implements consent.Store.
func (s *suspendingStore) EndMisdated(ctx context.Context, latest consent.Latest) error {
	err := s.Store.EndMisdated(ctx, latest)
	if s.resume != nil {
		s.resume()
		s.resume = nil
	}
	return err
}

func TestPurge_ResumedAfterAConsentBegan(t *testing.T) {
	h := newHarness(t)
	suspended := h.on(&suspendingStore{Store: h.store, resume: func() { h.advance(day) }})
	begun := h.begin()
	h.advance(-day) // the suspended process compares the time of a day ago
	h.must(suspended.Purge(t.Context()))
	_, err := h.complete(h.open(begun), "code-1")
	h.must(err)
	h.checkGrants("code-1", false)
}
