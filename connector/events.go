package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/store"
)

type eventsList struct {
	configFile
	Tenant string `help:"Only events of this tenant, by its ID, name or directory." placeholder:"ID"`
	Action string `help:"Only events with this action, for example consent.granted." placeholder:"ACTION"`
	Since  string `help:"Only events since a day, for example 2026-11-01, or of the last so many hours, for example 48h." placeholder:"WHEN"`
	Limit  int    `help:"Show at most so many." default:"50" placeholder:"N"`
}

// Run lists events, newest first.
func (e eventsList) Run(c *console) error {
	if e.Limit < 1 {
		return errors.New("--limit must be positive")
	}
	since, err := sinceOf(e.Since, time.Now())
	if err != nil {
		return err
	}
	action, err := actionOf(e.Action)
	if err != nil {
		return err
	}
	return withServices(c, e.configFile, func(s *app.Services) error {
		filter := store.EventFilter{Action: action, Since: since}
		if e.Tenant != "" {
			r, err := tenantName{e.Tenant}.find(c.ctx, s)
			if err != nil {
				return err
			}
			filter.TenantID = r.Tenant.ID
		}
		events, err := s.Store.SearchEvents(c.ctx, filter, e.Limit)
		if err != nil {
			return err
		}
		return printTrail(c, events)
	})
}

// printTrail prints events of several tenants, newest first.
func printTrail(c *console, events []audit.FoundEvent) error {
	if len(events) == 0 {
		_, err := fmt.Fprintln(c.stdout, "there are no such events")
		return err
	}
	return printEvents(c, events, []string{"TIME", "EVENT", "RESULT", "TENANT", "BY", "REFERENCE"}, func(e audit.Event) []string {
		return []string{moment(e.At), string(e.Action), e.Result, cmp.Or(e.TenantID, e.InstanceKey), actorName(e.Actor), e.Reference}
	})
}

// printEvents prints a table of events, and marks those that are not proven.
func printEvents(c *console, events []audit.FoundEvent, header []string, cells func(audit.Event) []string) error {
	unproven := 0
	for _, e := range events {
		if !e.Proven {
			unproven++
		}
	}
	if unproven > 0 {
		header = append([]string{"INTEGRITY"}, header...)
	}
	table := newTable(header...)
	for _, e := range events {
		row := cells(e.Event)
		if unproven > 0 {
			row = append([]string{mark(e)}, row...)
		}
		table.add(row...)
	}
	if err := table.print(c.stdout); err != nil || unproven == 0 {
		return err
	}
	_, err := fmt.Fprintf(c.stdout, "%s %s: changed outside the connector, or covered by a checkpoint of which something was. connector events verify lists what is wrong\n",
		were(unproven, "event"), notProven)
	return err
}

// notProven marks an event of which nothing shows that the connector stored it like that.
const notProven = "not proven"

func mark(e audit.FoundEvent) string {
	if e.Proven {
		return ""
	}
	return notProven
}

func actorName(a audit.Actor) string { return cmp.Or(a.Name, a.ID, string(a.Kind)) }

// sinceOf reads a day, a time, or a duration before now; "" is the beginning.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil && clock.Storable(at) {
			return at, nil
		}
	}
	return time.Time{}, errors.New("--since is neither a day, for example 2026-11-01, nor a duration, for example 48h")
}

// actionOf reads the name of an action; "" is any.
func actionOf(name string) (audit.Action, error) {
	action, all := audit.Action(name), audit.Actions()
	if name == "" || slices.Contains(all, action) {
		return action, nil
	}
	subject, done, _ := strings.Cut(name, ".")
	var similar []string
	for _, a := range all {
		if s, d, _ := strings.Cut(string(a), "."); s == subject || d == done || d == name {
			similar = append(similar, string(a))
		}
	}
	if len(similar) > 0 {
		return "", fmt.Errorf("there is no action %q; similar are %s", name, strings.Join(similar, ", "))
	}
	return "", fmt.Errorf("there is no action %q; the actions are %s", name, strings.Trim(fmt.Sprint(all), "[]"))
}

type eventsExport struct {
	configFile
	Since  string        `help:"Leave out events from before a day, or from before the last so many hours, as in events list." placeholder:"WHEN"`
	JSONL  bool          `name:"jsonl" help:"One JSON document a line, for programs. Otherwise one line of text for each event."`
	After  string        `help:"Continue after this place, which an earlier export named at its end." placeholder:"PLACE"`
	Follow bool          `help:"Wait for further events until interrupted."`
	Every  time.Duration `help:"With --follow: how often to look for further events." default:"10s" placeholder:"DURATION"`
}

