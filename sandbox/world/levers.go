package world

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel"
)

// levers are what the panel's side drawer moves. The zero value has all of them off.
type levers struct {
	mu     sync.Mutex // guards the rest, and keeps pulls in order
	on     map[string]bool
	silent chan struct{} // while Microsoft does not answer; closed when it does again
}

// speak ends the silence, if there is one, for requests that wait. The caller holds mu.
func (l *levers) speak() {
	if l.silent != nil {
		close(l.silent)
		l.silent = nil
	}
}

// release lets everything go that waits for a lever.
func (l *levers) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.speak()
}

// A lever is one row of the drawer. One of pull and kept is set: pull acts at once, kept stays on.
type lever struct {
	id, label, about string
	pull             func(w *World) error
	kept             bool
}

// hosts are those that a person knows as Microsoft.
func hosts() []microsoft.Host {
	return []microsoft.Host{microsoft.Login, microsoft.PartnerCenter, microsoft.Graph, microsoft.ARM}
}

func directories() []string { return []string{AlpineDirectory, BalticDirectory, SouthDirectory} }

// table are the levers in the order in which they are shown.
func table() []lever {
	return []lever{
		{id: "mfa", label: "Sign-ins without multi-factor authentication", about: "The next consent is refused because no second factor was proven.", kept: true},
		{id: "directory", label: "Sign-ins in another directory", about: "The next consent is refused because it comes from the directory of Coral Corp.", kept: true},
		{id: "down", label: "Microsoft is down", about: "Everything answers 503. Renewals are tried again by themselves.", kept: true},
		{id: "throttled", label: "Microsoft throttles", about: "Everything answers 429. Renewals are tried again by themselves.", kept: true},
		{id: "silent", label: "Microsoft does not answer", about: "Requests hang until the connector gives up. Move the clock by 30 days twice to see, for some seconds, a token that expires soon.", kept: true},
		{id: "secret", label: "The client secret has expired", about: "Renewals and consents fail until the lever is moved back.", kept: true},
		{id: "frequency", label: "A new sign-in every 7 days", about: "A policy of the directories that no renewal can beat: move the clock by 10 days.", kept: true},
		{id: "revoke", label: "Revoke all sessions", about: "As an administrator does who has lost a password. Found out by the next check or renewal.", pull: func(w *World) error {
			for _, upn := range []string{AlpineAdmin, BalticAdmin, SouthAdmin} {
				if err := w.Microsoft.RevokeSessions(upn); err != nil {
					return err
				}
			}
			return nil
		}},
		{id: "withdraw", label: "Withdraw the consent", about: "As a directory's administrator does who removes the application. Found out by the next check or renewal.", pull: func(w *World) error {
			for _, d := range directories() {
				if err := w.Microsoft.RemoveConsent(d, ApplicationID); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// Drawer implements panel.Levers.
func (w *World) Drawer() panel.Drawer {
	w.levers.mu.Lock()
	defer w.levers.mu.Unlock()
	d := panel.Drawer{Now: w.Clock.Now(), Password: Password}
	for _, l := range table() {
		d.Levers = append(d.Levers, panel.Lever{ID: l.id, Label: l.label, About: l.about, On: w.levers.on[l.id], Springs: !l.kept})
	}
	for _, a := range MicrosoftAccounts() {
		d.Accounts = append(d.Accounts, panel.SignIn{Name: a.UPN, About: a.About})
	}
	return d
}

// Advance implements panel.Levers.
func (w *World) Advance(d time.Duration) { w.Clock.Advance(d) }

// Pull implements panel.Levers. It replaces all faults, oddities and policies of the simulated Microsoft by those of
// the levers that are on.
func (w *World) Pull(id string, on bool) error {
	all := table()
	i := slices.IndexFunc(all, func(l lever) bool { return l.id == id })
	if i < 0 {
		return fmt.Errorf("lever %q: %w", id, panel.ErrNoLever)
	}
	w.levers.mu.Lock()
	defer w.levers.mu.Unlock()
	if !all[i].kept {
		return all[i].pull(w)
	}
	if w.levers.on == nil {
		w.levers.on = make(map[string]bool)
	}
	w.levers.on[id] = on
	return w.misbehave()
}

// misbehave makes the simulated Microsoft what the levers say. The caller holds the levers' lock.
func (w *World) misbehave() error {
	on := w.levers.on
	w.Microsoft.ClearFaults()
	if !on["silent"] {
		w.levers.speak()
	} else if w.levers.silent == nil {
		w.levers.silent = make(chan struct{})
	}
	for _, host := range hosts() {
		if on["down"] {
			w.Microsoft.AddFault(microsoft.Unavailable(host))
		}
		if on["throttled"] {
			w.Microsoft.AddFault(microsoft.Throttled(host, ""))
		}
		if on["silent"] {
			w.Microsoft.AddFault(microsoft.Fault{Host: host, Hold: w.levers.silent})
		}
	}
	w.Microsoft.SetOddities(w.oddities())
	policy := microsoft.Policy{}
	if on["frequency"] {
		policy.SignInFrequency = 7 * 24 * time.Hour
	}
	for _, d := range directories() {
		if err := w.Microsoft.SetPolicy(d, policy); err != nil {
			return err
		}
	}
	ends := w.Clock.Now().AddDate(1, 0, 0)
	if on["secret"] {
		ends = w.Clock.Now().Add(-time.Hour)
	}
	return w.Microsoft.SetSecrets(ApplicationID, microsoft.Secret{Value: applicationSecret, Ends: ends})
}

func (w *World) oddities() microsoft.Oddities {
	var odd microsoft.Oddities
	if w.levers.on["mfa"] {
		odd.AccessTokenClaims = map[string]any{"amr": []string{"pwd"}}
	}
	if w.levers.on["directory"] {
		odd.IDTokenClaims = map[string]any{"tid": CoralDirectory, "iss": w.Microsoft.LoginURL() + "/" + CoralDirectory + "/v2.0"}
	}
	return odd
}
