// Package export writes refresh tokens for another program, encrypted for age recipients: nobody else can read anything in it, not
// even for which directories there are tokens.
package export

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"azure-partner-connector/connector/secret"
)

// A Layout is the form of what is sealed. connector import reads each.
type Layout string

// The layouts.
const (
	// ChaperoneDir is a tar archive of chaperone's file store: a file for each directory, named by its ID
	// (docs/reference/token-api.md §6).
	ChaperoneDir Layout = "chaperone-dir"
	// JSON is an array of objects with directory, refreshToken and applicationId.
	JSON Layout = "json"
)

// An Entry is one refresh token.
type Entry struct {
	DirectoryID   string
	ApplicationID string // that it was issued to
	RefreshToken  secret.Text
}

// shownName is how much of a recipient String shows: all of the usual ones, and enough of a post-quantum one, which has 2,000
// characters, to recognize it.
const shownName = 62

// Recipients are the public keys of those who can open an export.
type Recipients struct {
	keys  []age.Recipient
	names []string
}

// ParseRecipients reads recipients of age: age1… or age1pq…. Its errors quote nothing: what was entered may be an identity, which is
// secret. Recipients of both kinds cannot open one file together.
func ParseRecipients(names []string) (Recipients, error) {
	var all Recipients
	for i, name := range names {
		if strings.HasPrefix(strings.ToUpper(name), "AGE-SECRET-KEY-") {
			return Recipients{}, fmt.Errorf("number %d is an identity, which is secret: use its recipient, which age-keygen -y prints", i+1)
		}
		keys, err := age.ParseRecipients(strings.NewReader(name))
		if err != nil || len(keys) != 1 {
			return Recipients{}, fmt.Errorf("number %d is not a recipient of age, as age-keygen prints it (age1…)", i+1)
		}
		all.keys, all.names = append(all.keys, keys[0]), append(all.names, name)
	}
	if len(all.keys) > 0 {
		if _, err := age.Encrypt(io.Discard, all.keys...); err != nil {
			return Recipients{}, errors.New("post-quantum recipients (age1pq…) and others cannot be mixed")
		}
	}
	return all, nil
}

// Nobody reports whether there are no recipients.
func (r Recipients) Nobody() bool { return len(r.keys) == 0 }

// String returns the recipients, for people to recognize.
func (r Recipients) String() string {
	shown := make([]string, len(r.names))
	for i, name := range r.names {
		if shown[i] = name; len(name) > shownName {
			shown[i] = name[:shownName] + "…"
		}
	}
	return strings.Join(shown, ", ")
}

// Write writes entries to w, sealed to recipients. at is the time of the files in an archive.
func Write(w io.Writer, layout Layout, entries []Entry, recipients Recipients, at time.Time) error {
	sealed, err := age.Encrypt(w, recipients.keys...)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if layout == ChaperoneDir {
		err = writeArchive(sealed, entries, at)
	} else {
		err = writeJSON(sealed, entries)
	}
	if err = errors.Join(err, sealed.Close()); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}

func writeArchive(w io.Writer, entries []Entry, at time.Time) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		value := e.RefreshToken.Reveal()
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.DirectoryID, Size: int64(len(value)), Mode: 0o600, ModTime: at}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.WriteString(archive, value); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeJSON(w io.Writer, entries []Entry) error {
	list := make([]map[string]string, len(entries))
	for i, e := range entries {
		list[i] = map[string]string{"directory": e.DirectoryID, "refreshToken": e.RefreshToken.Reveal(), "applicationId": e.ApplicationID}
	}
	return json.NewEncoder(w).Encode(list)
}
