package panel_test

import (
	"os"
	"testing"

	"azure-partner-connector/connector/failure"
)

func screenshots() string { return os.Getenv("PANEL_SCREENSHOTS") }

func TestScreenShowsEveryState(t *testing.T) {
	p := newPlatform(t)
	d := open(t, p, ux1)
	d.state("active")
	d.look("active")
	_ = failure.GrantAbsent
}
