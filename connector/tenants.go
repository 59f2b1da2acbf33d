package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type tenantsCommand struct {
	List     tenantsList     `cmd:"" help:"List tenants with the state of their token, most urgent first."`
	Show     tenantsShow     `cmd:"" help:"Show the status of a tenant's token and its latest events."`
	Renew    tenantsRenew    `cmd:"" help:"Renew the token of a tenant, of all tenants, or of those whose token is failing."`
	Check    tenantsCheck    `cmd:"" help:"Renew the token of a tenant and try Partner Center, Graph and ARM with it, as Check Now does."`
	Link     tenantsLink     `cmd:"" help:"Print the link of the manual procedure of a tenant; make one where none is open."`
	Settings tenantsSettings `cmd:"" help:"Change the credentials of tenants that have an application of their own, by a file."`
	Remove   tenantsRemove   `cmd:"" help:"Remove a tenant that its platform forgot, with its refresh token. Without --force it only shows it."`
	Forget   tenantsForget   `cmd:"" help:"Delete the refresh token of a tenant. Without --yes it only shows it."`
}

// openServices opens the services on a database that is up to date, beside a running connector. It changes no schema.
func openServices(c *console, file configFile) (*app.Services, config.Config, error) {
	cfg, err := file.load()
	if err != nil {
		return nil, config.Config{}, err
	}
	if cfg.Database.Driver == config.SQLite {
		if err := sqldb.FindFile(cfg.Database.Path); err != nil {
			return nil, config.Config{}, fmt.Errorf("opening the database: %w", err)
		}
	}
	quiet := cfg.Log
	quiet.Level = max(quiet.Level, slogWarn)
	services, err := app.Open(c.ctx, cfg, app.Options{Migration: app.ExamineSchema, Log: newLog(forPrograms(c.stderr), quiet)})
	return services, cfg, err
}

// withServices calls use with the services of the configuration.
func withServices(c *console, file configFile, use func(*app.Services) error) (err error) {
	services, _, err := openServices(c, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, services.Close()) }()
	c.ctx = failure.WithReference(c.ctx, random.Reference()) // of the events that the command causes
	return use(services)
}

// explained returns an error of the domain as a person reads it.
func explained(err error) error {
	if f := (*failure.Error)(nil); errors.As(err, &f) {
		if reason := f.Params["reason"]; f.Code == failure.BadRequest && reason != "" {
			return fmt.Errorf("%s (%s)", reason, f.Code) // a command is no request that could be sent again
		}
		return fmt.Errorf("%s %s (%s)", f.Sentence(), f.Advice(), f.Code)
	}
	return err
}

// tenantName is the argument of commands for one tenant.
type tenantName struct {
	Tenant string `arg:"" help:"The tenant, by its ID, name or directory."`
}

// find returns the tenant that has an ID, or that alone has a name or directory.
func (n tenantName) find(ctx context.Context, s *app.Services) (tenant.Resolved, error) {
	list, err := s.Tokens.List(ctx, token.Query{Search: n.Tenant})
	if err != nil {
		return tenant.Resolved{}, err
	}
	var matches []tenant.Resolved
	for _, listed := range list.Tenants {
		r, err := tenant.Resolve(ctx, s.Store, listed.TenantID)
		if failure.Is(err, failure.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return tenant.Resolved{}, err
		}
		if r.Tenant.ID == n.Tenant {
			return r, nil
		}
		if slices.ContainsFunc([]string{r.Tenant.Name, r.Tenant.Directory, r.Tenant.DirectoryID}, func(name string) bool { return strings.EqualFold(name, n.Tenant) }) {
			matches = append(matches, r)
		}
	}
	switch len(matches) {
	case 0:
		return tenant.Resolved{}, fmt.Errorf("no tenant of an installed instance has the ID, name or directory %q; connector tenants list shows them", n.Tenant)
	case 1:
		return matches[0], nil
	}
	ids := make([]string, len(matches))
	for i, r := range matches {
		ids[i] = r.Tenant.ID
	}
	return tenant.Resolved{}, fmt.Errorf("several tenants have the name or directory %q; use an ID: %s", n.Tenant, strings.Join(ids, ", "))
}

type tenantsList struct {
	configFile
	State    []string `help:"Only tenants in these states (absent, pending, active, expiring, renewal_failing, action_required, misconfigured, suspended, expired)." placeholder:"STATE"`
	Search   string   `help:"Only tenants with this text in their name, directory or ID." placeholder:"TEXT"`
	Instance []string `help:"Only tenants of these instances, by their consumer key." placeholder:"KEY"`
	Limit    int      `help:"Show at most so many." default:"100" placeholder:"N"`
	Offset   int      `help:"Leave out so many at the beginning." placeholder:"N"`
	Wide     bool     `help:"Show names and directories whole. At a terminal, long ones are otherwise shortened until a line has 120 characters."`
	JSON     bool     `help:"Print one JSON document."`
}

