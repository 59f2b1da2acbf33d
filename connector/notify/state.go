package notify

import (
	"cmp"
	"slices"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const day = 24 * time.Hour

// alarmDelay is how long a renewal may fail for transient reasons before people are notified: it is retried in the meantime,
// and a token has weeks left.
const alarmDelay = day

// claimDelay is how long a consent waits for its claim code before people are notified: usually somebody enters it soon.
const claimDelay = time.Hour

// expiryDays and credentialDays return how many days before the end of a token or credential people are warned, in descending
// order (docs/reference/microsoft-identity.md §6.3).
func expiryDays() []int     { return []int{30, 14, 7, 3, 1} }
func credentialDays() []int { return []int{60, 30, 14, 7, 1} }

// A State is what was last pushed to the platform and sent to people about a subject, and what is still to be sent. It is
// stored as JSON.
type State struct {
	// Pushed are the properties that were last pushed to the platform, as JSON; empty before the first push.
	Pushed string `json:"pushed,omitempty"`
	// Push counts the consecutive failed pushes.
	Push Retry `json:"push,omitzero"`

	// Trouble is the problem that people were notified of and that continues: a failure code, or the state renewal_failing.
	// Empty when there is none.
	Trouble string `json:"trouble,omitempty"`
	// FailingSince is when renewals were first seen to fail for transient reasons; zero while they do not.
	FailingSince time.Time `json:"failingSince,omitzero"`

	// HeldSince is since when the reseller alone knows of Trouble; zero once the provider was notified.
	HeldSince time.Time `json:"heldSince,omitzero"`

	// Disowned is when the consent was taken back of which the provider was last notified.
	Disowned time.Time `json:"disowned,omitzero"`

	Expiry Countdown `json:"expiry,omitzero"` // of the token
	// Credentials are those of the credentials of the application, by their names. Credential is what programs before them kept:
	// that of the last one.
	Credentials map[string]Countdown `json:"credentials,omitempty"`
	Credential  Countdown            `json:"credential,omitzero"`

	// Relationships are the last warnings before relationships with customers end, by the customer's directory. RelationshipsAt is
	// when the relationships are read next; zero: at once.
	Relationships   map[string]relationshipWarning `json:"relationships,omitempty"`
	RelationshipsAt time.Time                      `json:"relationshipsAt,omitzero"`

	// Waiting are the consents that wait and that people were notified of.
	Waiting []string `json:"waiting,omitempty"`
	// Incidents are the IDs of the events among the last ones that people were notified of.
	Incidents []string `json:"incidents,omitempty"`
	// Reminders are the IDs of the last events of the provider's reminders that the reseller was notified of.
	Reminders []string `json:"reminders,omitempty"`

	Outbox []Delivery `json:"outbox,omitempty"` // oldest first

	// Sent is when messages were sent to a recipient in the last hour, in order, and Send counts the consecutive failures.
	Sent []time.Time `json:"sent,omitempty"`
	Send Retry       `json:"send,omitzero"`
}

// A Delivery is one notice that one channel still has to send.
type Delivery struct {
	Channel string `json:"channel"`
	Notice  Notice `json:"notice"`
	Retry   Retry  `json:"retry,omitzero"`
}

// A Retry is the number of consecutive failed attempts, and the earliest time of the next attempt.
type Retry struct {
	Attempts  int       `json:"attempts"`
	NotBefore time.Time `json:"notBefore"`
}

// waits reports whether the next attempt is later than now. One that is later than any of waits allows was scheduled by a clock
// that was wrong.
func (r Retry) waits(waits []time.Duration, now time.Time) bool {
	return now.Before(r.NotBefore) && !r.NotBefore.After(now.Add(slices.Max(waits)+clock.WrongFrom))
}

// A Countdown is the last warning that was sent before a token or credential ends.
type Countdown struct {
	Ends     time.Time `json:"ends,omitzero"`
	Notified int       `json:"told,omitempty"` // days before the end; 0: no warning yet
}

// advance reports whether a warning is due, and records it as sent. Several due warnings count as one. An end that changed
// starts a new countdown.
func (c *Countdown) advance(ends time.Time, warnings []int, now time.Time) bool {
	if !c.Ends.Equal(ends) {
		*c = Countdown{Ends: ends}
	}
	if ends.IsZero() || !now.Before(ends) {
		return false
	}
	last := 0
	for _, days := range warnings {
		if ends.Sub(now) <= time.Duration(days)*day {
			last = days
		}
	}
	if last == 0 || c.Notified != 0 && c.Notified <= last {
		return false
	}
	c.Notified = last
	return true
}

// A change is something that people must be notified of.
type change struct {
	kind   Kind
	reason *failure.Record
	ends   time.Time
	// credential is the name of the credential that ends.
	credential string
	provider   bool // for the provider instead of the tenant's account
	// held keeps the change from the provider, because the reseller is notified first.
	held bool
	// since is when the reseller was notified, if the provider is notified of the same problem now.
	since time.Time
	// by is who asked for a reminder.
	by string
}

// update records the status of a tenant and returns what people must be notified of. ownCredential means that the tenant has
// its own application; warnings about the credentials of a shared application are sent for the instance.
func (s *State) update(status token.Status, ownCredential bool, now time.Time) []change {
	var changes []change
	alarm, alarmed := s.alarm(status, now)
	if alarmed {
		changes = append(changes, alarm)
	}
	// An alarm includes how much time is left, so it counts as the warning.
	if s.Expiry.advance(status.ExpiresAt, expiryDays(), now) && !alarmed {
		changes = append(changes, change{kind: ExpiryWarning, reason: status.Failure, ends: status.ExpiresAt})
		if s.Trouble == "" {
			s.Trouble = string(failure.GrantExpiring)
		}
	}
	if s.Trouble != "" && !alarmed {
		switch {
		case status.State == token.StateActive:
			s.Trouble = ""
			changes = append(changes, change{kind: Recovery, ends: status.ExpiresAt})
		case status.IssuedAt.IsZero(): // the token was deleted
			s.Trouble = ""
		}
	}
	var credentials []tenant.CredentialEnd
	if ownCredential {
		credentials = status.Credentials
	}
	changes = append(changes, s.waiting(status, now)...)
	return append(changes, s.credentials(credentials, now)...)
}

// disowned returns an alarm for the provider if a consent was taken back since the last one. The tenant's account may be the one
// that asked for the consent, and whatever it did since does not hide it.
func (s *State) disowned(at time.Time) []change {
	if at.IsZero() || at.Equal(s.Disowned) {
		return nil
	}
	s.Disowned = at
	return []change{{kind: Alarm, reason: &failure.Record{Code: failure.ConsentDisowned}, provider: true}}
}

// waiting returns a notice of each consent that waits and that people do not know of: at once of one by another person than
// before, which may be a surprise.
func (s *State) waiting(status token.Status, now time.Time) []change {
	var changes []change
	var known []string
	for _, w := range []struct {
		grant *token.WaitingGrant
		code  failure.Code
		delay time.Duration
	}{{status.Unconfirmed, failure.ConfirmationWaiting, 0}, {status.Pending, failure.ClaimWaiting, claimDelay}} {
		if w.grant == nil {
			continue
		}
		noticed := slices.Contains(s.Waiting, w.grant.ConsentID)
		if !noticed && now.Before(w.grant.ConsentedAt.Add(w.delay)) {
			continue
		}
		known = append(known, w.grant.ConsentID)
		if noticed {
			continue
		}
		params := map[string]string{"username": shown(w.grant.ConsentedBy)}
		if w.grant.Replaces != nil {
			params["before"] = shown(*w.grant.Replaces)
		}
		changes = append(changes, change{kind: ConsentWaiting, reason: &failure.Record{Code: w.code, Params: params}, ends: w.grant.ExpiresAt})
	}
	s.Waiting = known
	return changes
}

// shown returns how a person is named in notices.
func shown(p token.Person) string { return cmp.Or(p.Username, p.Name, p.ObjectID) }

// credentials returns a warning of each credential whose end is near.
func (s *State) credentials(all []tenant.CredentialEnd, now time.Time) []change {
	var changes []change
	kept := make(map[string]Countdown, len(all))
	for _, c := range all {
		countdown, known := s.Credentials[c.Name]
		if !known && !c.Ends.IsZero() && s.Credential.Ends.Equal(c.Ends) {
			countdown = s.Credential // warned of by a program before
		}
		if countdown.advance(c.Ends, credentialDays(), now) {
			changes = append(changes, change{kind: CredentialWarning, ends: c.Ends, credential: c.Name})
		}
		if !countdown.Ends.IsZero() {
			kept[c.Name] = countdown
		}
	}
	s.Credentials, s.Credential = kept, Countdown{}
	return changes
}

// credentialTimes returns when warnings of credentials are due.
func credentialTimes(all []tenant.CredentialEnd) []time.Time {
	var moments []time.Time
	for _, c := range all {
		moments = append(moments, warningTimes(c.Ends, credentialDays())...)
	}
	return moments
}

// alarm returns the alarm that the status causes, unless people were notified of it already. A tenant without a token
// causes none: it is being set up, or its token was deleted on purpose.
func (s *State) alarm(status token.Status, now time.Time) (change, bool) {
	if status.State != token.StateRenewalFailing {
		s.FailingSince = time.Time{}
	}
	if status.IssuedAt.IsZero() || status.Failure == nil {
		return change{}, false
	}
	trouble := string(status.Failure.Code)
	switch status.State {
	case token.StateActionRequired, token.StateMisconfigured, token.StateSuspended, token.StateExpired:
		if s.Trouble == trouble {
			return change{}, false
		}
	case token.StateRenewalFailing:
		if s.FailingSince.IsZero() || s.FailingSince.After(now) { // in the future: a clock was wrong
			s.FailingSince = now
		}
		// Any other trouble is at least as urgent. The reason is not compared, because it may differ between attempts.
		if s.Trouble != "" && s.Trouble != string(failure.GrantExpiring) || now.Sub(s.FailingSince) < alarmDelay {
			return change{}, false
		}
		trouble = string(token.StateRenewalFailing)
	default:
		return change{}, false
	}
	s.Trouble = trouble
	return change{kind: Alarm, reason: status.Failure, ends: status.ExpiresAt}, true
}

// next returns when the subject must be processed again even without an event; zero when that is not necessary.
func (s *State) next(status token.Status, ownCredential bool, hold time.Duration, now time.Time) time.Time {
	moments := []time.Time{status.ExpiresAt, s.RelationshipsAt}
	moments = append(moments, warningTimes(status.ExpiresAt, expiryDays())...)
	if ownCredential {
		moments = append(moments, credentialTimes(status.Credentials)...)
	}
	if !s.FailingSince.IsZero() {
		moments = append(moments, s.FailingSince.Add(alarmDelay))
	}
	if !s.HeldSince.IsZero() && s.Trouble != string(failure.GrantExpiring) {
		moments = append(moments, s.HeldSince.Add(hold))
	}
	if status.Pending != nil {
		moments = append(moments, status.Pending.ExpiresAt, status.Pending.ConsentedAt.Add(claimDelay))
	}
	if status.Unconfirmed != nil {
		moments = append(moments, status.Unconfirmed.ExpiresAt)
	}
	return s.earliest(moments, now)
}

// LongestWait is the longest time until a subject is processed again. Many deadlines are farther ahead, but so are times that
// a wrong clock stored.
const LongestWait = 30 * day

// earliest returns the first of moments and of the times of retries that is after now, at most LongestWait from now; zero
// when there is none.
func (s *State) earliest(moments []time.Time, now time.Time) time.Time {
	moments = append(moments, s.Push.NotBefore)
	for _, d := range s.Outbox {
		moments = append(moments, d.Retry.NotBefore)
	}
	var first time.Time
	for _, at := range moments {
		if at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if longest := now.Add(LongestWait); first.After(longest) {
		return longest
	}
	return first
}

func warningTimes(ends time.Time, warnings []int) []time.Time {
	if ends.IsZero() {
		return nil
	}
	var moments []time.Time
	for _, days := range warnings {
		moments = append(moments, ends.Add(-time.Duration(days)*day))
	}
	return moments
}
