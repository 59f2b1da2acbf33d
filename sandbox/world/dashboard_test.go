package world_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

const dashboardDay = 24 * time.Hour

// dashboardStep returns the time between two samples, without that in which the sandbox works. A picture has more of them.
func dashboardStep() time.Duration {
	if paneltest.TakesPictures() {
		return 30 * time.Minute
	}
	return time.Hour
}

// A dashboard is what Grafana imports, and what a Prometheus answers to it.
type dashboard struct {
	Title  string
	Panels []*dashboardPanel
}

type dashboardPanel struct {
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Custom     struct{ Stacking struct{ Mode string } }
			Thresholds struct {
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
	}
	Targets []*struct {
		Expr, LegendFormat, Format string
		Result                     []json.RawMessage // of Prometheus
	}
}

// TestDashboard_QueriesHaveAnswers plays a day with consents, renewals, an outage of Microsoft and a revoked token, puts what the
// connector exported meanwhile into a real Prometheus, and asks it the queries of the shipped dashboard. With
// paneltest.ScreensVariable it takes a picture of a page that draws the answers. That page is no Grafana, and says so.
func TestDashboard_QueriesHaveAnswers(t *testing.T) {
	s := scenario{t, start(t, world.Config{Resellers: true, Tick: 100 * time.Millisecond})}
	samples := filepath.Join(t.TempDir(), "samples.txt")
	from := s.Clock.Now()
	s.record(samples)
	to := s.Clock.Now()
	address := s.prometheus(samples)

	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "connector.json"))
	check(t, err)
	var d dashboard
	check(t, json.Unmarshal(text, &d))
	asked := 0
	for _, p := range d.Panels {
		results := 0
		for _, target := range p.Targets {
			query := url.Values{"query": {strings.ReplaceAll(target.Expr, "$__rate_interval", (4 * dashboardStep()).String())}}
			path := "query"
			if p.Type == "timeseries" {
				path = "query_range"
				query.Set("start", unix(from))
				query.Set("end", unix(to))
				query.Set("step", strconv.Itoa(int(dashboardStep().Seconds())))
			} else {
				query.Set("time", unix(to))
			}
			target.Result = ask(t, "http://"+address+"/api/v1/"+path+"?"+query.Encode())
			results, asked = results+len(target.Result), asked+1
		}
		if len(p.Targets) > 0 && results == 0 {
			t.Errorf("nothing is shown in %q after a day with everything that it is about", p.Title)
		}
	}
	if asked < 25 {
		t.Errorf("%d queries were asked, want those of all panels", asked)
	}
	if paneltest.TakesPictures() {
		data, err := json.Marshal(map[string]any{"dashboard": d, "from": from.Unix(), "to": to.Unix(), "step": dashboardStep().Seconds()})
		check(t, err)
		page, err := os.ReadFile(filepath.Join("testdata", "dashboard.html"))
		check(t, err)
		picture(t, "sandbox/dashboard", strings.Replace(string(page), "DATA", string(data), 1))
	}
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// record plays the day and writes what the connector exports, with the time of the sandbox.
func (s scenario) record(file string) {
	s.Helper()
	f, err := os.Create(file)
	check(s.T, err)
	w := bufio.NewWriter(f)
	for i := range int(dashboardDay / dashboardStep()) {
		s.play(i)
		s.Clock.Advance(dashboardStep())
		at := s.Clock.Now()
		var text string
		s.eventually("metrics of "+at.Format(time.RFC3339), func() bool {
			_, text = s.fetch(s.PrivateURL + "/metrics")
			m := readAt.FindStringSubmatch(text)
			if m == nil {
				return false
			}
			read, err := strconv.ParseFloat(m[1], 64)
			return err == nil && int64(read) >= at.Unix()
		})
		for line := range strings.Lines(text) {
			if m := sample.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				labels := strings.TrimSuffix(strings.TrimPrefix(m[2], "{"), "}")
				fmt.Fprintf(w, "%s{%s} %s %d\n", m[1], strings.TrimPrefix(labels+`,job="connector",instance="connector-1:9090"`, ","), m[3], at.Unix())
			}
		}
	}
	fmt.Fprintln(w, "# EOF")
	check(s.T, w.Flush())
	check(s.T, f.Close())
}

var (
	readAt = regexp.MustCompile(`(?m)^connector_tenants_read_timestamp_seconds (\S+)$`)
	sample = regexp.MustCompile(`^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$`)
)

// play does what happens in one step of the day.
func (s scenario) play(i int) {
	s.Helper()
	at := time.Duration(i) * dashboardStep()
	lend := func(times int) {
		for range times {
			s.Platform.Call(s.Context(), platform.AsApplication(s.Borrower().ID), http.MethodPost, s.tenant(), "accessToken", []byte(`{"api":"graph"}`))
		}
	}
	switch at {
	case 2 * time.Hour:
		s.consent()
	case 9 * time.Hour:
		s.Microsoft.AddFault(microsoft.Fault{Host: microsoft.Login, Status: http.StatusServiceUnavailable})
	case 11 * time.Hour:
		s.Microsoft.ClearFaults()
	case 15 * time.Hour:
		check(s.T, s.Microsoft.RevokeSessions(world.AlpineAdmin))
		s.As(s.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
	case 18 * time.Hour:
		s.consent()
	case 22 * time.Hour:
		s.pause()
	}
	if at > 2*time.Hour {
		lend(1 + i%5)
		s.As(s.Context(), world.Rita, http.MethodGet, s.tenant(), "tokenStatus", nil)
	}
	if at%(2*time.Hour) == 0 {
		s.As(s.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
	}
}

// prometheus starts a Prometheus with samples, and returns its address.
func (s scenario) prometheus(samples string) string {
	s.Helper()
	t := s.T
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", samples, folder).CombinedOutput(); err != nil {
		t.Fatalf("promtool tsdb create-blocks-from = %v\n%s", err, out)
	}
	configuration := filepath.Join(t.TempDir(), "prometheus.yml")
	check(t, os.WriteFile(configuration, nil, 0o600))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	address := listener.Addr().String()
	check(t, listener.Close())
	var log strings.Builder
	command := exec.CommandContext(t.Context(), "prometheus", "--config.file="+configuration, "--storage.tsdb.path="+folder,
		"--storage.tsdb.retention.time=10y", "--query.lookback-delta="+(dashboardStep()*3/2).String(), "--web.listen-address="+address, "--log.level=warn")
	command.Stderr = &log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	check(t, command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait()
	}()
	t.Cleanup(func() { <-ended }) // the context of the test has ended before
	s.eventually("answer of Prometheus", func() bool {
		select {
		case <-ended:
			t.Fatalf("prometheus ended: %s", log.String())
		default:
		}
		answer, err := http.Get("http://" + address + "/-/ready")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	return address
}

// ask returns the series that answer a query.
func ask(t *testing.T, address string) []json.RawMessage {
	t.Helper()
	answer, err := http.Get(address)
	check(t, err)
	defer answer.Body.Close()
	var got struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	check(t, json.NewDecoder(answer.Body).Decode(&got))
	if got.Status != "success" {
		t.Fatalf("%s answers %s", address, got.Error)
	}
	return got.Data.Result
}
