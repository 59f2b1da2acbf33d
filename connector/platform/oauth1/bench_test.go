package oauth1_test

import (
	"testing"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// BenchmarkVerify measures what the verification of every hook costs: one header parsed and verified.
func BenchmarkVerify(b *testing.B) {
	v := readVectors(b)
	r := v.Requests[1]
	header, now := v.header(r.Signature), v.now()
	secrets := []secret.Text{secret.New(v.Secret)}
	b.ReportAllocs()
	for b.Loop() {
		p, err := oauth1.Parse(header)
		if err != nil {
			b.Fatal(err)
		}
		if err := oauth1.Verify(&p, r.Method, r.URL, secrets, now, oauth1.DefaultWindow); err != nil {
			b.Fatal(err)
		}
	}
}
