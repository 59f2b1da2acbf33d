package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/once"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// The formats of import.
const (
	fromChaperone = "chaperone-dir"
	fromCIPP      = "cipp-export"
	fromJSON      = "json"
)

// maxImport is the size, in MiB, of the largest file that is read.
const maxImport = 64

type importCommand struct {
	configFile
	From    string `help:"Format: chaperone-dir (a folder of chaperone's file store), cipp-export (a JSON object of the secrets of CIPP's key vault), json (a JSON array of objects with directory, refreshToken and possibly applicationId)." enum:"chaperone-dir,cipp-export,json" required:"" placeholder:"FORMAT"`
	Path    string `arg:"" help:"Folder or file; - is standard input."`
	DryRun  bool   `help:"Only show which tenant would get which refresh token."`
	Replace bool   `help:"Also import for tenants that have a refresh token that works."`
}

// A found is a refresh token in what is imported.
type found struct {
	name          string // says where it is: a file of the folder, the name of a secret, or the number of an entry
	directory     string // as named there; an ID in lower case, or a domain
	refreshToken  secret.Text
	applicationID string // that it was issued to; empty if that is not said
	unread        error  // why there is no refresh token to read; nil when there is one
}

// Run imports refresh tokens, one line each.
func (i importCommand) Run(c *console) error {
	all, err := i.read(c)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("there is no refresh token in it")
	}
	return withServices(c, i.configFile, func(s *app.Services) error {
		tenants, err := byDirectory(c, s)
		if err != nil {
			return err
		}
		if err := oneEach(all, tenants); err != nil {
			return err
		}
		refused := 0
		for n, f := range all {
			line, err := i.one(c, s, tenants[f.directory], f)
			if err != nil {
				refused++
				line = "refused: " + explained(err).Error()
			}
			if _, err := fmt.Fprintf(c.stdout, "%d/%d %s %s\n", n+1, len(all), harmless(f.directory), oneLine(line)); err != nil {
				return err
			}
		}
		if refused > 0 {
			return fmt.Errorf("%d of %d refresh tokens were refused; what was refused has changed nothing", refused, len(all))
		}
		return nil
	})
}

// oneEach refuses two refresh tokens for one tenant, whose directory they name by its ID and by its domain.
func oneEach(all []found, tenants map[string][]tenant.Resolved) error {
	known := map[string]string{}
	for _, f := range all {
		if f.unread != nil {
			continue
		}
		for _, r := range tenants[f.directory] {
			if other, ok := known[r.Tenant.ID]; ok {
				return fmt.Errorf("the tenant %s has two refresh tokens in it, for %s and %s; nothing was imported", r.Tenant.Name, other, f.directory)
			}
			known[r.Tenant.ID] = f.directory
		}
	}
	return nil
}

// one imports a refresh token for the tenants with its directory, which must be one.
func (i importCommand) one(c *console, s *app.Services, tenants []tenant.Resolved, f found) (line string, err error) {
	switch {
	case f.unread != nil:
		return "", f.unread
	case len(tenants) == 0:
		return "skipped: no tenant has this directory", nil
	case len(tenants) > 1:
		return "", fmt.Errorf("%d tenants have this directory: %s and %s", len(tenants), tenants[0].Tenant.Name, tenants[1].Tenant.Name)
	}
	r := tenants[0]
	if expected := r.Client().Application.ID; f.applicationID != "" && !strings.EqualFold(f.applicationID, expected) {
		return "", fmt.Errorf("it was issued to the application %s; %s needs one of the application %s", f.applicationID, r.Tenant.Name, expected)
	}
	status, err := s.Tokens.Status(c.ctx, r)
	if err != nil {
		return "", err
	}
	switch works := status.State == token.StateActive || status.State == token.StateExpiring; {
	case works && !i.Replace:
		return "skipped: " + r.Tenant.Name + " has a refresh token that works; --replace replaces it", nil
	case i.DryRun && r.Tenant.InUse() != nil:
		return "", r.Tenant.InUse()
	case i.DryRun && works:
		return "would be imported for " + r.Tenant.Name + " instead of the refresh token that works", nil
	case i.DryRun:
		return "would be imported for " + r.Tenant.Name, nil
	}
	done, err := s.Consents.Import(c.ctx, r.Tenant.ID, consent.Import{RefreshToken: f.refreshToken, Source: i.From}, commandLine())
	if err != nil {
		return "", err
	}
	line = "imported for " + r.Tenant.Name + ", consented by " + done.ConsentedBy.Username
	if done.Waiting {
		line += "; it waits until the reseller confirms it, because another person consented before"
	}
	return line, nil
}

// byDirectory returns the tenants of all instances by their directory, its ID and as entered.
func byDirectory(c *console, s *app.Services) (map[string][]tenant.Resolved, error) {
	all := map[string][]tenant.Resolved{}
	err := eachTenant(c, s, func(r tenant.Resolved) {
		names := []string{strings.ToLower(r.Tenant.DirectoryID), strings.ToLower(r.Tenant.Directory)}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if name != "" {
				all[name] = append(all[name], r)
			}
		}
	})
	return all, err
}