// Help implements kong.HelpProvider.
func (eventsExport) Help() string {
	return `One event a line, in the order in which checkpoints cover them, which is within a minute. At its end, and when it is interrupted, it prints on standard error the place to continue --after; no event is then missed and none comes twice. Events that are not proven are marked.`
}

// exportPage is how many events are read at once.
const exportPage = 500

// Run writes events to standard output.
func (e eventsExport) Run(c *console) error {
	after, ok := audit.ParseCursor(e.After)
	if !ok {
		return errors.New("--after is not a place that an earlier export named")
	}
	if e.Every <= 0 {
		return errors.New("--every must be positive")
	}
	since, err := sinceOf(e.Since, time.Now())
	if err != nil {
		return err
	}
	return withServices(c, e.configFile, func(s *app.Services) error {
		defer func() { fmt.Fprintln(c.stderr, "continue with --after", after) }()
		for {
			events, next, err := s.Store.CoveredTrail(c.ctx, after, exportPage)
			switch {
			case c.ctx.Err() != nil && e.Follow:
				return nil // which is how following ends
			case c.ctx.Err() != nil:
				return errors.New("interrupted before the last event")
			}
			if err != nil {
				return err
			}
			for _, event := range events {
				if event.At.Before(since) {
					continue
				}
				if err := e.write(c, event); err != nil {
					return fmt.Errorf("writing an event: %w", err)
				}
			}
			after = next
			switch {
			case len(events) == exportPage:
			case !e.Follow:
				return nil
			case clock.Sleep(c.ctx, e.Every) != nil:
				return nil
			}
		}
	})
}

// write writes one event.
func (e eventsExport) write(c *console, event audit.FoundEvent) error {
	if e.JSONL {
		return json.NewEncoder(forPrograms(c.stdout)).Encode(api.EventDocument(event))
	}
	line := []string{
		event.At.UTC().Format(time.RFC3339), string(event.Action), cmp.Or(event.Result, audit.OK), "tenant=" + event.TenantID,
		"by=" + strconv.Quote(actorName(event.Actor)), "reference=" + event.Reference,
	}
	if !event.Proven {
		line = append(line, "integrity="+strconv.Quote(notProven))
	}
	_, err := fmt.Fprintln(c.stdout, harmless(strings.Join(line, " ")))
	return err
}

type findCommand struct {
	configFile
	Reference string `arg:"" help:"A reference, as a screen, an answer or the log shows it."`
}

var referenceForm = regexp.MustCompile(`^[A-Za-z0-9-]{4,64}$`)

// Run shows what is stored with a reference.
func (f findCommand) Run(c *console) error {
	if !referenceForm.MatchString(f.Reference) {
		return errors.New("this is no reference: it has only letters, digits and hyphens")
	}
	return withServices(c, f.configFile, func(s *app.Services) error {
		events, err := s.Store.SearchEvents(c.ctx, store.EventFilter{Reference: f.Reference}, exportPage+1)
		if err != nil {
			return err
		}
		tenants, err := s.Store.FailedWith(c.ctx, f.Reference)
		if err != nil {
			return err
		}
		if len(events) == 0 && len(tenants) == 0 {
			return errors.New("nothing is stored with this reference; requests that changed nothing are only in the log, under the key reference")
		}
		for _, id := range tenants {
			fmt.Fprintf(c.stdout, "the last renewal of tenant %s failed with this reference; connector tenants show %s says why\n", id, id)
		}
		if len(events) == 0 {
			return nil
		}
		more := len(events) > exportPage // such as those of connector tenants renew --all
		events = events[:min(len(events), exportPage)]
		if err := errors.Join(printTrail(c, events), printDetails(c, events)); err != nil || !more {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "these are the latest %d events with this reference; connector events export has all\n", exportPage)
		return err
	})
}

// printDetails prints what else is stored of events, in the same order.
func printDetails(c *console, events []audit.FoundEvent) error {
	for _, e := range events {
		for _, name := range slices.Sorted(maps.Keys(e.Details)) {
			if _, err := fmt.Fprintf(c.stdout, "%s %s: %s\n", e.Action, harmless(name), harmless(e.Details[name])); err != nil {
				return err
			}
		}
	}
	return nil
}