// Run lists tenants.
func (l tenantsList) Run(c *console) error {
	if l.Limit < 1 || l.Offset < 0 {
		return errors.New("--limit must be positive, and --offset not negative")
	}
	states, err := statesOf(l.State)
	if err != nil {
		return err
	}
	return withServices(c, l.configFile, func(s *app.Services) error {
		for _, key := range l.Instance {
			switch _, err := s.Tenants.Instance(c.ctx, key); {
			case failure.Is(err, failure.NotFound):
				return fmt.Errorf("instance %q is not installed", key)
			case err != nil:
				return explained(err)
			}
		}
		list, err := s.Tokens.List(c.ctx, token.Query{Instances: l.Instance, States: states, Search: l.Search, Offset: l.Offset, Limit: l.Limit})
		if err != nil {
			return err
		}
		document := api.TenantsDocument{Counts: list.Counts}
		for _, listed := range list.Tenants {
			r, err := tenant.Resolve(c.ctx, s.Store, listed.TenantID)
			if failure.Is(err, failure.NotFound) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			status, err := s.Tokens.Status(c.ctx, r)
			if err != nil {
				return err
			}
			document.Add(r, status)
		}
		if l.JSON {
			return printJSON(c, document)
		}
		if err := l.print(c, document, list, states); err != nil {
			return err
		}
		return warnOfPauses(c.ctx, c.stdout, s)
	})
}

