package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

// sweepBatch is how many due subjects are read at once per worker.
const sweepBatch = 16

// maxOutbox bounds the unsent notices about one subject. The oldest are dropped.
const maxOutbox = 32

// Sweep processes all due subjects, each once. Any number of replicas may sweep at once. A failure to process one subject
// is logged and retried, not returned. While our clock is known to be wrong, Sweep does nothing: it would warn people of what
// is not so.
func (s *Service) Sweep(ctx context.Context) error {
	processed := map[Subject]bool{}
	if err := s.cfg.Store.ReviveQueue(ctx, s.cfg.Now()); err != nil {
		return err
	}
	for {
		if s.cfg.Skew(ctx).Wrong() {
			return nil
		}
		due, err := s.cfg.Store.DueAnnouncements(ctx, s.cfg.Now(), s.cfg.Workers*sweepBatch)
		if err != nil {
			return err
		}
		var workers errgroup.Group
		workers.SetLimit(s.cfg.Workers)
		fresh := 0
		for _, subject := range due {
			if processed[subject] || ctx.Err() != nil {
				continue
			}
			processed[subject] = true
			fresh++
			workers.Go(func() error {
				s.processSubject(ctx, subject)
				return nil
			})
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		if fresh == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// processSubject leases one subject, processes it and releases it.
func (s *Service) processSubject(ctx context.Context, subject Subject) {
	ctx = failure.WithReference(ctx, random.Reference())
	var a Announcement
	err := clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) (err error) {
		a, err = s.cfg.Store.LeaseAnnouncement(ctx, subject, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Lease))
		return err
	})
	if errors.Is(err, ErrLeased) {
		return // another replica was faster
	}
	var next time.Time
	if err == nil {
		next, err = s.process(ctx, &a)
	}
	if wrong, ok := errors.AsType[*wrongClockError](err); ok {
		next, err = wrong.reference, nil // it stays due
	}
	stopping, now := ctx.Err() != nil, s.cfg.Now()
	// The lease must be released even when the program stops.
	ctx = context.WithoutCancel(ctx)
	switch {
	case stopping: // another process continues at once
		err = s.cfg.Store.ReleaseAnnouncement(ctx, a, now)
	case err == nil:
		err = s.cfg.Store.ReleaseAnnouncement(ctx, a, next)
	case errors.Is(err, ErrLeased):
		return // the lease expired and another replica leased the subject, or the subject was deleted
	case errors.Is(err, tenant.ErrNotFound), failure.Is(err, failure.NotFound):
		err = s.cfg.Store.DropAnnouncement(ctx, a)
	default:
		err = errors.Join(err, s.cfg.Store.ReleaseAnnouncement(ctx, a, now.Add(s.cfg.Lease)))
	}
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "processing notices failed", "subject", subject.ID, "reference", failure.Reference(ctx), "err", err)
	}
}

// process pushes and sends the news about a subject and returns when it is due again; zero: at the next event.
func (s *Service) process(ctx context.Context, a *Announcement) (time.Time, error) {
	calls, cancel := context.WithTimeout(ctx, s.cfg.Lease*4/5)
	defer cancel()
	switch a.Subject.Kind {
	case OfInstance:
		return s.processInstance(calls, a)
	case OfRecipient:
		return s.processRecipient(calls, a)
	}
	return s.processTenant(calls, a)
}

