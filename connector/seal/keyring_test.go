package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azure-partner-connector/connector/seal"
)

func create(t testing.TB) *seal.Keyring {
	t.Helper()
	k, err := seal.Create()
	if err != nil {
		t.Fatalf("Create() = _, %v", err)
	}
	return k
}

func sealed(t testing.TB, k *seal.Keyring, plaintext, table, row, column string) []byte {
	t.Helper()
	ciphertext, err := k.Seal([]byte(plaintext), table, row, column)
	if err != nil {
		t.Fatalf("Seal() = _, %v", err)
	}
	return ciphertext
}

func written(t testing.TB, k *seal.Keyring) string {
	t.Helper()
	var text bytes.Buffer
	if err := k.Write(&text); err != nil {
		t.Fatalf("Write() = %v", err)
	}
	return text.String()
}

func TestOpen_Errors(t *testing.T) {
	k := create(t)
	ciphertext := sealed(t, k, "canary", "grants", "tenant/active", "refresh_token")
	altered := bytes.Clone(ciphertext)
	altered[len(altered)-1] ^= 1
	for name, tc := range map[string]struct {
		keyring            *seal.Keyring
		ciphertext         []byte
		table, row, column string
	}{
		"another table":    {k, ciphertext, "tenants", "tenant/active", "refresh_token"},
		"another row":      {k, ciphertext, "grants", "tenant/pending", "refresh_token"},
		"another column":   {k, ciphertext, "grants", "tenant/active", "scopes"},
		"shifted names":    {k, ciphertext, "grantst", "enant/active", "refresh_token"},
		"no names":         {k, ciphertext, "", "", ""},
		"altered":          {k, altered, "grants", "tenant/active", "refresh_token"},
		"cut":              {k, ciphertext[:len(ciphertext)-1], "grants", "tenant/active", "refresh_token"},
		"empty":            {k, nil, "grants", "tenant/active", "refresh_token"},
		"another keyring":  {create(t), ciphertext, "grants", "tenant/active", "refresh_token"},
		"plaintext itself": {k, []byte("canary"), "grants", "tenant/active", "refresh_token"},
	} {
		plaintext, err := tc.keyring.Open(tc.ciphertext, tc.table, tc.row, tc.column)
		if !errors.Is(err, seal.ErrNotOpened) || plaintext != nil {
			t.Errorf("Open() with %s = %q, %v, want %v", name, plaintext, err, seal.ErrNotOpened)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("Open() with %s contains the plaintext", name)
		}
	}
}

func TestOpen_SameColumnOfSameRowOnly(t *testing.T) {
	k := create(t)
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		names := rapid.SliceOfN(rapid.StringN(0, 4, -1), 3, 3)
		at, elsewhere := names.Draw(t, "at"), names.Draw(t, "elsewhere")
		ciphertext, err := k.Seal(plaintext, at[0], at[1], at[2])
		if err != nil {
			t.Fatalf("Seal() = _, %v", err)
		}
		got, err := k.Open(ciphertext, at[0], at[1], at[2])
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Open() = %q, %v, want %q", got, err, plaintext)
		}
		_, err = k.Open(ciphertext, elsewhere[0], elsewhere[1], elsewhere[2])
		if same := fmt.Sprintf("%q", at) == fmt.Sprintf("%q", elsewhere); (err == nil) != same {
			t.Fatalf("Open() of %q at %q = _, %v", at, elsewhere, err)
		}
	})
}

func TestSeal_DiffersEachTime(t *testing.T) {
	k := create(t)
	if bytes.Equal(sealed(t, k, "same", "a", "b", "c"), sealed(t, k, "same", "a", "b", "c")) {
		t.Error("Seal() of equal values returned equal ciphertexts, which would reveal equal secrets")
	}
}

func TestHash_DependsOnKeyringPurposeAndValue(t *testing.T) {
	k := create(t)
	hash := func(k *seal.Keyring, purpose, value string) string {
		t.Helper()
		h, err := k.Hash(purpose, value)
		if err != nil || len(h) != 43 || strings.ContainsAny(h, "+/=") {
			t.Fatalf("Hash(%q, …) = %q, %v, want 43 URL-safe characters", purpose, h, err)
		}
		return h
	}
	want := hash(k, "state", "value")
	again, err := seal.Load(strings.NewReader(written(t, k)))
	if err != nil {
		t.Fatalf("Load() = _, %v", err)
	}
	next, err := k.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	for name, got := range map[string]string{"again": hash(k, "state", "value"), "by the loaded keyring": hash(again, "state", "value"), "by the keyring with another key": hash(next, "state", "value")} {
		if got != want {
			t.Errorf("Hash() %s = %q, want %q", name, got, want)
		}
	}
	for name, got := range map[string]string{
		"another value":   hash(k, "state", "value2"),
		"another purpose": hash(k, "link", "value"),
		"shifted names":   hash(k, "stat", "evalue"),
		"another keyring": hash(create(t), "state", "value"),
		"nothing":         hash(k, "", ""),
	} {
		if got == want {
			t.Errorf("Hash() with %s = %q, want another", name, got)
		}
	}
}

