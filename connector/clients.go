package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

type clientsCommand struct {
	Add    clientsAdd    `cmd:"" help:"Add a client of the token API, and print its key, once."`
	List   clientsList   `cmd:"" help:"List the clients of the token API, what they may do, and their keys."`
	Rotate clientsRotate `cmd:"" help:"Add a key to a client and print it, once. The other keys go on working until clients remove --key."`
	Remove clientsRemove `cmd:"" help:"Remove a client, or one of its keys. It stops working within a second."`
}

// credentialFlags are the flags of a certificate or a public key instead of a key.
type credentialFlags struct {
	Certificate string `help:"A PEM file with the certificate of the client, which proves who it is instead of a key. Only listeners with a certificate of their own accept it." type:"existingfile" placeholder:"FILE"`
	BySubject   bool   `help:"Accept every certificate with the subject of --certificate that an authority of clientCAFile has issued, and not only that one."`
	PublicKey   string `help:"A file with the public key of the client, a JSON Web Key or PEM. The client signs assertions with the private key (private_key_jwt) instead of sending a key; only the OAuth token endpoint accepts them." type:"existingfile" placeholder:"FILE"`
}

func (f credentialFlags) credential() (client.Credential, error) {
	if f.PublicKey != "" {
		if f.Certificate != "" || f.BySubject {
			return client.Credential{}, errors.New("--public-key and --certificate are two credentials: add one, and the other with clients rotate")
		}
		return publicKey(f.PublicKey)
	}
	if f.Certificate == "" {
		if f.BySubject {
			return client.Credential{}, errors.New("--by-subject needs --certificate")
		}
		return client.Credential{}, nil
	}
	text, err := os.ReadFile(f.Certificate)
	if err != nil {
		return client.Credential{}, fmt.Errorf("reading the certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return client.Credential{}, fmt.Errorf("%s does not begin with a PEM certificate", f.Certificate)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return client.Credential{}, fmt.Errorf("reading the certificate: %w", err)
	}
	return client.Credential{Certificate: certificate, BySubject: f.BySubject}, nil
}

func publicKey(file string) (client.Credential, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return client.Credential{}, fmt.Errorf("reading the public key: %w", err)
	}
	key, err := client.ParsePublicKey(text)
	if err != nil {
		return client.Credential{}, fmt.Errorf("reading the public key in %s: %w", file, err)
	}
	return client.Credential{PublicKey: &key}, nil
}

type clientsAdd struct {
	configFile
	credentialFlags
	Name        string   `arg:"" help:"Name of the client, which is also its client_id: lower-case letters, digits, dots, hyphens, underscores."`
	Tenants     []string `help:"IDs of the tenants whose tokens it may use, or any." required:"" aliases:"tenant" placeholder:"ID"`
	APIs        []string `name:"apis" help:"The apis that it may use. Default: those of its --forward rules, else partnercenter, graph and arm." placeholder:"API"`
	Directories []string `help:"The directories that it may use them in: partner (the partner's own), IDs of customers' directories, or customers (all that the instance allows)." default:"partner" placeholder:"ID"`
	Operations  []string `help:"What it may do: lend (borrow access tokens), read (list tenants, read statuses and histories), renew (renew and check tokens), consent (make links), events (read the audit trail), forward (have calls forwarded by the egress), import (give refresh tokens). Default: forward with --forward, else lend." placeholder:"OPERATION"`
	Forward     []string `help:"A rule of calls that the egress forwards for it: methods, api and path. In the path, * is one segment and ** any number. Repeat the flag for further rules." sep:"none" placeholder:"'GET,POST graph /v1.0/users/**'"`
	Expires     string   `help:"When it stops working: a day, for example 2027-06-30, or a duration, for example 2160h. Default: never." placeholder:"WHEN"`
}

// Run adds a client.
func (a clientsAdd) Run(c *console) error {
	expires, err := expiry(a.Expires, time.Now())
	if err != nil {
		return err
	}
	scopes, err := a.scopes()
	if err != nil {
		return err
	}
	credential, err := a.credential()
	if err != nil {
		return err
	}
	return withClients(c, a.configFile, func(s *client.Service, db *store.Store) error {
		key, err := s.AddWith(c.ctx, client.Client{Name: a.Name, Scopes: scopes, ExpiresAt: expires}, credential, commandLine())
		if err := printKey(c, key, err); err != nil {
			return err
		}
		return noteAbsent(c, db, scopes.Tenants)
	})
}

// noteAbsent says which tenants are not here, on standard error. Their IDs may be known before they are provisioned.
func noteAbsent(c *console, db *store.Store, tenants []string) error {
	for _, id := range tenants {
		parsed, err := uuid.Parse(id)
		if err != nil {
			continue // any
		}
		_, err = tenant.Resolve(c.ctx, db, parsed.String())
		switch {
		case failure.Is(err, failure.NotFound):
			fmt.Fprintf(c.stderr, "The client was added, but there is no tenant %s here; connector tenants list shows the IDs.\n", parsed)
		case err != nil:
			return err
		}
	}
	return nil
}

// scopes returns what the flags say. Who only forwards gets no access token and needs no other api.
func (a clientsAdd) scopes() (client.Scopes, error) {
	scopes := client.Scopes{Tenants: a.Tenants, APIs: a.APIs, Directories: a.Directories}
	for _, text := range a.Forward {
		rule, err := client.ParseRule(text)
		if err != nil {
			return client.Scopes{}, err
		}
		scopes.Forward = append(scopes.Forward, rule)
	}
	for _, op := range a.Operations {
		scopes.Operations = append(scopes.Operations, client.Operation(op))
	}
	forwards := len(scopes.Forward) > 0
	if len(scopes.Operations) == 0 {
		scopes.Operations = []client.Operation{client.Lend}
		if forwards {
			scopes.Operations = []client.Operation{client.Forward}
		}
	}
	if len(scopes.APIs) > 0 {
		return scopes, nil
	}
	if forwards && len(scopes.Operations) == 1 {
		for _, rule := range scopes.Forward {
			scopes.APIs = append(scopes.APIs, rule.API)
		}
		return scopes, nil
	}
	scopes.APIs = tenant.APIs()
	return scopes, nil
}

