package panel_test

import (
	"os"
	"testing"

	"azure-partner-connector/sandbox/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }
