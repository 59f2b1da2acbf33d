package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform"
)

// switches are the switches in the side drawer of the panel. In the zero value all are off.
type switches struct {
	mu       sync.Mutex // guards the rest, and serializes changes
	on       map[string]bool
	closed   bool // the world has ended
	borrowed *panel.Borrowed
	silent   chan struct{} // nil while Microsoft answers; closed when it answers again
}

// answer unblocks the requests that wait while Microsoft does not answer. The caller holds mu.
func (s *switches) answer() {
	if s.silent != nil {
		close(s.silent)
		s.silent = nil
	}
}

// release unblocks everything that waits for a switch, and refuses further changes.
func (s *switches) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.answer()
}

// A faultSwitch is one row of the drawer. Either do acts once, or the switch stays on.
type faultSwitch struct {
	id, label, about string
	do               func(w *World) error // nil for a switch that stays on
	// set turns a switch of the simulated platform on or off; nil for one of the simulated Microsoft.
	set func(ctx context.Context, w *World, on bool) error
	// borrow makes an application borrow an access token and use it; nil for all others.
	borrow func(ctx context.Context, w *World) panel.Borrowed
}

// allSwitches returns all switches in display order.
func allSwitches() []faultSwitch {
	return slices.Concat(platformSwitches(), borrowSwitches(), faultSwitches())
}

// platformSwitches returns the switches of the simulated platform in display order.
func platformSwitches() []faultSwitch {
	return []faultSwitch{
		{id: "customers", label: "Issue access tokens for customers", about: "Sets customerDirectories to listed, and lets Azure CSP (NCE) borrow for customers.", set: func(ctx context.Context, w *World, on bool) error {
			return w.LendForCustomers(ctx, on)
		}},
		{id: "suspend", label: "Suspend the subscription of Alpine Cloud", about: "As during a credit hold: nothing is issued until you turn this off. The token is still renewed.", set: func(ctx context.Context, w *World, on bool) error {
			change := w.Platform.Resume
			if on {
				change = w.Platform.Suspend
			}
			return change(ctx, w.TenantOf(Rita).ID)
		}},
		{id: "move", label: "Move the subscription of Baltic IT to Northwind Cloud", about: "Refused while there is a refresh token, unless the operator allows moves. Log in as Nora Northwind afterwards.", set: func(ctx context.Context, w *World, on bool) error {
			owner, err := w.NewOwner()
			if err != nil {
				return err
			}
			to := w.TenantOf(Bjorn).AccountID
			if on {
				to = owner.AccountID
			}
			return w.Platform.Move(ctx, w.TenantOf(Bjorn).ID, to)
		}},
		{id: "stop", label: "Stop the connector", about: "As during an outage. The platform gets no answer until you turn this off; then the connector catches up.", set: func(ctx context.Context, w *World, on bool) error {
			if on {
				return w.stopConnector()
			}
			return w.Restart(ctx)
		}},
		{id: "allowMoves", label: "The operator allows moves", about: "Restarts the connector with allowMoves. A move then destroys the refresh token.", set: func(ctx context.Context, w *World, on bool) error {
			return w.AllowMoves(ctx, on)
		}},
	}
}

// hosts returns all hosts of the simulated Microsoft.
func hosts() []microsoft.Host {
	return []microsoft.Host{microsoft.Login, microsoft.PartnerCenter, microsoft.Graph, microsoft.ARM}
}

func directories() []string { return []string{AlpineDirectory, BalticDirectory, SouthDirectory} }

// partnerAdmins returns the accounts that consent for the partners.
func partnerAdmins() []string { return []string{AlpineAdmin, BalticAdmin, SouthAdmin} }

