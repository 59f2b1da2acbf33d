package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit in which the kernel counts processor time.
const tick = 10 * time.Millisecond

// ownTime returns the processor time that this process has used so far.
func ownTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// processorTime returns the processor time of all our child processes, including the database server.
func processorTime() (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	own := strconv.Itoa(os.Getpid())
	var total time.Duration
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // the process has exited
		}
		// The process name, in parentheses, may contain any character; only numbers follow it.
		_, rest, found := strings.Cut(string(content), ") ")
		fields := strings.Fields(rest)
		if !found || len(fields) < 13 || fields[1] != own {
			continue
		}
		for _, ticks := range fields[11:13] {
			n, err := strconv.ParseInt(ticks, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", file, err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}
