package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How garbage is collected. Go lets the heap double before it collects, which is every few milliseconds where a loaded
// program holds little, and twice the memory where one holds many access tokens. So what may pile up is bounded as such.
const (
	garbage      = 32 << 20 // bytes of it that may pile up
	leastPercent = 10
	mostPercent  = 400
	lookAgain    = time.Second
)

// TendMemory keeps the collector to what is held, until ctx ends, and gives back what starting needed. Where the operator
// has set GOGC or GOMEMLIMIT, it does nothing. It is for whoever owns the process.
func TendMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	held := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := mostPercent
	debug.SetGCPercent(percent)
	for started := false; ; started = true {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !started {
			debug.FreeOSMemory()
		}
		metrics.Read(held)
		if next := CollectAt(held[0].Value.Uint64()); next < percent-percent/8 || next > percent+percent/8 {
			percent = next
			debug.SetGCPercent(percent)
		}
	}
}

// CollectAt returns by how many percent the heap may outgrow so many bytes that are held before it is collected.
func CollectAt(held uint64) int {
	return max(leastPercent, min(mostPercent, int(100*garbage/max(held, 1))))
}
