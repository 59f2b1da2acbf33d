package bench_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/bench"
)

// TestMain runs this program as a subprocess when a measurement has started it as one.
func TestMain(m *testing.M) {
	flag.Parse()
	if ok, err := bench.RunSubprocess(context.Background(), flag.Args(), os.Stdin, os.Stdout); ok {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMedian_IgnoresOneFarAway(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   float64
	}{
		"none":         {nil, 0},
		"one":          {[]float64{3}, 3},
		"odd":          {[]float64{9, 1, 5}, 5},
		"even":         {[]float64{4, 1, 3, 2}, 2.5},
		"one far away": {[]float64{10, 11, 9, 10, 5000}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bench.Median(tc.values); got != tc.want {
				t.Errorf("Median(%v) = %v, want %v", tc.values, got, tc.want)
			}
		})
	}
}

func TestRatio_DividesMedians(t *testing.T) {
	baseline, connector := []int64{1000, 400, 1100}, []int64{800, 750, 90}
	if got, want := bench.Ratio(baseline, connector), 0.75; got != want {
		t.Errorf("Ratio(%v, %v) = %v, want %v", baseline, connector, got, want)
	}
}

func TestRow_BarIsMet(t *testing.T) {
	for name, tc := range map[string]struct {
		row           bench.Row
		bar, measured string
		met           bool
	}{
		"a share, above": {bench.Percent("x", 0.7649, 0.7), "≥ 70 %", "76.5 %", true},
		"a share, on it": {bench.Percent("x", 0.7, 0.7), "≥ 70 %", "70 %", true},
		"a share, below": {bench.Percent("x", 0.6999, 0.7), "≥ 70 %", "70 %", false},
		"at most, on it": {bench.AtMost("x", "µs", 5, 5), "≤ 5 µs", "5 µs", true},
		"at most, above": {bench.AtMost("x", "×", 1.234, 1.2), "≤ 1.2 ×", "1.23 ×", false},
		"below":          {bench.Below("x", "MiB", 24.96, 25), "< 25 MiB", "25 MiB", true},
		"below, on it":   {bench.Below("x", "ms", 100, 100), "< 100 ms", "100 ms", false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.row.Bar != tc.bar || tc.row.Measured != tc.measured || tc.row.Met != tc.met {
				t.Errorf("row = bar %q, measured %q, met %t; want %q, %q, %t", tc.row.Bar, tc.row.Measured, tc.row.Met, tc.bar, tc.measured, tc.met)
			}
		})
	}
}

func TestReadResult_RejectsRunsWithFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		output string
		want   int64
	}{
		"good":       {"Running\n\nRESULT {\"requests\":12,\"microseconds\":1000000,\"refused\":0,\"broken\":0,\"p99\":3}\n", 12},
		"refused":    {"RESULT {\"requests\":12,\"microseconds\":1000000,\"refused\":1,\"broken\":0,\"p99\":3}\n", 0},
		"broken":     {"RESULT {\"requests\":12,\"microseconds\":1000000,\"refused\":0,\"broken\":1,\"p99\":3}\n", 0},
		"none":       {"RESULT {\"requests\":0,\"microseconds\":1000000,\"refused\":0,\"broken\":0,\"p99\":0}\n", 0},
		"no summary": {"unable to connect", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := bench.ReadResult(tc.output); (err == nil) != (tc.want > 0) || got != tc.want {
				t.Errorf("ReadResult(%q) = %d, %v, want %d requests", tc.output, got, err, tc.want)
			}
		})
	}
}

func TestDocument_ListsRowsAndConditions(t *testing.T) {
	met := bench.Percent("reading | fast", 0.9, 0.7).WithTexts("Baseline and connector read.", "900/s of 1,000/s.", "never printed").WithRuns("reading", 32, 1000, 900, 910, 880)
	missed := bench.Below("memory", "MiB", 41, 40).WithTexts("It is idle.", "Measured once.", "Another program started.")
	text := string(bench.Document(bench.Conditions{
		Day: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC), Processor: "Model T", Cores: 2, Memory: "24 GiB", Load: "0.10", Noise: "12 %", System: "Debian, linux/amd64",
		Go: "1.26", MariaDB: "10.11", Wrk: "wrk 4.1", Commit: "abc1234", Duration: 5 * time.Second, Turns: 5, Connections: []int{1, 32, 64}, Poolsize: 16,
	}, []bench.Row{met, missed}))
	for _, want := range []string{
		"Measured 2026-11-23: 1 of 2 bars are met.",
		"| processor | Model T, 2 cores |",
		"| commit | abc1234 |",
		"with 1, 32 and 64 connections)", "| other work of the machine | 12 % |", "| load average at the start | 0.10 |",
		"| reading \\| fast | ≥ 70 % | 90 % | met |",
		"| memory | < 40 MiB | 41 MiB | **not met** |",
		"**Reading | fast: 90 %, bar ≥ 70 %.** Baseline and connector read. 900/s of 1,000/s.",
		"| reading | 32 | baseline | 1,000 (1,000–1,000) | 2 ms | 9.5 ms | 20 µs | 30 MiB |\n| reading | 32 | connector | 900 (880–910) | 2 ms | 9.5 ms | 22 µs | 30 MiB |\n",
		"- **Memory** (41 MiB, bar < 40 MiB). Another program started.\n", "## Where the time goes\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Document() lacks %q:\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"never printed", "Every bar is met", "%!"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("Document() has %q:\n%s", unwanted, text)
		}
	}
}

