package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
)

// An authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue returns a certificate by an authority, or one that signs itself, changed by change.
func issue(t *testing.T, by *authority, name string, change ...func(*x509.Certificate)) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if name != "" {
		template.Subject = pkix.Name{CommonName: name, Organization: []string{"Contoso"}}
	}
	for _, change := range change {
		change(template)
	}
	parent := authority{template, key}
	if by != nil {
		parent = *by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func isAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.ExtKeyUsage = true, true, nil
}

// TestAuthenticateCertificate_ByPinOrByIssuedSubject recognises clients by a pinned certificate, and by the subject of one that an
// authority has issued.
func TestAuthenticateCertificate_ByPinOrByIssuedSubject(t *testing.T) {
	h := newHarness(t)
	ca, other := issue(t, nil, "ca", isAuthority), issue(t, nil, "ca", isAuthority)
	between := issue(t, &ca, "between", isAuthority)
	pinned := issue(t, nil, "pinned")
	first := issue(t, &ca, "subject")
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)

	add := func(name string, credential client.Credential) {
		t.Helper()
		c := billing()
		c.Name = name
		if key, err := h.AddWith(t.Context(), c, credential, operator); err != nil || !key.Empty() {
			t.Fatalf("AddWith(%s) = %v, %v, want no key", name, key, err)
		}
	}
	add("pinned", client.Credential{Certificate: pinned.certificate})
	add("subject", client.Credential{Certificate: first.certificate, BySubject: true})

	serverOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	later := func(c *x509.Certificate) { c.NotBefore = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		chain []*x509.Certificate
		pool  *x509.CertPool
		want  string // name of the client, or a failure code
	}{
		"pinned":                     {[]*x509.Certificate{pinned.certificate}, nil, "pinned"},
		"pinned, and an authority":   {[]*x509.Certificate{pinned.certificate}, pool, "pinned"},
		"the subject's first":        {[]*x509.Certificate{first.certificate}, pool, "subject"},
		"the subject's next":         {[]*x509.Certificate{issue(t, &ca, "subject").certificate}, pool, "subject"},
		"the subject's, through one": {[]*x509.Certificate{issue(t, &between, "subject").certificate, between.certificate}, pool, "subject"},
		"none":                       {nil, pool, "key_unknown"},
		"no authority":               {[]*x509.Certificate{first.certificate}, nil, "key_unknown"},
		"another authority":          {[]*x509.Certificate{issue(t, &other, "subject").certificate}, pool, "key_unknown"},
		"no chain":                   {[]*x509.Certificate{issue(t, &between, "subject").certificate}, pool, "key_unknown"},
		"signed by itself":           {[]*x509.Certificate{issue(t, nil, "subject").certificate}, pool, "key_unknown"},
		"the name of the pinned":     {[]*x509.Certificate{issue(t, &ca, "pinned").certificate}, pool, "key_unknown"},
		"another subject":            {[]*x509.Certificate{issue(t, &ca, "another").certificate}, pool, "key_unknown"},
		"for servers":                {[]*x509.Certificate{issue(t, &ca, "subject", serverOnly).certificate}, pool, "key_unknown"},
		"not yet valid":              {[]*x509.Certificate{issue(t, &ca, "subject", later).certificate}, pool, "key_unknown"},
		"second in the chain":        {[]*x509.Certificate{issue(t, nil, "x").certificate, pinned.certificate}, pool, "key_unknown"},
	} {
		c, err := h.AuthenticateCertificate(t.Context(), tc.chain, tc.pool)
		got := c.Name
		if err != nil {
			got = string(failure.From(err).Code)
		}
		if got != tc.want {
			t.Errorf("AuthenticateCertificate() of %s = %s, want %s", name, got, tc.want)
		}
	}

	_, err := h.AddCredential(t.Context(), "subject", client.Credential{Certificate: pinned.certificate}, time.Time{}, operator)
	h.refused("AddCredential() of another's certificate", err, failure.BadRequest)
	_, err = h.AddCredential(t.Context(), "subject", client.Credential{Certificate: issue(t, nil, "").certificate, BySubject: true}, time.Time{}, operator)
	h.refused("AddCredential() without a subject", err, failure.BadRequest)

	h.clock = time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	c, err := h.AuthenticateCertificate(t.Context(), []*x509.Certificate{pinned.certificate}, nil)
	h.refused("AuthenticateCertificate() after its end", err, failure.KeyExpired)
	if c.Name != "pinned" {
		t.Errorf("the client that is refused is %q, want pinned", c.Name)
	}
	_, err = h.AddCredential(t.Context(), "subject", client.Credential{Certificate: issue(t, nil, "y").certificate}, time.Time{}, operator)
	h.refused("AddCredential() of one that has ended", err, failure.BadRequest)
	keys, err := h.store.Keys(t.Context(), "pinned")
	if err != nil || len(keys) != 1 {
		t.Fatalf("Keys() = %v, %v", keys, err)
	}
	if err := h.RemoveKey(t.Context(), "pinned", keys[0].ID, audit.Actor{Kind: audit.Operator, ID: "op"}); err != nil {
		t.Fatal(err)
	}
	_, err = h.AuthenticateCertificate(t.Context(), []*x509.Certificate{pinned.certificate}, nil)
	h.refused("AuthenticateCertificate() of a removed one", err, failure.KeyUnknown)
}
