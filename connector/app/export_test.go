package app

import (
	"context"
	"net/http"

	"azure-partner-connector/connector/clock"
)

// Trigger is the trigger of renewals, which the scheduler and the platform's calls fire.
type Trigger = trigger

var (
	NewTrigger = newTrigger
	Fire       = trigger.fire
	RunTrigger = trigger.run
)

// Private returns the handler of the private listener.
func Private(a *App) http.Handler {
	for _, s := range a.servers {
		if s.name == "private" {
			return s.http.Handler
		}
	}
	return nil
}

// Address returns the address of a listener.
func Address(a *App, name string) string {
	for _, s := range a.servers {
		if s.name == name {
			return s.listener.Addr().String()
		}
	}
	return ""
}

// SetSkew replaces the comparison of a's clock with Microsoft's, and compares once.
func SetSkew(ctx context.Context, a *App, skew clock.Skew) {
	a.clock.measure = func(context.Context) clock.Skew { return skew }
	a.clock.skew(ctx)
}

// CheckIntegrity covers events and looks for altered rows, unless another replica does it.
func CheckIntegrity(ctx context.Context, a *App) error { return a.integrity.run(ctx) }

// Purge runs the hourly purge, and CloseApp releases what New opened.
var (
	Purge    = (*App).purge
	CloseApp = (*App).close
)
