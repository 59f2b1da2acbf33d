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
	"strconv"
	"strings"
	"time"
)

// A Scene is where and with what it was measured. It names no machine and no place on it.
type Scene struct {
	Day                   time.Time
	Processor             string // model
	Cores                 int
	Memory                string
	System                string
	Load                  string // of the machine when it began
	Go, MariaDB, Wrk      string
	Commit                string
	Duration              time.Duration // of one run of a load
	Turns                 int
	Connections, Poolsize int
}

// Write writes the document that tells what was measured.
func (g *Ground) Write(ctx context.Context, document string, rows []Row) error {
	scene, err := g.scene(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(document, Document(scene, rows), 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// Document tells rows that were measured in a scene, for docs/explanation/benchmarks.md.
func Document(s Scene, rows []Row) []byte {
	var b bytes.Buffer
	met := 0
	for _, row := range rows {
		if row.Met {
			met++
		}
	}
	fmt.Fprintf(&b, documentHead, s.Day.Format(time.DateOnly), met, len(rows), s.Processor, s.Cores, s.Memory, s.Load, s.System,
		s.Go, s.MariaDB, s.Wrk, s.Commit, s.Connections, s.Turns, s.Duration, s.Poolsize)
	b.WriteString("\n## The bars\n\n| | bar | measured | |\n| --- | --- | --- | --- |\n")
	for _, row := range rows {
		verdict := row.Verdict()
		if !row.Met {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(row.Name), cell(row.Bar), cell(row.Measured), verdict)
	}
	b.WriteString("\n## Row by row\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "\n**%s: %s, bar %s.** %s\n", capital(row.Name), row.Measured, row.Bar, strings.TrimSpace(row.Does+" "+row.How))
	}
	b.WriteString("\n## What is not met, and why\n\n")
	if met == len(rows) {
		b.WriteString("Every bar is met.\n")
	}
	for _, row := range rows {
		if row.Met {
			continue
		}
		reason := row.Unmet
		if reason == "" {
			reason = "No reason is known beforehand: this bar was met whenever it was measured before."
		}
		fmt.Fprintf(&b, "- **%s** (%s, bar %s). %s\n", capital(row.Name), row.Measured, row.Bar, reason)
	}
	return b.Bytes()
}

const documentHead = `# Benchmarks

What the connector costs against the least that any program would have to do. This page is written by ` + "`make bench`" + `; the program is
[sandbox/bench](../../sandbox/bench). Measured %s: %d of %d bars are met.

| | |
| --- | --- |
| processor | %s, %d cores |
| memory | %s |
| load when it began | %s |
| system | %s |
| Go | %s |
| MariaDB | %s, ` + "`innodb_flush_log_at_trx_commit=1`" + `, on the disk of the temporary folder |
| client | %s |
| commit | %s |

Everything runs on this one machine: client, floor or connector, and database share its cores. What else runs there at the time is
measured too.

The *floor* of a row is a minimal program of the benchmark's own: a bare echo handler, and the one SQL statement that cannot be done
without, prepared, through database/sql. Floor and connector are loaded in turn, A B A B, by the same client (wrk, one thread, %d
connections) with the same requests, byte for byte; each request is signed for its own nonce and sent once. One turn warms both up, %d
turns of %s each are counted, and the figure is the ratio of their medians. Both use the same MariaDB and a pool of %d connections. An
answer that is no success spoils the run. The connector is the program as it is shipped (` + "`make build`" + `); where a row needs a Microsoft,
it runs with one in its own process that says yes after a set time.

## How to run it

| command | what | how long |
| --- | --- | --- |
| ` + "`make bench`" + ` | everything, and this page anew | about 15 minutes on two cores |
| ` + "`make bench BENCHFLAGS='-duration 1s -turns 2'`" + ` | the same with short runs | about 6 minutes |
| ` + "`go run ./sandbox/bench/command -only status,change`" + ` | some rows, told on the terminal only | |
`

// cell keeps text from ending a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// scene looks around.
func (g *Ground) scene(ctx context.Context) (Scene, error) {
	s := Scene{
		Day: time.Now().UTC(), Processor: "unknown", Cores: runtime.NumCPU(), Memory: "unknown", System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: strings.TrimPrefix(runtime.Version(), "go"), Duration: g.cfg.Duration, Turns: g.cfg.Turns,
		Connections: connections, Poolsize: floorConnections, Load: g.busy,
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
	// wrk tells its version with its usage, and calls that a failure.
	said, err := exec.CommandContext(ctx, "wrk", "-v").CombinedOutput()
	if _, told := errors.AsType[*exec.ExitError](err); err != nil && !told {
		return Scene{}, fmt.Errorf("asking wrk for its version: %w", err)
	}
	s.Wrk, _, _ = strings.Cut(string(said), " [")
	if commit, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		s.Commit = string(bytes.TrimSpace(commit))
	} else {
		s.Commit = "unknown"
	}
	pool, err := sql.Open("mysql", g.server.DSN(""))
	if err != nil {
		return Scene{}, err
	}
	defer pool.Close()
	if err := pool.QueryRowContext(ctx, "SELECT VERSION()").Scan(&s.MariaDB); err != nil {
		return Scene{}, fmt.Errorf("asking the database for its version: %w", err)
	}
	return s, nil
}

// field returns what a file of lines, each a name and a value, has first under a name; "" when there is none.
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
