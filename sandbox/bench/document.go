package bench

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Conditions are the conditions of a measurement. They do not identify the machine.
type Conditions struct {
	Day              time.Time
	Processor        string // model
	Cores            int
	Memory           string
	System           string
	Load             string // average of the machine at the start
	Noise            string // what else the machine did during the runs
	Go, MariaDB, Wrk string
	Commit           string
	Duration         time.Duration // of one run of a load
	Turns            int
	Connections      []int // of the client, in turn
	Poolsize         int
}

// Write writes the document for rows to a file.
func (e *Env) Write(ctx context.Context, document string, rows []Row) error {
	conditions, err := e.conditions(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(document, Document(conditions, rows), 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// Document returns docs/explanation/benchmarks.md for rows.
func Document(s Conditions, rows []Row) []byte {
	var b bytes.Buffer
	met := 0
	for _, row := range rows {
		if row.Met {
			met++
		}
	}
	fmt.Fprintf(&b, documentHead, s.Day.Format(time.DateOnly), met, len(rows), s.Processor, s.Cores, s.Memory, s.Load, s.Noise, s.System,
		s.Go, s.MariaDB, s.Wrk, s.Commit, numbers(s.Connections), s.Turns, s.Duration, s.Poolsize)
	b.WriteString("\n## The bars\n\n| | bar | measured | |\n| --- | --- | --- | --- |\n")
	for _, row := range rows {
		verdict := row.Verdict()
		if !row.Met {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(row.Name), cell(row.Bar), cell(row.Measured), verdict)
	}
	if slices.ContainsFunc(rows, func(row Row) bool { return len(row.loads) > 0 }) {
		b.WriteString("\n## Under load\n\n" + tableHead)
	}
	for _, row := range rows {
		b.WriteString(row.loads.table(row.work))
	}
	b.WriteString("\n## Row by row\n")
	for _, row := range rows {
		if row.Does == "" && row.Details == "" {
			continue // the figures are in the table
		}
		fmt.Fprintf(&b, "\n**%s: %s, bar %s.** %s\n", capital(row.Name), row.Measured, row.Bar, strings.TrimSpace(row.Does+" "+row.Details))
	}
	b.WriteString("\n## What is not met, and why\n\n")
	if met == len(rows) {
		b.WriteString("Every bar is met.\n")
	}
	if slices.ContainsFunc(rows, func(row Row) bool { return !row.Met && strings.HasSuffix(row.Unmet, sharedProcessors) }) {
		b.WriteString(sharedProcessors + "\n\n")
	}
	for _, row := range rows {
		if row.Met {
			continue
		}
		reason := row.Unmet
		switch reason {
		case "":
			reason = "No reason is known: earlier measurements met this bar."
		case sharedProcessors:
			reason = "Only what is said above."
		default:
			reason = strings.TrimSpace(strings.TrimSuffix(reason, sharedProcessors))
		}
		fmt.Fprintf(&b, "- **%s** (%s, bar %s). %s\n", capital(row.Name), row.Measured, row.Bar, reason)
	}
	b.WriteString(documentProfiles)
	return b.Bytes()
}

const documentProfiles = `
## Where the time goes

` + "`bin/bench -only lending,clients -profiles FOLDER`" + ` writes two profiles of each connector that it loads: PROCESS.cpu.pprof and PROCESS.allocs.pprof, for
` + "`go tool pprof`" + `. They are taken from the same runs, so the figures of these runs are a little worse. What they show is in the reasons above.
`

const documentHead = `# Benchmarks

What the connector costs compared with the least that any program would have to do. This page is written by ` + "`make bench`" + `; the program is
[sandbox/bench](../../sandbox/bench). Measured %s: %d of %d bars are met.

| | |
| --- | --- |
| processor | %s, %d cores |
| memory | %s |
| load average at the start | %s |
| other work of the machine | %s |
| system | %s |
| Go | %s |
| MariaDB | %s, ` + "`innodb_flush_log_at_trx_commit=1`" + `, on the disk of the temporary folder |
| client | %s |
| commit | %s |

Everything runs on this one machine: the client, the baseline or the connector, and the database share its cores, and so does any other
work of the machine.

The *baseline* of a row is a minimal program of the benchmark: a bare echo handler with the one SQL statement that cannot be left out,
prepared, through database/sql. Baseline and connector are loaded in turn, A B A B, by the same client (wrk, one thread,
with %s connections) with the same requests, byte for byte; each hook is signed with its own nonce and sent once. One turn warms both up, %d
turns of %s each count, and the figure is the ratio of their medians. Both use the same MariaDB and a pool of %d connections. A run with
a response other than success does not count. The connector is the program as it is shipped (` + "`make build`" + `); where a row needs
Microsoft, a fake in the connector's own process accepts everything after a fixed delay.

## How to run it

| command | what | how long |
| --- | --- | --- |
| ` + "`make bench`" + ` | everything; writes this page | about a quarter of an hour on two cores |
| ` + "`make bench BENCHFLAGS='-duration 1s -turns 2'`" + ` | the same with short runs | about half of that |
| ` + "`go run ./sandbox/bench/command -only status,lending`" + ` | some rows, on the terminal only | |
| ` + "`bin/bench -connections 1,32`" + ` | only with these numbers of connections | |
| ` + "`bin/bench -profiles FOLDER`" + ` | with [profiles](#where-the-time-goes) | |
`

// numbers lists numbers as a sentence does.
func numbers(all []int) string {
	var b strings.Builder
	for i, n := range all {
		switch {
		case i == 0:
		case i == len(all)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// cell escapes text for a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// conditions reads the conditions of this machine.
func (e *Env) conditions(ctx context.Context) (Conditions, error) {
	s := Conditions{
		Day: time.Now().UTC(), Processor: "unknown", Cores: runtime.NumCPU(), Memory: "unknown", System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: strings.TrimPrefix(runtime.Version(), "go"), Duration: e.cfg.Duration, Turns: e.cfg.Turns,
		Connections: e.cfg.Connections, Poolsize: baselineConnections, Load: e.loadBefore, Noise: noise(e.others),
	}
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		s.Processor = model
	}
	if kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		s.Memory = fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
	}
	if name := strings.Trim(field("/etc/os-release", "PRETTY_NAME"), `"`); name != "" {
		s.System = name + ", " + s.System
	}
	// wrk prints its version with its usage and exits with an error.
	output, err := exec.CommandContext(ctx, "wrk", "-v").CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return Conditions{}, fmt.Errorf("asking wrk for its version: %w", err)
	}
	s.Wrk, _, _ = strings.Cut(string(output), " [")
	if commit, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		s.Commit = string(bytes.TrimSpace(commit))
	} else {
		s.Commit = "unknown"
	}
	pool, err := sql.Open("mysql", e.server.DSN(""))
	if err != nil {
		return Conditions{}, err
	}
	defer pool.Close()
	if err := pool.QueryRowContext(ctx, "SELECT VERSION()").Scan(&s.MariaDB); err != nil {
		return Conditions{}, fmt.Errorf("asking the database for its version: %w", err)
	}
	return s, nil
}

// field returns the first value of a name in a file of lines with a name and a value each; "" when there is none.
func field(file, name string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		for _, separator := range []string{":", "="} {
			if key, value, found := strings.Cut(line, separator); found && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}
