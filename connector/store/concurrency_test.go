package store_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/store/storetest"
)

// BenchmarkConcurrent measures requests that share a Batcher, by the number of callers.
func BenchmarkConcurrent(b *testing.B) {
	for _, db := range []*storetest.Database{storetest.SQLite(b), storetest.MySQL(b)} {
		s := db.Open(b)
		in := newInstance()
		if err := s.SaveInstance(b.Context(), &in); err != nil {
			b.Fatal(err)
		}
		id := addTenant(b, s).ID
		var unique atomic.Int64
		for name, call := range map[string]func(ctx context.Context) error{
			"nonce": func(ctx context.Context) error {
				_, err := s.RememberNonce(ctx, "key", strconv.FormatInt(unique.Add(1), 10), noon, noon.Add(time.Minute))
				return err
			},
			"resolve": func(ctx context.Context) error {
				_, err := s.Resolve(ctx, id)
				return err
			},
		} {
			for _, callers := range []int{1, 4, 32, 256} {
				b.Run(fmt.Sprintf("%s/%s/%d", db.Driver, name, callers), func(b *testing.B) {
					var left atomic.Int64
					left.Store(int64(b.N))
					var all sync.WaitGroup
					for range callers {
						all.Go(func() {
							for left.Add(-1) >= 0 {
								if err := call(b.Context()); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					all.Wait()
				})
			}
		}
	}
}
