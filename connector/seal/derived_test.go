package seal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/seal"
)

func derive(t *testing.T, k *seal.Keyring, label string) *seal.Derived {
	t.Helper()
	d, err := k.Derive(label)
	if err != nil {
		t.Fatalf("Derive(%q) = _, %v", label, err)
	}
	return d
}

func TestDerive_OpensAfterItsKeyWasRetired(t *testing.T) {
	k := create(t)
	ciphertext, err := derive(t, k, "browser").Seal([]byte("canary"), "onboarding", "some", "outcome")
	if err != nil {
		t.Fatalf("Seal() = _, %v", err)
	}
	added, err := k.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	retired, err := added.Retire(k.Primary())
	if err != nil {
		t.Fatalf("Retire() = _, %v", err)
	}
	plaintext, err := derive(t, retired, "browser").Open(ciphertext, "onboarding", "some", "outcome")
	if err != nil || string(plaintext) != "canary" {
		t.Errorf("Open() after the sealing key was retired = %q, %v, want what was sealed", plaintext, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another label": func() ([]byte, error) { return derive(t, k, "other").Open(ciphertext, "onboarding", "some", "outcome") },
		"another row": func() ([]byte, error) {
			return derive(t, k, "browser").Open(ciphertext, "onboarding", "another", "outcome")
		},
		"another keyring": func() ([]byte, error) {
			return derive(t, create(t), "browser").Open(ciphertext, "onboarding", "some", "outcome")
		},
		"the keyring itself": func() ([]byte, error) { return k.Open(ciphertext, "onboarding", "some", "outcome") },
		"a cut value": func() ([]byte, error) {
			return derive(t, k, "browser").Open(ciphertext[:10], "onboarding", "some", "outcome")
		},
	} {
		if plaintext, err := open(); !errors.Is(err, seal.ErrNotOpened) || plaintext != nil {
			t.Errorf("Open() with %s = %q, %v, want %v", name, plaintext, err, seal.ErrNotOpened)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", derive(t, k, "browser"), derive(t, k, "browser"), derive(t, k, "browser"), derive(t, k, "browser")); strings.TrimSpace(strings.ReplaceAll(text, "[redacted]", "")) != "" {
		t.Errorf("printing a Derived = %s", text)
	}
}

func TestRetire_TakesAwayOneKey(t *testing.T) {
	first := create(t)
	old := sealed(t, first, "canary", "a", "b", "c")
	both, err := first.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	if key, ok := seal.KeyOf(old); !ok || key != first.Primary() || !strings.HasPrefix(string(old), string(seal.PrefixOf(key))) {
		t.Errorf("KeyOf() = %d, %v, want %d", key, ok, first.Primary())
	}
	for _, value := range []string{"", "\x01\x02\x03\x04", "\x00\x02\x03\x04\x05\x06"} {
		if key, ok := seal.KeyOf([]byte(value)); ok {
			t.Errorf("KeyOf(%q) = %d, want none", value, key)
		}
	}
	if got := both.Keys(); !slices.Equal(got, []uint32{first.Primary(), both.Primary()}) {
		t.Errorf("Keys() = %v, want both in their order", got)
	}
	again, err := both.With(first.Primary())
	if err != nil || !again.Sealed(old) {
		t.Errorf("With() = _, %v, want the first key to seal", err)
	}
	if _, err := both.With(12345); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("With() of an unknown key = _, %v, want %v", err, seal.ErrNoKey)
	}
	if _, err := both.Retire(both.Primary()); err == nil {
		t.Error("Retire() of the key that seals = nil, want an error")
	}
	if _, err := both.Retire(12345); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("Retire() of an unknown key = _, %v, want %v", err, seal.ErrNoKey)
	}
	newest, err := both.Retire(first.Primary())
	if err != nil {
		t.Fatalf("Retire() = _, %v", err)
	}
	if _, err := newest.Open(old, "a", "b", "c"); !errors.Is(err, seal.ErrNotOpened) {
		t.Errorf("Open() with a retired key = _, %v, want %v", err, seal.ErrNotOpened)
	}
	if _, err := newest.Open(sealed(t, both, "canary", "a", "b", "c"), "a", "b", "c"); err != nil {
		t.Errorf("Open() with the remaining key = _, %v", err)
	}
}