type clientsRotate struct {
	configFile
	credentialFlags
	Name    string `arg:"" help:"Name of the client."`
	Expires string `help:"When the new key stops working, as in clients add. Default: never." placeholder:"WHEN"`
}

// Run adds a key to a client.
func (r clientsRotate) Run(c *console) error {
	expires, err := expiry(r.Expires, time.Now())
	if err != nil {
		return err
	}
	credential, err := r.credential()
	if err != nil {
		return err
	}
	return withClients(c, r.configFile, func(s *client.Service, _ *store.Store) error {
		key, err := s.AddCredential(c.ctx, r.Name, credential, expires, commandLine())
		return printKey(c, key, named(c, s, r.Name, "", err))
	})
}

type clientsRemove struct {
	configFile
	Name string `arg:"" help:"Name of the client."`
	Key  string `help:"Remove only the key with this ID, which clients list shows." placeholder:"ID"`
}

// Run removes a client or a key of it.
func (r clientsRemove) Run(c *console) error {
	return withClients(c, r.configFile, func(s *client.Service, _ *store.Store) error {
		what, remove := "client "+r.Name, func() error { return s.Remove(c.ctx, r.Name, commandLine()) }
		if r.Key != "" {
			what, remove = "key "+r.Key+" of "+what, func() error { return s.RemoveKey(c.ctx, r.Name, r.Key, commandLine()) }
		}
		if err := remove(); err != nil {
			return named(c, s, r.Name, r.Key, err)
		}
		_, err := fmt.Fprintln(c.stdout, "removed", what)
		return err
	})
}

// named returns an error that says which client or key was not found instead of the failure not_found.
func named(c *console, s *client.Service, name, key string, err error) error {
	if !failure.Is(err, failure.NotFound) {
		return err
	}
	if _, err := s.Client(c.ctx, name); err == nil && key != "" {
		return fmt.Errorf("the client %q has no key %q; connector clients list shows its keys", name, key)
	}
	return fmt.Errorf("there is no client %q; connector clients list shows the clients", name)
}

type clientsList struct{ configFile }

// Run lists all clients.
func (l clientsList) Run(c *console) error {
	return withClients(c, l.configFile, func(s *client.Service, _ *store.Store) error {
		clients, err := s.List(c.ctx)
		if err != nil {
			return err
		}
		if len(clients) == 0 {
			_, err := fmt.Fprintln(c.stdout, "there are no clients; add one with connector clients add")
			return err
		}
		for _, listed := range clients {
			fmt.Fprintf(c.stdout, "%s%s\n", listed.Name, alteredMark(listed.Altered))
			table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
			operations := fmt.Sprint(listed.Operations)
			for _, rule := range listed.Forward {
				fmt.Fprintf(table, "  forward\t%s\n", rule)
			}
			for _, row := range [][2]string{
				{"tenants", strings.Join(listed.Tenants, " ")},
				{"apis", strings.Join(listed.APIs, " ")},
				{"directories", strings.Join(listed.Directories, " ")},
				{"operations", strings.Trim(operations, "[]")},
				{"expires", moment(listed.ExpiresAt)},
			} {
				fmt.Fprintf(table, "  %s\t%s\n", row[0], row[1])
			}
			for _, key := range listed.Keys {
				fmt.Fprintf(table, "  key %s%s\tadded %s, expires %s, last used %s\n", key.ID, alteredMark(key.Altered), moment(key.CreatedAt), moment(key.ExpiresAt), moment(key.LastUsedAt))
			}
			if err := table.Flush(); err != nil {
				return err
			}
		}
		return nil
	})
}

func alteredMark(altered bool) string {
	if altered {
		return " (changed outside the connector: it does not work)"
	}
	return ""
}

func moment(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04 UTC")
}

// printKey prints a new key alone on standard output, so that scripts can read it, and what to do with it on standard error.
func printKey(c *console, key secret.Text, err error) error {
	if err != nil {
		return err
	}
	if key.Empty() {
		_, err := fmt.Fprintln(c.stdout, "added")
		return err
	}
	fmt.Fprintln(c.stderr, "Keep this key; it cannot be shown again:")
	_, err = fmt.Fprintln(c.stdout, key.Reveal())
	return err
}

// expiry reads a day, a time or a duration; "" is never.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil && clock.Storable(at) {
			return at, nil
		}
	}
	return time.Time{}, errors.New("--expires is neither a day, for example 2027-06-30, nor a duration, for example 2160h")
}

// withClients calls use with the clients of the configured database, and with that database.
func withClients(c *console, file configFile, use func(*client.Service, *store.Store) error) error {
	cfg, err := file.load()
	if err != nil {
		return err
	}
	return withConfiguredStore(c, file, func(keyring *seal.Keyring, s *store.Store) error {
		err := s.Check(c.ctx)
		if errors.Is(err, sqldb.ErrOlderSchema) {
			err = fmt.Errorf("%w; run connector migrate", err)
		}
		if err := errors.Join(s.CheckForm(c.ctx), err); err != nil {
			return err
		}
		clients, err := client.New(client.Config{Store: s, Hasher: keyring, APIs: app.APIs(cfg.Instances), Refusals: audit.NewTally(s, time.Now)})
		if err != nil {
			return err
		}
		return explained(use(clients, s))
	})
}
