package world

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel"
)

// levers are the switches in the side drawer of the panel. In the zero value all are off.
type levers struct {
	mu     sync.Mutex // guards the rest, and keeps pulls in order
	on     map[string]bool
	silent chan struct{} // nil while Microsoft answers; closed when it answers again
}

// answer lets waiting requests be answered. The caller holds mu.
func (l *levers) answer() {
	if l.silent != nil {
		close(l.silent)
		l.silent = nil
	}
}

// release unblocks everything that waits for a lever.
func (l *levers) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer()
}

// A lever is one row of the drawer. It has either pull, which acts at once, or kept, which stays on.
type lever struct {
	id, label, about string
	pull             func(w *World) error
	kept             bool
}

// hosts returns all hosts of Microsoft.
func hosts() []microsoft.Host {
	return []microsoft.Host{microsoft.Login, microsoft.PartnerCenter, microsoft.Graph, microsoft.ARM}
}

func directories() []string { return []string{AlpineDirectory, BalticDirectory, SouthDirectory} }

// table returns the levers in display order.
func table() []lever {
	return []lever{
		{id: "mfa", label: "Sign-ins without multi-factor authentication", about: "The next consent is refused because the sign-in had no second factor.", kept: true},
		{id: "directory", label: "Sign-ins in another directory", about: "The next consent is refused because it comes from the directory of Coral Corp.", kept: true},
		{id: "down", label: "Microsoft is down", about: "Everything answers 503. Renewals are retried automatically.", kept: true},
		{id: "throttled", label: "Microsoft throttles", about: "Everything answers 429. Renewals are retried automatically.", kept: true},
		{id: "silent", label: "Microsoft does not answer", about: "Requests hang until the connector gives up. Move the clock by 30 days twice to see, for a few seconds, a token that expires soon.", kept: true},
		{id: "secret", label: "The client secret has expired", about: "Renewals and consents fail until you turn this off.", kept: true},
		{id: "frequency", label: "A new sign-in every 7 days", about: "A directory policy that renewals cannot work around: move the clock by 10 days.", kept: true},
		{id: "revoke", label: "Revoke all sessions", about: "As an administrator does after losing a password. The next check or renewal detects it.", pull: func(w *World) error {
			for _, upn := range []string{AlpineAdmin, BalticAdmin, SouthAdmin} {
				if err := w.Microsoft.RevokeSessions(upn); err != nil {
					return err
				}
			}
			return nil
		}},
		{id: "withdraw", label: "Withdraw the consent", about: "As a directory administrator does by removing the application. The next check or renewal detects it.", pull: func(w *World) error {
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

// Pull implements panel.Levers. It replaces all faults, oddities and policies of the simulated Microsoft by those of the
// levers that are on.
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
	return w.apply()
}

// apply makes the simulated Microsoft behave as the levers say. The caller holds the lock of the levers.
func (w *World) apply() error {
	on := w.levers.on
	w.Microsoft.ClearFaults()
	if !on["silent"] {
		w.levers.answer()
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
