package bench

import (
	"context"
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// Upper bounds of the cost of a signature check.
const (
	signatureTimeBar   = 5.0 // µs
	signatureAllocsBar = 20
)

// signature measures the least cost of every hook: one header is parsed and verified.
func (e *Env) signature(ctx context.Context) ([]Row, error) {
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+"/tenant/"+random.ID()+"/history?limit=50&before=2026-11-23T08:20:00Z", http.NoBody)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if err := oauth1.Sign(call, e.credentials, now, oauth1.NewNonce()); err != nil {
		return nil, err
	}
	header, address, secrets := call.Header.Get("Authorization"), call.URL.String(), []secret.Text{e.credentials.Secret}
	var times []float64
	var allocations int64
	for range e.cfg.Turns {
		var failed error
		var used float64 // µs of the last and longest run of testing.Benchmark
		result := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			before := ownTime()
			for b.Loop() {
				p, err := oauth1.Parse(header)
				if err == nil {
					err = oauth1.Verify(&p, http.MethodGet, address, secrets, now, oauth1.DefaultWindow)
				}
				failed = err
			}
			used = float64((ownTime() - before).Nanoseconds()) / 1000
		})
		if failed != nil {
			return nil, failed
		}
		times = append(times, used/float64(result.N))
		allocations = result.AllocsPerOp()
	}
	const what = "One Authorization header is parsed and verified, HMAC-SHA1, for an operation with a query, as every hook begins. There is no baseline: the bar is absolute."
	const how = "Processor time, the median of %d runs of testing.Benchmark of about a second each; %d bytes of header."
	return []Row{
		atMost("signature check, header parsed to verdict", "µs", median(times), signatureTimeBar).doing(what).with(how, e.cfg.Turns, len(header)).because(
			"About half is reading the header, and a quarter the digest."),
		atMost("signature check, header parsed to verdict", "allocations", float64(allocations), signatureAllocsBar).doing(what).with("The same runs."),
	}, nil
}