func (s *Service) processTenant(ctx context.Context, a *Announcement) (time.Time, error) {
	t, err := s.cfg.Store.Tenant(ctx, a.Subject.ID)
	if err != nil {
		return time.Time{}, err
	}
	in, err := s.cfg.Store.Instance(ctx, t.InstanceKey)
	if err != nil {
		return time.Time{}, err
	}
	resolved := tenant.Resolved{Tenant: t, Instance: in}
	status, err := s.cfg.Statuses.Status(ctx, resolved)
	if err != nil {
		return time.Time{}, err
	}
	now, err := s.rightTime(ctx)
	if err != nil {
		return time.Time{}, err
	}
	ownCredential := in.Settings.TenantApplication && t.Application.ID != ""
	about := Notice{InstanceKey: in.Key, TenantID: t.ID, Name: cmp.Or(t.Name, t.ID), Marketplace: t.Marketplace, AccountID: t.AccountID, State: status.State}
	r := s.reach(t)
	known := a.State.Trouble != "" && a.State.HeldSince.IsZero()
	changes := append(a.State.disowned(a.DisownedAt), a.State.update(status, ownCredential, now)...)
	changes = a.State.escalate(changes, known, status, r, now)
	reminded, err := s.cfg.Store.RecentEvents(ctx, t.ID, []audit.Action{audit.TenantReminded}, now.Add(-reminderAge), maxOutbox)
	if err != nil {
		return time.Time{}, err
	}
	changes = append(changes, a.State.reminders(reminded, status)...)
	s.enqueue(&a.State, about, r, changes, now)
	if err := s.save(ctx, *a); err != nil {
		return time.Time{}, err
	}
	if err := s.push(ctx, a, in, t.ID, s.cfg.Properties(status)); err != nil {
		return time.Time{}, err
	}
	if err := s.deliver(ctx, a); err != nil {
		return time.Time{}, err
	}
	if err := s.warnOfRelationships(ctx, a, resolved, status, about); err != nil {
		return time.Time{}, err
	}
	return a.State.next(status, ownCredential, r.hold, now), nil
}

// A wrongClockError says that our clock was set since the sweep compared it. It has the time of the reference.
type wrongClockError struct{ reference time.Time }

func (*wrongClockError) Error() string { return "our clock is wrong" }

// rightTime returns the current time, or an error while our clock is known to be wrong.
func (s *Service) rightTime(ctx context.Context) (time.Time, error) {
	now := s.cfg.Now()
	if skew := s.cfg.Skew(ctx); skew.Wrong() {
		return time.Time{}, &wrongClockError{now.Add(skew.By)}
	}
	return now, nil
}

// processInstance checks the credentials that all tenants without their own application share, and what happened that the
// provider has to know.
func (s *Service) processInstance(ctx context.Context, a *Announcement) (time.Time, error) {
	in, err := s.cfg.Store.Instance(ctx, a.Subject.ID)
	if err == nil && !in.RemovedAt.IsZero() {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return time.Time{}, err
	}
	now, err := s.rightTime(ctx)
	if err != nil {
		return time.Time{}, err
	}
	credentials := in.Settings.Application.CredentialEnds()
	changes := a.State.credentials(credentials, now)
	happened, err := s.cfg.Store.InstanceEvents(ctx, in.Key, incidents(), now.Add(-incidentAge), maxOutbox)
	if err != nil {
		return time.Time{}, err
	}
	changes = append(changes, a.State.incidents(happened)...)
	s.enqueue(&a.State, Notice{InstanceKey: in.Key, Name: "instance " + in.Key}, reach{}, changes, now)
	if err := s.save(ctx, *a); err != nil {
		return time.Time{}, err
	}
	if err := s.deliver(ctx, a); err != nil {
		return time.Time{}, err
	}
	return a.State.earliest(credentialTimes(credentials), now), nil
}

// enqueue adds a notice of each change to the outbox, once for each channel whose audience gets it.
func (s *Service) enqueue(state *State, about Notice, r reach, changes []change, now time.Time) {
	for _, c := range changes {
		n := about
		n.ID, n.At, n.Kind, n.Reason, n.Ends, n.Days = random.ID(), now, c.kind, c.reason, c.ends, daysUntil(c.ends, now)
		n.Provider, n.Credential, n.Since, n.By = c.provider, c.credential, c.since, c.by
		for _, channel := range s.cfg.Channels {
			if r.gets(channel.Audience(), c) {
				state.Outbox = append(state.Outbox, Delivery{Channel: channel.Name(), Notice: n})
			}
		}
		s.cfg.Log.Info("notice", "tenant", n.TenantID, "instance", n.InstanceKey, "notice", n.ID, "kind", n.Kind, "state", n.State)
	}
	extra := max(len(state.Outbox)-maxOutbox, 0)
	for _, d := range state.Outbox[:extra] {
		s.cfg.Observe(d.Channel, givenUp)
		s.cfg.Log.Error("notice given up: too many wait for this channel", "tenant", d.Notice.TenantID, "notice", d.Notice.ID, "channel", d.Channel,
			"attempt", d.Retry.Attempts)
	}
	state.Outbox = slices.Delete(state.Outbox, 0, extra)
}