func TestAdd_GoesOnOpeningEarlierValues(t *testing.T) {
	k := create(t)
	old := sealed(t, k, "old", "a", "b", "c")
	next, err := k.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	fresh := sealed(t, next, "new", "a", "b", "c")
	if got, err := next.Open(old, "a", "b", "c"); err != nil || string(got) != "old" {
		t.Errorf("Open() of an earlier value = %q, %v, want old", got, err)
	}
	if _, err := k.Open(fresh, "a", "b", "c"); !errors.Is(err, seal.ErrNotOpened) {
		t.Errorf("Open() by the earlier keyring = _, %v, want %v", err, seal.ErrNotOpened)
	}
	for name, tc := range map[string]struct {
		keyring    *seal.Keyring
		ciphertext []byte
		want       bool
	}{
		"old value, old keyring": {k, old, true},
		"old value, new keyring": {next, old, false},
		"new value, new keyring": {next, fresh, true},
		"no value":               {next, nil, false},
	} {
		if got := tc.keyring.Sealed(tc.ciphertext); got != tc.want {
			t.Errorf("Sealed() of %s = %v, want %v", name, got, tc.want)
		}
	}
	if written(t, k) == written(t, next) {
		t.Error("Add() returned equal keys, or changed its receiver")
	}
}

func TestAnnounceAndPromote_OpenEachOthersValues(t *testing.T) {
	k := create(t)
	announced, err := k.Announce()
	if err != nil {
		t.Fatalf("Announce() = _, %v", err)
	}
	promoted, err := announced.Promote()
	if err != nil {
		t.Fatalf("Promote() = _, %v", err)
	}
	for name, tc := range map[string]struct {
		keyring *seal.Keyring
		want    bool
	}{"the first keyring": {k, true}, "the announced keyring": {announced, false}, "the promoted keyring": {promoted, true}} {
		if got := tc.keyring.Promoted(); got != tc.want {
			t.Errorf("Promoted() of %s = %v, want %v", name, got, tc.want)
		}
	}
	by := map[string][]byte{"k": sealed(t, k, "text", "a", "b", "c"), "announced": sealed(t, announced, "text", "a", "b", "c"), "promoted": sealed(t, promoted, "text", "a", "b", "c")}
	for name, opener := range map[string]*seal.Keyring{"announced": announced, "promoted": promoted} {
		for sealer, ciphertext := range by {
			if got, err := opener.Open(ciphertext, "a", "b", "c"); err != nil || string(got) != "text" {
				t.Errorf("Open() by the %s keyring of a value that %s sealed = %q, %v, want text", name, sealer, got, err)
			}
		}
	}
	if _, err := k.Open(by["announced"], "a", "b", "c"); err != nil {
		t.Errorf("Open() by the first keyring of a value that the announced one sealed = _, %v, want nil", err)
	}
	if promoted.Sealed(by["announced"]) || !promoted.Sealed(by["promoted"]) {
		t.Error("Sealed() by the promoted keyring = true for a value of the announced one, or false for its own")
	}
}

func TestLoad_Errors(t *testing.T) {
	k := create(t)
	good := written(t, k)
	var parts map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &parts); err != nil {
		t.Fatalf("Unmarshal() = %v", err)
	}
	sealing := string(parts["sealing"])
	for name, text := range map[string]string{
		"nothing":              "",
		"no JSON":              "canary",
		"another JSON":         `{"canary":1}`,
		"no keys":              `{}`,
		"no hashing keys":      `{"sealing":` + sealing + `}`,
		"sealing keys for all": `{"sealing":` + sealing + `,"hashing":` + sealing + `}`,
		"more after it":        good + good,
		"cut":                  good[:len(good)/2],
		"too long":             good + strings.Repeat(" ", 1<<20),
		"an altered key":       strings.Replace(good, `"value":"`, `"value":"canary`, 1),
	} {
		loaded, err := seal.Load(strings.NewReader(text))
		if err == nil || loaded != nil {
			t.Errorf("Load() of %s = _, nil, want an error", name)
			continue
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), sealing) {
			t.Errorf("Load() of %s contains a part of the file", name)
		}
	}
}

func TestKeyring_PrintsRedacted(t *testing.T) {
	k := create(t)
	config := struct{ Keyring *seal.Keyring }{k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, config} {
			if got := fmt.Sprintf(verb, value); !strings.Contains(got, "[redacted]") || len(got) > 200 {
				t.Errorf("Sprintf(%q) = %s, want [redacted]", verb, got)
			}
		}
	}
	if got := fmt.Sprint(k.String()); got != "[redacted]" {
		t.Errorf("String() = %s, want [redacted]", got)
	}
	text, err := json.Marshal(config)
	if want := `{"Keyring":"[redacted]"}`; err != nil || string(text) != want {
		t.Errorf("Marshal() = %s, %v, want %s", text, err, want)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "keyring", k)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "keyring", k)
	if n := strings.Count(log.String(), "[redacted]"); n != 2 {
		t.Errorf("the logs = %s, want [redacted] twice", log.String())
	}
}