// eachTenant calls fn with every tenant of all instances, by ID.
func eachTenant(c *console, s *app.Services, fn func(tenant.Resolved)) error {
	for after := ""; ; {
		page, err := s.Tenants.Page(c.ctx, after, 200)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			after = r.Tenant.ID
			fn(r)
		}
	}
}

// read returns the refresh tokens in the order of their directories.
func (i importCommand) read(c *console) ([]found, error) {
	var all []found
	var err error
	if i.From == fromChaperone {
		all, err = readChaperone(i.Path)
	} else {
		var text []byte
		if text, err = readInput(c, i.Path); err == nil && i.From == fromCIPP {
			all, err = readCIPP(text)
		} else if err == nil {
			all, err = readJSON(text)
		}
	}
	if err != nil {
		return nil, err
	}
	for n := range all {
		f := &all[n]
		f.directory = strings.ToLower(strings.TrimSpace(f.directory))
		if id, ok := random.ParseID(f.directory); ok {
			f.directory = id
		}
		if f.unread == nil && (f.directory == "" || f.refreshToken.Empty() || len(f.refreshToken.Reveal()) > length.Token) {
			return nil, fmt.Errorf("%s has no directory, or no refresh token that could be one", harmless(f.name))
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return strings.Compare(a.directory, b.directory) })
	known := map[string]bool{}
	for _, f := range all {
		if known[f.directory] {
			return nil, fmt.Errorf("the directory %s has two refresh tokens", f.directory)
		}
		known[f.directory] = f.unread == nil
	}
	return all, nil
}

func readInput(c *console, path string) ([]byte, error) {
	text, err := c.input(path, maxImport)
	if err != nil {
		return nil, fmt.Errorf("reading what is imported: %w", err)
	}
	return config.WithoutMark(text), nil
}

// spelled returns a name without what key vaults and people write differently.
func spelled(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }

// readChaperone reads chaperone's file store: a file for each directory, named by its ID (docs/reference/token-api.md §6). It follows
// links inside the folder only, and leaves out hidden files.
func readChaperone(folder string) ([]found, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("reading what is imported: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading what is imported: %w", err)
	}
	var all []found
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		f := found{name: entry.Name(), directory: entry.Name(), unread: noToken(root, entry)}
		if f.unread == nil {
			text, err := readWithin(root, entry.Name())
			if err != nil {
				return nil, err
			}
			f.refreshToken = secret.New(strings.TrimSpace(string(text)))
		}
		all = append(all, f)
	}
	return all, nil
}

// noToken returns why an entry of a folder has no refresh token; nil for a file.
func noToken(root *os.Root, entry fs.DirEntry) error {
	info, err := root.Stat(entry.Name())
	switch {
	case err != nil && entry.Type()&fs.ModeSymlink != 0:
		return errors.New("it is a link that leads out of the folder, or nowhere")
	case err != nil:
		return fmt.Errorf("reading what is imported: %w", err)
	case info.IsDir():
		return errors.New("it is a folder: earlier versions of chaperone have one for each directory, with a refresh token for each service. Put the newest file of it in its place")
	case !info.Mode().IsRegular():
		return errors.New("it is not a file")
	}
	return nil
}

// readWithin reads a file of a folder.
func readWithin(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading what is imported: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxImport<<20+1))
	if err == nil && len(text) > maxImport<<20 {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxImport)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is imported: %w", err)
	}
	return config.WithoutMark(text), nil
}

// readCIPP reads the secrets of CIPP's key vault: RefreshToken for TenantID, and one for each directly added tenant, named by the ID
// of its directory.
func readCIPP(text []byte) ([]found, error) {
	var secrets map[string]any
	if json.Unmarshal(text, &secrets) != nil {
		return nil, errors.New("this is not a JSON object of secrets")
	}
	if err := once.Names(text, spelled); err != nil {
		return nil, err
	}
	byName := map[string]string{}
	for name, value := range secrets {
		text, ok := value.(string)
		if !ok && value != nil {
			return nil, errors.New("a secret in it is not a text")
		}
		byName[spelled(name)] = strings.TrimSpace(text)
	}
	application := byName["applicationid"]
	var all []found
	if own := byName["refreshtoken"]; own != "" {
		all = append(all, found{name: "RefreshToken", directory: byName["tenantid"], refreshToken: secret.New(own), applicationID: application})
	}
	for name := range secrets {
		if id, ok := random.ParseID(name); ok {
			all = append(all, found{name: id, directory: id, refreshToken: secret.New(byName[spelled(name)]), applicationID: application})
		}
	}
	return all, nil
}

// readJSON reads a list of refresh tokens.
func readJSON(text []byte) ([]found, error) {
	var entries []struct {
		Directory     string `json:"directory"`
		RefreshToken  string `json:"refreshToken"`
		ApplicationID string `json:"applicationId"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&entries) != nil || decoder.More() {
		return nil, errors.New("this is not a JSON array of objects with directory, refreshToken and possibly applicationId") // the error may quote a token
	}
	if err := once.Names(text, spelled); err != nil {
		return nil, err
	}
	all := make([]found, len(entries))
	for n, e := range entries {
		all[n] = found{
			name: fmt.Sprintf("entry %d", n+1), directory: e.Directory, refreshToken: secret.New(strings.TrimSpace(e.RefreshToken)), applicationID: strings.TrimSpace(e.ApplicationID),
		}
	}
	return all, nil
}
