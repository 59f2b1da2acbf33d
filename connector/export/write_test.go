package export_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"azure-partner-connector/connector/export"
	"azure-partner-connector/connector/secret"
)

const (
	directoryA = "d1000000-0000-4000-8000-00000000000a"
	directoryB = "d1000000-0000-4000-8000-00000000000b"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestParseRecipients_TakesPublicKeysOfOneKind(t *testing.T) {
	one, two := identity(t), identity(t)
	quantum, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string][]string{
		"an identity":               {one.String()},
		"a lower-case identity":     {strings.ToLower(one.String())},
		"a post-quantum identity":   {quantum.String()},
		"nonsense":                  {"age1nobody"},
		"nothing":                   {""},
		"a comment":                 {"# nobody"},
		"two in one":                {one.Recipient().String() + "\n" + two.Recipient().String()},
		"a key of SSH":              {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"a good one, then nonsense": {one.Recipient().String(), "age1nobody"},
		"both kinds":                {one.Recipient().String(), quantum.Recipient().String()},
	} {
		got, err := export.ParseRecipients(refused)
		if err == nil || !got.Nobody() {
			t.Errorf("ParseRecipients() of %s = %v, %v, want a refusal", name, got, err)
		}
		for _, text := range refused {
			if err != nil && len(text) > 10 && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)) {
				t.Errorf("the refusal of %s quotes it", name)
			}
		}
	}
	if got, err := export.ParseRecipients(nil); err != nil || !got.Nobody() {
		t.Errorf("ParseRecipients(nil) = %v, %v, want nobody", got, err)
	}
	want := one.Recipient().String() + ", " + two.Recipient().String()
	if got, err := export.ParseRecipients([]string{one.Recipient().String(), two.Recipient().String()}); err != nil || got.Nobody() || got.String() != want {
		t.Errorf("ParseRecipients() = %v, %v, want %s", got, err, want)
	}
	if got, err := export.ParseRecipients([]string{quantum.Recipient().String()}); err != nil || len(got.String()) > 100 || !strings.HasPrefix(got.String(), "age1pq1") {
		t.Errorf("ParseRecipients() of a post-quantum recipient = %v, %v, want its beginning", got, err)
	}
}

// sealed returns an export of two refresh tokens, and one who can open it.
func sealed(t *testing.T, layout export.Layout) ([]byte, age.Identity) {
	t.Helper()
	one, two := identity(t), identity(t)
	recipients, err := export.ParseRecipients([]string{one.Recipient().String(), two.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	entries := []export.Entry{{directoryA, "app-1", secret.New("token-a")}, {directoryB, "app-2", secret.New("token-b")}}
	if err := export.Write(&out, layout, entries, recipients, time.Unix(1_800_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"token-", directoryA, directoryB, "app-1", "refreshToken"} {
		if bytes.Contains(out.Bytes(), []byte(hidden)) {
			t.Errorf("%q can be read in the sealed export", hidden)
		}
	}
	if _, err := age.Decrypt(bytes.NewReader(out.Bytes()), identity(t)); err == nil {
		t.Error("somebody who is no recipient opened the export")
	}
	return out.Bytes(), two
}

func opened(t *testing.T, layout export.Layout) io.Reader {
	t.Helper()
	text, who := sealed(t, layout)
	plain, err := age.Decrypt(bytes.NewReader(text), who)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestWrite_JSON(t *testing.T) {
	var got []struct{ Directory, RefreshToken, ApplicationID string }
	if err := json.NewDecoder(opened(t, export.JSON)).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Directory != directoryA || got[0].RefreshToken != "token-a" || got[0].ApplicationID != "app-1" || got[1].RefreshToken != "token-b" {
		t.Errorf("the export has %+v, want both refresh tokens", got)
	}
}

func TestWrite_ChaperoneDir(t *testing.T) {
	archive := tar.NewReader(opened(t, export.ChaperoneDir))
	for _, want := range [][2]string{{directoryA, "token-a"}, {directoryB, "token-b"}} {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil || header.Name != want[0] || string(content) != want[1] || header.Mode != 0o600 || header.Typeflag != tar.TypeReg {
			t.Errorf("the archive has %s with mode %o and %q, %v, want %v with mode 600", header.Name, header.Mode, content, err, want)
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last file Next() = %v, want the end", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWrite_ToAFullDisk(t *testing.T) {
	recipients, err := export.ParseRecipients([]string{identity(t).Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []export.Layout{export.JSON, export.ChaperoneDir} {
		if err := export.Write(full{}, layout, []export.Entry{{directoryA, "app-1", secret.New("token-a")}}, recipients, time.Now()); err == nil {
			t.Errorf("Write() of %s to a full disk = nil, want an error", layout)
		}
	}
	if err := export.Write(io.Discard, export.JSON, nil, export.Recipients{}, time.Now()); err == nil {
		t.Error("Write() sealed to nobody = nil, want an error")
	}
}
