package tenant_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatalf("rsa.GenerateKey() = _, %v", err)
	}
	return key
}

// certificate returns a self-signed certificate of key in PEM.
func certificate(t testing.TB, key crypto.Signer, ends time.Time) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector"}, NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("x509.CreateCertificate() = _, %v", err)
	}
	return block("CERTIFICATE", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pkcs8 returns key in PEM.
func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("x509.MarshalPKCS8PrivateKey() = _, %v", err)
	}
	return block("PRIVATE KEY", der)
}

func TestParseCertificate_TakesACertificateWithItsKey(t *testing.T) {
	ends := time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
	key, other, short := rsaKey(t, 2048), rsaKey(t, 2048), rsaKey(t, 1024)
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, foreign, private := certificate(t, key, ends), certificate(t, other, ends), pkcs8(t, key)
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	for name, tc := range map[string]struct {
		text string
		want failure.Code // "" for no failure
	}{
		"empty":                    {"", failure.CertificateUnreadable},
		"a client secret":          {"Abc8Q~secret-value", failure.CertificateUnreadable},
		"key only":                 {private, failure.CertificateUnreadable},
		"spoiled certificate":      {strings.Replace(leaf, "MII", "MIA", 1) + private, failure.CertificateUnreadable},
		"blocks that do not match": {strings.Replace(leaf, "END CERTIFICATE", "END PRIVATE KEY", 1) + private, failure.CertificateUnreadable},
		"too long":                 {leaf + private + strings.Repeat("\n", 40_000), failure.CertificateUnreadable},
		"certificate only":         {leaf, failure.CertificateKey},
		"spoiled key":              {leaf + block("PRIVATE KEY", []byte("no key")), failure.CertificateKey},
		"encrypted key":            {leaf + block("ENCRYPTED PRIVATE KEY", []byte("sealed")), failure.CertificateKey},
		"legacy encrypted key": {
			leaf + "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
			failure.CertificateKey,
		},
		"elliptic curve":        {certificate(t, elliptical, ends) + pkcs8(t, elliptical), failure.CertificateKey},
		"short key":             {certificate(t, short, ends) + pkcs8(t, short), failure.CertificateKey},
		"key of another":        {foreign + private, failure.CertificateMismatch},
		"PKCS#8":                {leaf + private, ""},
		"PKCS#1":                {leaf + pkcs1, ""},
		"key first":             {private + leaf, ""},
		"with a chain":          {foreign + leaf + private, ""},
		"with text around":      {"Bag Attributes\n  localKeyID: 01\n" + leaf + "Key Attributes: <No Attributes>\n" + private, ""},
		"line ends of Windows":  {strings.ReplaceAll(leaf+private, "\n", "\r\n"), ""},
		"line ends lost":        {strings.ReplaceAll(leaf+private, "\n", ""), ""},
		"line ends made spaces": {strings.ReplaceAll(leaf+private, "\n", " "), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tenant.ParseCertificate(secret.New(tc.text))
			if tc.want != "" {
				if !failure.Is(err, tc.want) {
					t.Errorf("ParseCertificate() = _, %v, want %s", err, tc.want)
				}
				return
			}
			if err != nil || !got.Leaf.NotAfter.Equal(ends) || !got.Key().PublicKey.Equal(got.Leaf.PublicKey) {
				t.Errorf("ParseCertificate() = _, %v, want the certificate with its key", err)
			}
		})
	}
}

func TestCertificate_EncodesNoKey(t *testing.T) {
	key := rsaKey(t, 2048)
	c, err := tenant.ParseCertificate(secret.New(certificate(t, key, time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)) + pkcs8(t, key)))
	if err != nil {
		t.Fatalf("ParseCertificate() = _, %v", err)
	}
	encoded, err := json.Marshal(&c)
	if err != nil || strings.Contains(string(encoded)+fmt.Sprintf("%+v %#v", c, &c), key.D.String()) {
		t.Errorf("json.Marshal() and Sprintf() of a certificate = %s, %v, want no private key in it", encoded, err)
	}
}

func FuzzParseCertificate(f *testing.F) {
	key := rsaKey(f, 2048)
	f.Add(certificate(f, key, time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)) + pkcs8(f, key))
	f.Add("-----BEGIN CERTIFICATE----------END CERTIFICATE-----")
	f.Add("-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := tenant.ParseCertificate(secret.New(text))
		if err == nil && !got.Key().PublicKey.Equal(got.Leaf.PublicKey) {
			t.Error("ParseCertificate() = a certificate with another's key, want a failure")
		}
	})
}
