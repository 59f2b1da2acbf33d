package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
)

// ErrNotNamed is returned for an address that no call has named.
var ErrNotNamed = errors.New("no call has named this address last")

// ControllerOf returns the address of the controller of in: the pinned one, unless the operator lists origins and its origin
// is none of these; then the first of the list. It is empty when there is neither.
func ControllerOf(in Instance, listed []string) string {
	if len(listed) == 0 || isListed(in.ControllerURI, listed) {
		return in.ControllerURI
	}
	return listed[0]
}

func isListed(address string, listed []string) bool {
	origin := originOf(address)
	return origin != "" && slices.ContainsFunc(listed, func(l string) bool { return originOf(l) == origin })
}

// originOf returns scheme, host and port of an address in one form, or "" for what is no address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// sameController reports whether two addresses differ in form only.
func sameController(a, b string) bool {
	if a == b {
		return true
	}
	first, err := url.Parse(a)
	second, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && originOf(a) == originOf(b) && strings.TrimRight(first.Path, "/") == strings.TrimRight(second.Path, "/")
}

// namedEvery is how often one process records that calls name another controller: whoever changes headers must not fill the
// audit trail.
const namedEvery = time.Hour

// NoteController takes the address of the controller that a call names, which nothing signs. It never replaces the one in
// use: another address is recorded, with an event and a warning, and the operator decides (AcceptController). Only an
// instance without an address gets the named one. The returned instance is the one to serve the call with.
func (s *Service) NoteController(ctx context.Context, in Instance, named string) (Instance, error) {
	listed := s.cfg.Controllers(in.Key)
	current := ControllerOf(in, listed)
	if named == "" || len(named) > length.Address || in.Altered || current != "" && sameController(current, named) || isListed(named, listed) {
		return in, nil
	}
	if current == "" {
		return s.saveController(ctx, in, named)
	}
	if in.NamedController == named || !s.mayNote(in.Key) {
		return in, nil
	}
	s.cfg.Log.WarnContext(ctx, "a call names another controller of the platform; it is not used. If the platform moved there, run connector instances accept-controller; otherwise somebody changes headers between the platform and the connector",
		"instance", in.Key, "controller", current, "named", named)
	changed := in
	changed.NamedController, changed.UpdatedAt = named, s.cfg.Now()
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SaveInstance(ctx, &changed); err != nil {
			return err
		}
		return s.append(ctx, audit.Event{
			InstanceKey: in.Key, Action: audit.ControllerRefused, Actor: audit.Actor{Kind: audit.Platform, Name: "platform"},
			Details: map[string]string{"controller": current, "named": named},
		})
	})
	if errors.Is(err, ErrChanged) { // another replica recorded something; the call is served either way
		return in, nil
	}
	if err != nil {
		return Instance{}, fmt.Errorf("saving instance %s: %w", in.Key, err)
	}
	return changed, nil
}

// mayNote reports whether this process has recorded nothing about the instance for a while.
func (s *Service) mayNote(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.noted[key]; ok && s.cfg.Now().Sub(last).Abs() < namedEvery {
		return false
	}
	s.noted[key] = s.cfg.Now()
	return true
}

func (s *Service) saveController(ctx context.Context, in Instance, address string) (Instance, error) {
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		return pin(ctx, s.cfg.Store, s.cfg.Now(), &in, address, audit.Actor{Kind: audit.Platform, Name: "platform"})
	})
	if err != nil && !errors.Is(err, ErrChanged) { // another replica stored one
		return Instance{}, fmt.Errorf("saving instance %s: %w", in.Key, err)
	}
	return in, nil
}

// AcceptController makes the address that calls named last the controller of an instance. It returns the failure not_found
// for an unknown instance and ErrNotNamed unless address is the one that is stored as named.
func AcceptController(ctx context.Context, st Store, now time.Time, key, address string, by audit.Actor) error {
	err := st.Transact(ctx, func(ctx context.Context) error {
		in, err := st.Instance(ctx, key)
		if errors.Is(err, ErrNotFound) || err == nil && !in.RemovedAt.IsZero() {
			return failure.New(failure.NotFound)
		}
		if err != nil {
			return err
		}
		if address == "" || in.NamedController != address {
			return ErrNotNamed
		}
		return pin(ctx, st, now, &in, address, by)
	})
	if err != nil {
		return fmt.Errorf("accepting a controller of instance %s: %w", key, err)
	}
	return nil
}

// pin stores address as the controller of in, with its event.
func pin(ctx context.Context, st Store, now time.Time, in *Instance, address string, by audit.Actor) error {
	details := map[string]string{"controller": address}
	if in.ControllerURI != "" {
		details["before"] = in.ControllerURI
	}
	in.ControllerURI, in.NamedController, in.UpdatedAt = address, "", now
	if err := st.SaveInstance(ctx, in); err != nil {
		return err
	}
	return audit.Append(ctx, st, now, audit.Event{InstanceKey: in.Key, Action: audit.InstanceMoved, Actor: by, Details: details})
}