// push stores changed properties on the platform. A failure of the platform is retried, not returned.
func (s *Service) push(ctx context.Context, a *Announcement, in tenant.Instance, tenantID string, properties map[string]any) error {
	wanted, err := json.Marshal(properties)
	if err != nil {
		return fmt.Errorf("writing the properties of %s: %w", tenantID, err)
	}
	state := &a.State
	switch now := s.cfg.Now(); {
	case state.Pushed == string(wanted):
		state.Push = Retry{}
		return nil
	case state.Push.waits(pushRetry(), now):
		return nil
	}
	if err := s.cfg.Platform.PushTenant(ctx, in, tenantID, properties); err != nil {
		state.Push.Attempts++
		state.Push.NotBefore = s.cfg.Now().Add(wait(pushRetry(), state.Push.Attempts))
		s.cfg.Observe(Pushing, failed)
		s.cfg.Log.WarnContext(ctx, "pushing the status failed", "tenant", tenantID, "attempt", state.Push.Attempts,
			"reference", failure.Reference(ctx), "err", err)
	} else {
		state.Pushed, state.Push = string(wanted), Retry{}
		s.cfg.Observe(Pushing, sent)
	}
	return s.save(ctx, *a)
}

// deliver sends the due notices of the outbox, for each channel in their order. A failing channel does not delay the others.
// Each result is stored before the next notice is sent.
func (s *Service) deliver(ctx context.Context, a *Announcement) error {
	state := &a.State
	blocked := map[string]bool{} // channels in which an earlier notice waits
	for i := 0; i < len(state.Outbox); {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := &state.Outbox[i]
		channel, known := s.channel(d.Channel)
		if known && (blocked[d.Channel] || d.Retry.waits(sendRetry(), s.cfg.Now())) {
			blocked[d.Channel] = true
			i++
			continue
		}
		done := true // a channel that was removed from the configuration sends nothing
		if known {
			done = s.send(ctx, channel, d)
		}
		if done {
			state.Outbox = slices.Delete(state.Outbox, i, i+1)
		} else {
			blocked[d.Channel] = true
			i++
		}
		if err := s.save(ctx, *a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) channel(name string) (Channel, bool) {
	i := slices.IndexFunc(s.cfg.Channels, func(c Channel) bool { return c.Name() == name })
	if i < 0 {
		return nil, false
	}
	return s.cfg.Channels[i], true
}

// send attempts to deliver d once, and reports whether d was sent or is given up.
func (s *Service) send(ctx context.Context, c Channel, d *Delivery) (done bool) {
	log := s.cfg.Log.With("tenant", d.Notice.TenantID, "notice", d.Notice.ID, "channel", c.Name())
	m, isMailer := c.(Mailer)
	var err error
	if isMailer {
		err = s.queue(ctx, m, d.Notice)
	} else {
		err = c.Send(ctx, d.Notice)
	}
	if err == nil && isMailer {
		return true
	}
	if err == nil {
		s.cfg.Observe(c.Name(), sent)
		log.InfoContext(ctx, "notice sent", "kind", d.Notice.Kind)
		return true
	}
	d.Retry.Attempts++
	if errors.Is(err, ErrUndeliverable) || d.Retry.Attempts > len(sendRetry()) {
		s.cfg.Observe(c.Name(), givenUp)
		log.ErrorContext(ctx, "notice given up", "attempt", d.Retry.Attempts, "reference", failure.Reference(ctx), "err", err)
		return true
	}
	d.Retry.NotBefore = s.cfg.Now().Add(wait(sendRetry(), d.Retry.Attempts))
	s.cfg.Observe(c.Name(), failed)
	log.WarnContext(ctx, "sending a notice failed", "attempt", d.Retry.Attempts, "reference", failure.Reference(ctx), "err", err)
	return false
}

// wait returns how long to wait after a number of consecutive failures.
func wait(waits []time.Duration, failures int) time.Duration {
	return waits[min(failures, len(waits))-1]
}
