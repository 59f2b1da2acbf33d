package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
)

var (
	keyLine = regexp.MustCompile(`^apck_[A-Za-z0-9_-]{43}\n$`)
	keyID   = regexp.MustCompile(`(?m)^  key (\w+)`)
)

// publicPEM returns a public key of nobody as PEM.
func publicPEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestClients_AreAddedListedAndRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		db.Open(t)
		clients := func(args ...string) output {
			return v.run(append(append([]string{"clients"}, args...), "--config", "connector.yaml")...)
		}
		tenantID := random.ID()
		v.check("clients list of none", clients("list"), 0, "there are no clients")
		v.check("clients add without tenants", clients("add", "billing"), 1, "--tenants")
		v.check("clients add of a bad name", clients("add", "Billing", "--tenants", tenantID), 1, "lower-case")
		v.check("clients add of a bad time", clients("add", "billing", "--tenants", tenantID, "--expires", "soon"), 1, "--expires")
		v.check("clients add that has expired", clients("add", "billing", "--tenants", tenantID, "--expires", "2020-01-01"), 1, "over already")
		added := clients("add", "billing", "--tenant", tenantID, "--apis", "graph,arm", "--expires", "2160h")
		v.check("clients add", added, 0, "cannot be shown again")
		if !keyLine.MatchString(added.stdout) {
			t.Errorf("clients add prints %d bytes on standard output, want the key alone", len(added.stdout))
		}
		v.secrets = append(v.secrets, strings.TrimSpace(added.stdout))
		v.check("clients add again", clients("add", "billing", "--tenants", tenantID), 1, "of this name, or")
		v.check("clients add of a wrong rule", clients("add", "reader", "--tenants", tenantID, "--forward", "GET /v1.0/users"), 1, "is not a rule")
		public := v.write("public.pem", publicPEM(t))
		v.check("clients add of two credentials", clients("add", "signer", "--tenants", tenantID, "--public-key", public, "--certificate", public), 1, "two credentials")
		v.check("clients add of no public key", clients("add", "signer", "--tenants", tenantID, "--public-key", "connector.yaml"), 1, "neither a JSON Web Key nor PEM")
		v.check("clients add --public-key", clients("add", "signer", "--tenants", tenantID, "--public-key", public), 0, "added")
		v.check("clients list of a public key", clients("list"), 0, "signer", "key public-")
		v.check("clients remove of a public key", clients("remove", "signer"), 0)
		v.check("clients add --by-subject alone", clients("add", "reader", "--tenants", tenantID, "--by-subject"), 1, "--certificate")
		rotated := clients("rotate", "billing", "--expires", "2999-12-31")
		v.check("clients rotate", rotated, 0)
		if !keyLine.MatchString(rotated.stdout) || rotated.stdout == added.stdout {
			t.Error("clients rotate prints no other key")
		}
		v.secrets = append(v.secrets, strings.TrimSpace(rotated.stdout))
		v.check("clients rotate of nobody", clients("rotate", "nobody"), 1, `there is no client "nobody"; connector clients list`)
		v.check("clients remove of nobody", clients("remove", "nobody"), 1, `there is no client "nobody"; connector clients list`)
		listed := clients("list")
		v.check("clients list", listed, 0, "billing", tenantID, "arm graph", "partner", "lend", "expires 2999-12-31", "last used never")
		ids := keyID.FindAllStringSubmatch(listed.stdout, -1)
		if len(ids) != 2 {
			t.Fatalf("clients list names %d keys, want 2", len(ids))
		}
		v.check("clients remove --key", clients("remove", "billing", "--key", ids[0][1]), 0, "removed key "+ids[0][1]+" of client billing")
		v.check("clients remove --key again", clients("remove", "billing", "--key", ids[0][1]), 1, `the client "billing" has no key "`+ids[0][1]+`"; connector clients list`)
		v.sql("UPDATE clients SET expires_at = NULL")
		v.check("clients list of an altered one", clients("list"), 0, "changed outside the connector")
		v.check("integrity list", v.run("integrity", "list", "--config", "connector.yaml"), 1, "client billing", "expires_at is now", "clients remove")
		v.check("clients rotate of an altered one", clients("rotate", "billing"), 1, "integrity")
		v.check("clients remove", clients("remove", "billing"), 0, "removed client billing")
		v.check("integrity list", v.run("integrity", "list", "--config", "connector.yaml"), 0, "as the connector stored them")
		v.check("clients list", clients("list"), 0, "there are no clients")
		reader := clients("add", "reader", "--tenants", tenantID, "--forward", "GET,HEAD graph /v1.0/users/**", "--forward", "* arm /subscriptions/*")
		v.check("clients add --forward", reader, 0)
		v.secrets = append(v.secrets, strings.TrimSpace(reader.stdout))
		listed = clients("list")
		v.check("clients list of rules", listed, 0, "GET,HEAD graph /v1.0/users/**", "* arm /subscriptions/*", "arm graph")
		if strings.Contains(listed.stdout, "lend") || strings.Contains(listed.stdout, "partnercenter") {
			t.Errorf("a client that only forwards may lend, or use other apis:\n%s", listed.stdout)
		}
	})
}

// TestClientsAdd_SaysWhatItSaw names the value that is wrong and nothing about requests, which a command does not send.
func TestClientsAdd_SaysWhatItSaw(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	c.check("migrate", c.run("migrate", "--config", file), 0)
	for name, tc := range map[string]struct {
		flags []string
		want  string
	}{
		"a name of a tenant":   {[]string{"--tenants", "Alpine Cloud"}, `"Alpine Cloud" is neither any nor the ID of a tenant`},
		"an unknown api":       {[]string{"--tenants", "any", "--apis", "azure"}, `"azure" is none of the apis partnercenter, graph, arm`},
		"a domain":             {[]string{"--tenants", "any", "--directories", "fabrikam.example"}, `"fabrikam.example" is neither partner, nor customers, nor the ID of a directory`},
		"an unknown operation": {[]string{"--tenants", "any", "--operations", "borrow"}, `"borrow" is none of the operations lend, read,`},
		"a rule's api":         {[]string{"--tenants", "any", "--apis", "arm", "--forward", "GET graph /v1.0/me"}, `"GET graph /v1.0/me" is for an api that is not among the client's`},
	} {
		got := c.run(append([]string{"clients", "add", "reader", "--config", file}, tc.flags...)...)
		c.check("clients add with "+name, got, 1, tc.want, "(bad_request)")
		if strings.Contains(got.stderr, "request and send") {
			t.Errorf("clients add with %s tells the operator to send a request:\n%s", name, got.stderr)
		}
	}
}

// TestClientsAdd_NotesTenantsThatAreNotHere adds the client all the same: an ID may be known before its tenant is provisioned.
func TestClientsAdd_NotesTenantsThatAreNotHere(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	c.check("migrate", c.run("migrate", "--config", file), 0)
	tenantID := random.ID()
	added := c.run("clients", "add", "reader", "--tenants", tenantID, "--public-key", c.write("public.pem", publicPEM(t)), "--config", file)
	c.check("clients add", added, 0, "there is no tenant "+tenantID+" here", "connector tenants list")
	c.check("clients add of any", c.run("clients", "add", "signer", "--tenants", "any", "--public-key", c.write("public.pem", publicPEM(t)), "--config", file), 0)
}