func (l tenantsList) print(c *console, document api.TenantsDocument, list token.List, states []token.State) error {
	colours := coloured(c.stdout)
	table := newTable("STATE", "DAYS", "NEXT RENEWAL", "NAME", "DIRECTORY", "ID")
	table.paint = func(state string) string { return colours.state(token.State(state)) }
	for _, t := range document.Tenants {
		days := ""
		if t.ExpiresAt != nil {
			days = strconv.Itoa(t.DaysLeft)
		}
		table.add(string(t.State), days, minute(t.NextRenewalAt), t.Name, cmp.Or(t.Directory.Name, t.Directory.ID), t.ID)
	}
	if !l.Wide && isTerminal(c.stdout) { // other programs get everything
		table.fit(3, 4)
	}
	if len(document.Tenants) > 0 {
		if err := table.print(c.stdout); err != nil {
			return err
		}
	}
	matching := 0
	var counts []string
	for _, state := range token.ByUrgency() {
		if n := list.Counts[state]; n > 0 && (len(states) == 0 || slices.Contains(states, state)) {
			matching += n
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if matching == 0 {
		none := "no tenant matches"
		if len(states) == 0 && l.Search == "" && len(l.Instance) == 0 {
			none = "there are no tenants: no reseller has a subscription yet"
		}
		_, err := fmt.Fprintln(c.stdout, none)
		return err
	}
	line := fmt.Sprintf("%d of %d tenants:", len(document.Tenants), matching)
	for i, count := range counts {
		if i < len(counts)-1 {
			count += ","
		}
		if len(line)+1+len(count) > terminalWidth {
			if _, err := fmt.Fprintln(c.stdout, line); err != nil {
				return err
			}
			line = " "
		}
		line += " " + count
	}
	_, err := fmt.Fprintln(c.stdout, line)
	return err
}

// statesOf reads the names of states.
func statesOf(names []string) ([]token.State, error) {
	states := make([]token.State, len(names))
	for i, name := range names {
		states[i] = token.State(name)
		if !slices.Contains(token.States(), states[i]) {
			return nil, fmt.Errorf("there is no state %q; the states are %s", name, strings.Trim(fmt.Sprint(token.ByUrgency()), "[]"))
		}
	}
	return states, nil
}

type tenantsShow struct {
	configFile
	tenantName
	Events int  `help:"Show so many of the latest events." default:"10" placeholder:"N"`
	JSON   bool `help:"Print one JSON document."`
}

// Run shows one tenant.
func (t tenantsShow) Run(c *console) error {
	return withServices(c, t.configFile, func(s *app.Services) error {
		r, err := t.find(c.ctx, s)
		if err != nil {
			return err
		}
		status, err := s.Tokens.Status(c.ctx, r)
		if err != nil {
			return explained(err)
		}
		var events []audit.FoundEvent
		if t.Events > 0 {
			if events, err = s.Store.SearchEvents(c.ctx, store.EventFilter{TenantID: r.Tenant.ID, Own: true}, t.Events); err != nil {
				return err
			}
		}
		if t.JSON {
			return printJSON(c, api.NewTenantDocument(r, status, events, time.Now()))
		}
		if err := printStatus(c, r, status); err != nil {
			return err
		}
		return printHistory(c, events)
	})
}

// printStatus prints a status for people.
func printStatus(c *console, r tenant.Resolved, st token.Status) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value = harmless(value); value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	row("tenant", fmt.Sprintf("%s (%s) on %s", r.Tenant.Name, r.Tenant.ID, cmp.Or(r.Tenant.Marketplace, r.Instance.Key)))
	fmt.Fprintf(table, "state\t%s\n", coloured(c.stdout).state(st.State))
	if st.Failure != nil {
		f := st.Failure.Error()
		row("reason", fmt.Sprintf("%s (%s)", f.Sentence(), f.Code))
		row("advice", f.Advice())
		if m := st.Failure.Microsoft; m != nil && m.Code != "" {
			row("microsoft", strings.TrimSuffix("code "+m.Code+", correlation ID "+m.CorrelationID, ", correlation ID "))
		}
		row("reference", st.Failure.Reference)
	}
	row("directory", strings.TrimSpace(st.Directory+" "+bracketed(st.DirectoryID)))
	row("application", st.ApplicationID)
	if !st.ExpiresAt.IsZero() {
		row("token", fmt.Sprintf("issued %s, ends %s (%d days left)", moment(st.IssuedAt), moment(st.ExpiresAt), st.DaysLeft))
		row("renewals", fmt.Sprintf("last %s, next %s", moment(st.LastRenewalAt), moment(st.NextRenewalAt)))
		row("consent", fmt.Sprintf("by %s, %s, %s", st.ConsentedBy.Username, moment(st.ConsentedAt), st.Procedure))
		row("checks", fmt.Sprintf("MFA %s, Global admin %s, Admin agent %s", st.Checks.MFA, st.Checks.GlobalAdmin, st.Checks.AdminAgent))
	}
	for _, credential := range st.Credentials {
		parts := []string{credential.Name}
		if !credential.Ends.IsZero() {
			parts = append(parts, "ends "+moment(credential.Ends))
		}
		if credential.Name == st.Checks.Credential {
			parts = append(parts, "accepted last")
		}
		row("credential", strings.Join(parts, ", "))
	}
	return table.Flush()
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

type tenantsCheck struct {
	configFile
	tenantName
	JSON bool `help:"Print one JSON document."`
}

// Run checks one token.
func (t tenantsCheck) Run(c *console) error {
	return withServices(c, t.configFile, func(s *app.Services) error {
		r, err := t.find(c.ctx, s)
		if err != nil {
			return err
		}
		status, err := s.Tokens.Check(c.ctx, r.Tenant.ID, commandLine())
		if err != nil {
			return explained(err)
		}
		if t.JSON {
			return printJSON(c, api.NewTenantDocument(r, status, nil, time.Now()))
		}
		if err := printStatus(c, r, status); err != nil {
			return err
		}
		for _, name := range token.APIs() {
			probe := status.Checks.APIs[name]
			reason := ""
			if probe.Failure != nil {
				reason = ": " + probe.Failure.Error().Sentence()
			}
			fmt.Fprintf(c.stdout, "%s works: %s%s\n", name, cmp.Or(probe.Works, token.Unknown), reason)
		}
		return nil
	})
}

type tenantsLink struct {
	configFile
	tenantName
}

// Run prints the link alone on standard output, so that scripts can read it.
func (t tenantsLink) Run(c *console) error {
	return withServices(c, t.configFile, func(s *app.Services) error {
		r, err := t.find(c.ctx, s)
		if err != nil {
			return err
		}
		begun, err := s.Consents.Link(c.ctx, r.Tenant.ID, commandLine())
		if err != nil {
			return explained(err)
		}
		fmt.Fprintf(c.stderr, "The link of %s works until %s. Whoever opens it and signs in gets an authentication code, which the reseller enters.\n",
			harmless(r.Tenant.Name), moment(begun.ExpiresAt))
		_, err = fmt.Fprintln(c.stdout, begun.URL)
		return err
	})
}

// printHistory prints events of one tenant for people, newest first.
func printHistory(c *console, events []audit.FoundEvent) error {
	if len(events) == 0 {
		return nil
	}
	fmt.Fprintln(c.stdout)
	return printEvents(c, events, []string{"TIME", "EVENT", "RESULT", "BY", "REFERENCE"}, func(e audit.Event) []string {
		return []string{moment(e.At), string(e.Action), e.Result, actorName(e.Actor), e.Reference}
	})
}

func printJSON(c *console, document any) error {
	encoder := json.NewEncoder(forPrograms(c.stdout))
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