// Rows that are missed for the same reason do not each repeat it.
func TestDocument_TellsASharedReasonOnce(t *testing.T) {
	first := bench.Percent("reading", 0.5, 0.7).WithTexts("", "", "It reads twice. "+bench.SharedProcessors)
	second := bench.Percent("writing", 0.5, 0.7).WithTexts("", "", bench.SharedProcessors)
	text := string(bench.Document(bench.Conditions{}, []bench.Row{first, second}))
	if n := strings.Count(text, bench.SharedProcessors); n != 1 {
		t.Errorf("Document() tells the shared reason %d times, want once:\n%s", n, text)
	}
	for _, want := range []string{"bar ≥ 70 %). It reads twice.\n", "bar ≥ 70 %). Only what is said above.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("Document() lacks %q:\n%s", want, text)
		}
	}
	met := bench.Percent("reading", 0.9, 0.7).WithTexts("", "", bench.SharedProcessors)
	if text := string(bench.Document(bench.Conditions{}, []bench.Row{met})); strings.Contains(text, bench.SharedProcessors) {
		t.Errorf("Document() explains a bar that is met:\n%s", text)
	}
}

func TestGrouped_SeparatesThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1_000_000: "1,000,000"} {
		if got := bench.Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRunSubprocess_WritesProfilesWhereTheyAreAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		folder string
		want   int
	}{"asked for": {t.TempDir(), 2}, "not asked for": {"", 0}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(bench.ProfilesVariable, tc.folder)
			var address strings.Builder
			ok, err := bench.RunSubprocess(t.Context(), []string{"connector", "in-memory", "a secret of the platform 0123456789"}, strings.NewReader(""), &address)
			if !ok || err != nil || address.String() == "" {
				t.Fatalf("RunSubprocess() = %t, %v, printing %q", ok, err, address.String())
			}
			files, err := filepath.Glob(filepath.Join(tc.folder, "*.pprof"))
			if err != nil || len(files) != tc.want {
				t.Fatalf("there are %d profiles, want %d: %v", len(files), tc.want, err)
			}
			for _, file := range files {
				if text, err := os.ReadFile(file); err != nil || len(text) == 0 {
					t.Errorf("%s has %d bytes, %v", filepath.Base(file), len(text), err)
				}
			}
		})
	}
}

// TestMeasure_WritesDocument runs the smallest measurements and writes their document. The results do not matter.
func TestMeasure_WritesDocument(t *testing.T) {
	var printed strings.Builder
	e, err := bench.Prepare(t.Context(), bench.Config{
		Duration: time.Second, Turns: 1, Connections: []int{32}, Tenants: 20, Only: []string{"signature", "status", "cold", "renewal"}, Out: &printed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	rows, err := e.Measure(t.Context())
	if err != nil {
		t.Fatalf("Measure() = %v, having printed %s", err, printed.String())
	}
	if len(rows) != 8 {
		t.Fatalf("Measure() = %d rows, want eight: %v", len(rows), rows)
	}
	document := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := e.Write(t.Context(), document, rows); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Measured == "" || !strings.Contains(string(text), "| "+row.Name+" | "+row.Bar+" | "+row.Measured+" |") {
			t.Errorf("row %+v is not in the document:\n%s", row, text)
		}
		if !strings.Contains(printed.String(), row.Name) {
			t.Errorf("row %q was not printed: %s", row.Name, printed.String())
		}
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 && strings.Contains(string(text), host) {
		t.Errorf("the document names the machine: %s", text)
	}
	if !strings.Contains(string(text), "MariaDB") || !strings.Contains(string(text), "wrk") {
		t.Errorf("the document lacks versions: %s", text)
	}
}
