package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A machine is what the processors have done so far.
type machine struct {
	children   time.Duration // for the programs that are measured and the database server
	own        time.Duration // for this program
	idle, busy time.Duration // all of them together; busy includes what a host took away
}

func readMachine() (machine, error) {
	children, err := processorTime()
	if err != nil {
		return machine{}, err
	}
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, fmt.Errorf("reading what the processors do: %w", err)
	}
	m := machine{children: children, own: ownTime()}
	line, _, _ := strings.Cut(string(content), "\n")
	for i, ticks := range strings.Fields(line) {
		if i == 0 || i > 8 { // the name, and what guests use, which is counted already
			continue
		}
		n, err := strconv.ParseInt(ticks, 10, 64)
		if err != nil {
			return machine{}, fmt.Errorf("reading what the processors do: %w", err)
		}
		if i == 4 || i == 5 { // idle, and idle while a disk works
			m.idle += time.Duration(n) * tick
		} else {
			m.busy += time.Duration(n) * tick
		}
	}
	return m, nil
}

// others returns the share of the processors that other work used since before, in percent; client is what the client used.
func (m machine) others(before machine, client time.Duration) float64 {
	all := m.idle - before.idle + m.busy - before.busy
	if all <= 0 {
		return 0
	}
	ours := m.children - before.children + m.own - before.own + client
	return max(0, 100*float64(m.busy-before.busy-ours)/float64(all))
}

// noise describes how much the machine did besides while the runs of all loads were measured.
func noise(others []float64) string {
	if len(others) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.0f %% of the processors in the median run, %.0f to %.0f %% in the others", median(others), slices.Min(others), slices.Max(others))
}