// faultSwitches returns the switches in display order.
func faultSwitches() []faultSwitch {
	return []faultSwitch{
		{id: "mfa", label: "Sign-ins without multifactor authentication", about: "The next consent is refused because the sign-in had no second factor."},
		{id: "directory", label: "Sign-ins in another directory", about: "The next consent is refused because it comes from the directory of Coral Corp."},
		{id: "down", label: "Microsoft is down", about: "Everything answers 503. Renewals are retried automatically."},
		{id: "throttled", label: "Microsoft throttles", about: "Everything answers 429. Renewals are retried automatically."},
		{id: "silent", label: "Microsoft does not answer", about: "Requests hang until the connector gives up. Move the clock by 30 days twice to see, for a few seconds, a token that expires soon."},
		{id: "secret", label: "The client secret has expired", about: "Renewals and consents fail until you turn this off."},
		{id: "frequency", label: "A new sign-in every 7 days", about: "A directory policy that renewals cannot work around: move the clock by 10 days."},
		{id: "passkey", label: "Sign-ins by passkey", about: "The token does not say that there was a second factor; Partner Center does. The next consent is accepted."},
		{id: "marks", label: "Answers with a byte order mark", about: "As Partner Center and Azure Resource Manager have sent. Everything goes on working."},
		{id: "graphmfa", label: "Graph requires multifactor authentication", about: "Every call to Graph is refused. The next check shows it; Partner Center is not affected."},
		{id: "rolegroup", label: "Roles by way of a group", about: "Graph lists the group but not its roles, so the check does not know whether the account is a Global admin."},
		{id: "device", label: "A policy wants managed devices", about: "Renewals and sign-ins are refused until you turn this off. Then Renew Now heals it."},
		{id: "risk", label: "The accounts are at risk", about: "Renewals and sign-ins are refused until you turn this off. Then Renew Now heals it."},
		{id: "customerblocks", label: "Fjord Foods blocks the access", about: "A policy of the customer. Access tokens for its directory are refused; those of Alpine Cloud are not."},
		{id: "pages", label: "Lists in short pages", about: "Partner Center and Graph answer with one entry at a time."},
		{id: "relationshipends", label: "Let the relationship with Fjord Foods end in 20 days", about: "It isn't extended automatically. People are warned if access tokens are issued for customers.", do: func(w *World) error {
			return w.Microsoft.SetRelationship(microsoft.Relationship{Partner: AlpineDirectory, Customer: FjordDirectory, EndsAt: w.Clock.Now().AddDate(0, 0, 20)})
		}},
		{id: "relationshiprenewed", label: "Renew the relationship with Fjord Foods", about: "For two years, with automatic extension.", do: func(w *World) error {
			return w.Microsoft.SetRelationship(microsoft.Relationship{Partner: AlpineDirectory, Customer: FjordDirectory, AutoExtend: true})
		}},
		{id: "relationship", label: "End the relationship with Fjord Foods", about: "The customer ends Alpine Cloud's access. Access tokens for its directory are refused.", do: func(w *World) error {
			return w.Microsoft.EndRelationships(FjordDirectory)
		}},
		{id: "permission", label: "Withdraw a permission", about: "Directory.Read.All of Graph, from all consents. The next check names it; the rest goes on working.", do: func(w *World) error {
			for _, d := range directories() {
				if err := w.Microsoft.RemovePermissions(d, ApplicationID, w.Microsoft.Cloud().Graph.Audiences[0]+"/Directory.Read.All"); err != nil {
					return err
				}
			}
			return nil
		}},
		{id: "revoke", label: "Revoke all sessions", about: "As an administrator does after losing a password. The next check or renewal detects it.", do: func(w *World) error {
			for _, upn := range partnerAdmins() {
				if err := w.Microsoft.RevokeSessions(upn); err != nil {
					return err
				}
			}
			return nil
		}},
		{id: "withdraw", label: "Withdraw the consent", about: "As a directory administrator does by removing the application. The next check or renewal detects it.", do: func(w *World) error {
			for _, d := range directories() {
				if err := w.Microsoft.RemoveConsent(d, ApplicationID); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// Switches returns the switches of the drawer, all off.
func Switches() []panel.Switch {
	var all []panel.Switch
	for _, f := range allSwitches() {
		all = append(all, panel.Switch{
			ID: f.id, Label: f.label, About: f.about, OfPlatform: f.set != nil, Momentary: f.do != nil || f.borrow != nil, OfBorrower: f.borrow != nil,
		})
	}
	return all
}

// Drawer implements panel.DrawerControls.
func (w *World) Drawer() panel.Drawer {
	steps := w.tourNow()
	w.switches.mu.Lock()
	defer w.switches.mu.Unlock()
	d := panel.Drawer{Tour: steps, Now: w.Clock.Now(), Password: Password, Borrowed: w.switches.borrowed}
	for _, one := range Switches() {
		one.On = w.switches.on[one.ID]
		d.Switches = append(d.Switches, one)
	}
	for _, a := range MicrosoftAccounts() {
		d.Accounts = append(d.Accounts, panel.SignIn{Name: a.UPN, About: a.About})
	}
	return d
}

// Advance implements panel.DrawerControls.
func (w *World) Advance(d time.Duration) { w.Clock.Advance(d) }

// Set implements panel.DrawerControls. It replaces all faults, oddities and policies of the simulated Microsoft with those
// of the switches that are on.
func (w *World) Set(id string, on bool) error {
	now := w.Clock.Now()
	err := w.set(id, on)
	if err == nil && on {
		w.tourNow() // what was done before
		w.tour.note(id, now)
	}
	return err
}

func (w *World) set(id string, on bool) error {
	all := allSwitches()
	i := slices.IndexFunc(all, func(f faultSwitch) bool { return f.id == id })
	if i < 0 {
		return fmt.Errorf("switch %q: %w", id, panel.ErrUnknownSwitch)
	}
	if borrow := all[i].borrow; borrow != nil {
		w.borrow(all[i].label, borrow)
		return nil
	}
	w.switches.mu.Lock()
	defer w.switches.mu.Unlock()
	if w.switches.closed {
		return errors.New("the sandbox has ended")
	}
	if do := all[i].do; do != nil {
		return do(w)
	}
	if w.switches.on == nil {
		w.switches.on = make(map[string]bool)
	}
	if set := all[i].set; set != nil {
		// The connector may be restarted, and then runs on after the request.
		err := set(context.Background(), w, on)
		if refused, ok := errors.AsType[*platform.Refusal](err); ok {
			return &panel.RefusedError{Message: refused.Message}
		}
		if err == nil {
			w.switches.on[id] = on
		}
		return err
	}
	w.switches.on[id] = on
	return w.apply()
}

// apply makes the simulated Microsoft behave as the switches say. The caller holds switches.mu.
func (w *World) apply() error {
	on := w.switches.on
	w.Microsoft.ClearFaults()
	if !on["silent"] {
		w.switches.answer()
	} else if w.switches.silent == nil {
		w.switches.silent = make(chan struct{})
	}
	for _, host := range hosts() {
		if on["down"] {
			w.Microsoft.AddFault(microsoft.Unavailable(host))
		}
		if on["throttled"] {
			w.Microsoft.AddFault(microsoft.Throttled(host, ""))
		}
		if on["silent"] {
			w.Microsoft.AddFault(microsoft.Fault{Host: host, Hold: w.switches.silent})
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
	if err := w.applyAccounts(); err != nil {
		return err
	}
	if err := w.Microsoft.SetPolicy(FjordDirectory, microsoft.Policy{Block: on["customerblocks"]}); err != nil {
		return err
	}
	ends := w.Clock.Now().AddDate(1, 0, 0)
	if on["secret"] {
		ends = w.Clock.Now().Add(-time.Hour)
	}
	return w.Microsoft.SetSecrets(ApplicationID, microsoft.Secret{Value: applicationSecret, Ends: ends})
}

// applyAccounts changes the partners' accounts as the switches say. The caller holds switches.mu.
func (w *World) applyAccounts() error {
	on, mfa, refused := w.switches.on, microsoft.MFARequired, 0
	if on["passkey"] {
		mfa = microsoft.MFAPasskey
	}
	switch {
	case on["device"]:
		refused = 530003
	case on["risk"]:
		refused = 53004
	}
	for _, upn := range partnerAdmins() {
		if err := errors.Join(
			w.Microsoft.SetMFA(upn, mfa), w.Microsoft.RefuseUser(upn, refused),
			w.Microsoft.SetRoles(upn, !on["rolegroup"], true), w.Microsoft.SetRoleGroup(upn, on["rolegroup"]),
		); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) oddities() microsoft.Oddities {
	odd := microsoft.Oddities{GraphWantsMFA: w.switches.on["graphmfa"]}
	if w.switches.on["marks"] {
		odd.ByteOrderMarks = []microsoft.Host{microsoft.PartnerCenter, microsoft.Graph, microsoft.ARM}
	}
	if w.switches.on["pages"] {
		odd.GraphPage, odd.CustomersPage = 1, 1
	}
	if w.switches.on["mfa"] {
		odd.AccessTokenClaims = map[string]any{"amr": []string{"pwd"}}
	}
	if w.switches.on["directory"] {
		odd.IDTokenClaims = map[string]any{"tid": CoralDirectory, "iss": w.Microsoft.LoginURL() + "/" + CoralDirectory + "/v2.0"}
	}
	return odd
}
