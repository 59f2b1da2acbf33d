package config_test

import (
	"bytes"
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
)

// TestKeysOpen_FromTheEnvironment opens with keys from a variable what the same keys sealed.
func TestKeysOpen_FromTheEnvironment(t *testing.T) {
	var text bytes.Buffer
	keyring, err := seal.Create()
	if err == nil {
		err = keyring.Write(&text)
	}
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keyring.Seal([]byte(canary), "table", "row", "column")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "config.yaml", strings.Replace(valid, "keys: {file: keys/keys.json}", "", 1), 0o600)
	got, err := config.Load(file, []string{"CONNECTOR_KEYS__RING=" + text.String()})
	if err != nil {
		t.Fatalf("Load() = %v", err)
	}
	opening, err := got.Keys.Open()
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	if opened, err := opening.Open(sealed, "table", "row", "column"); err != nil || string(opened) != canary {
		t.Errorf("Open() of what the same keys sealed = _, %v", err)
	}
}
