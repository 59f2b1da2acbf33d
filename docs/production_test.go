package docs_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

const (
	productionTutorial = "tutorial/production.md"
	// productionVersion is the version of the package that the tutorial installs.
	productionVersion = "0.1.0"
	// unitName is the service of the package.
	unitName = "azure-partner-connector"
)

// TestProduction_CommandsWorkWithMariaDB runs the tutorial's commands in their order, in one shell, and compares what they print with
// what the tutorial says. The connector, MariaDB, nginx and Prometheus are real. A machine stands in for what needs root or systemd,
// and the simulators for Microsoft, the platform and the mail server, so addresses, ports and folders differ, and nothing but the
// proxy has TLS.
func TestProduction_CommandsWorkWithMariaDB(t *testing.T) {
	steps := tutorial(t, productionTutorial)
	if len(steps) < 15 {
		t.Fatalf("the tutorial has %d blocks of commands, want at least 15", len(steps))
	}
	m := newMachine(t)
	const begins = "\x1e" // in the output, before each step
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	for _, s := range steps {
		script.WriteString("printf '" + begins + "'\n")
		if strings.HasPrefix(s.commands, "connector tenants list") {
			script.WriteString("person\n") // does what the tutorial tells people to do in panels and browsers
		}
		script.WriteString(m.here(s.commands))
	}
	ctx, cancel := context.WithTimeout(t.Context(), tutorialBudget)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", script.String())
	command.Dir, command.Env, command.WaitDelay = m.root, m.environment, time.Minute
	output, err := command.CombinedOutput()
	printed := m.there(string(output))
	if err != nil {
		t.Fatalf("the tutorial's commands: %v\n%s\n%s", err, printed, m.journal())
	}
	outputs := strings.Split(printed, begins)[1:]
	for i, s := range steps {
		rest := outputs[i]
		for _, want := range s.prints {
			found := shape(want).FindStringIndex(rest)
			if found == nil {
				t.Errorf("these commands do not print %q, or not in its place:\n%s\nbut\n%s", want, s.commands, outputs[i])
				continue
			}
			rest = rest[found[1]:]
		}
	}
	m.checkFiles()
	m.checkSecrets(printed)
	if mails := m.mail.Mails(); len(mails) != 1 || mails[0].To[0] != "operations@example.com" {
		t.Errorf("the mail server took %+v, want the test notice", mails)
	}
}

// varying is what differs from day to day, from run to run, and from one version of MariaDB to another.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+ ok,| +`)

// shape returns an expression that finds a line of the tutorial in the output, with another time, another ID and other widths of
// columns.
func shape(line string) *regexp.Regexp {
	var expression strings.Builder
	at := 0
	for _, found := range varying.FindAllStringIndex(line, -1) {
		expression.WriteString(regexp.QuoteMeta(line[at:found[0]]))
		switch line[found[0]] {
		case ' ':
			expression.WriteString(` +`)
		default:
			expression.WriteString("(?:" + varying.String() + ")")
		}
		at = found[1]
	}
	return regexp.MustCompile(expression.String() + regexp.QuoteMeta(line[at:]))
}

// here returns commands of the tutorial, or a file that they made, with the addresses and folders of this machine.
func (m *machine) here(text string) string {
	return absolute.ReplaceAllString(strings.NewReplacer(m.replaced...).Replace(text), "${1}"+m.root+"/$2")
}

// there does the reverse with what was printed.
func (m *machine) there(text string) string {
	var reversed []string
	for i := 0; i < len(m.replaced); i += 2 {
		reversed = append(reversed, m.replaced[i+1], m.replaced[i])
	}
	return strings.NewReplacer(append([]string{m.root, ""}, reversed...)...).Replace(text)
}

// absolute finds the paths that the tutorial uses, except those of programs and devices.
var absolute = regexp.MustCompile(`(^|[\s"'=:@>])/(etc|usr/share|var|root)\b`)

// substitutions returns what the tutorial says and what is there instead, in pairs.
func (m *machine) substitutions() []string {
	id, _ := world.RehearsalApplication()
	return []string{
		"connector.example.com", "localhost:" + m.https,
		"onboarding.example.com", "127.0.0.1:" + m.https,
		"https://panel.example.com", m.world.PanelURL,
		"https://oa.example.net:8440", m.world.Platform.URL(),
		"https://apsc.example.net:6308", m.world.Platform.URL(),
		"11111111-2222-3333-4444-555555555555", id,
		"mail.example.com:587", m.mail.Address(),
		"_amd64.deb", "_" + runtime.GOARCH + ".deb",
		"127.0.0.1:3306", m.database.Addr,
		"127.0.0.1:8080", "127.0.0.1" + freePort(m.T),
		"127.0.0.1:8081", "127.0.0.1" + freePort(m.T),
		"127.0.0.1:9464", "127.0.0.1" + freePort(m.T),
		"127.0.0.1:9090", m.prometheus,
		"scrape_interval: 30s", "scrape_interval: 1s",
		"drain: 5s", "drain: 0s",
	}
}

// person gives a consent as a user of Alpine Cloud does, once the platform has its subscription.
func (m *machine) person(ctx context.Context) error {
	id, err := m.tenant(ctx)
	if err != nil {
		return err
	}
	return consent(ctx, m.world, id)
}

// consent goes through the automatic procedure of a tenant of Alpine Cloud.
func consent(ctx context.Context, w *world.World, id string) error {
	ask := func(method, operation string, body []byte, out any) error {
		answer := w.As(ctx, world.Rita, method, id, operation, body)
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s answers %d: %s", operation, answer.Status, answer.Body)
		}
		return json.Unmarshal(answer.Body, out)
	}
	var status struct{ OnboardingURL string }
	if err := ask(http.MethodGet, "tokenStatus", nil, &status); err != nil {
		return err
	}
	browser := world.NewBrowser()
	known, err := w.Browser(ctx, browser, status.OnboardingURL)
	if err != nil {
		return err
	}
	var begun world.Attempt
	if err := ask(http.MethodPost, "consents", []byte(`{"browser": "`+known+`"}`), &begun); err != nil {
		return err
	}
	page, err := w.Visit(ctx, browser, begun.URL, microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true})
	if err == nil && !strings.Contains(page.Text, "The consent has been granted successfully.") {
		err = fmt.Errorf("the last page says %q", page.Text)
	}
	return err
}

// tenant returns the ID of Alpine Cloud's tenant, when both resellers have theirs.
func (m *machine) tenant(ctx context.Context) (string, error) {
	for {
		list, err := m.program(ctx, "tenants", "list", "--json", "--config", m.path("/etc/azure-partner-connector/connector.yaml"))
		if err != nil {
			return "", err
		}
		var found struct{ Tenants []struct{ ID, Name string } }
		if err := json.Unmarshal(list, &found); err != nil {
			return "", err
		}
		for _, one := range found.Tenants {
			if len(found.Tenants) == 2 && one.Name == "Alpine Cloud" {
				return one.ID, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", errors.New("the resellers get no subscriptions")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// checkFiles compares the permissions of what the tutorial writes with those that the services need.
func (m *machine) checkFiles() {
	m.Helper()
	for path, want := range map[string]fs.FileMode{
		"/etc/azure-partner-connector": 0o750, "/etc/azure-partner-connector/connector.yaml": 0o640, "/etc/azure-partner-connector/connector.keys": 0o640,
		"/etc/azure-partner-connector/database-dsn": 0o640, "/etc/azure-partner-connector/instance-secret": 0o640, "/etc/nginx/tls": 0o700,
		"/etc/prometheus/prometheus.yml": 0o644, "/etc/prometheus/connector.yml": 0o644, "/var/backups/partner_connector.sql": 0o600,
	} {
		info, err := os.Stat(m.path(path))
		if err != nil || info.Mode().Perm() != want {
			m.Errorf("%s has the mode %v (%v), want %v", path, info, err, want)
		}
	}
	for _, path := range []string{"/root/settings.json", "/root/application-secret", "/root/copy.keys"} {
		if _, err := os.Stat(m.path(path)); !errors.Is(err, fs.ErrNotExist) {
			m.Errorf("%s is still there: %v", path, err)
		}
	}
	kept, err := os.ReadFile(m.path("/vault/azure-partner-connector.keys"))
	keys, keysErr := os.ReadFile(m.path("/etc/azure-partner-connector/connector.keys"))
	if err := cmp.Or(err, keysErr); err != nil || string(kept) != string(keys) || len(keys) == 0 {
		m.Errorf("the copy of the keys differs from the keys: %v", err)
	}
}

// checkSecrets looks for the secrets that the tutorial makes in what it printed and in the log.
func (m *machine) checkSecrets(printed string) {
	m.Helper()
	dsn, _ := os.ReadFile(m.path("/etc/azure-partner-connector/database-dsn"))
	_, password, _ := strings.Cut(strings.SplitN(string(dsn), "@", 2)[0], ":")
	shared, _ := os.ReadFile(m.path("/etc/azure-partner-connector/instance-secret"))
	_, ofApplication := world.RehearsalApplication()
	for name, text := range map[string]string{"the password of the database": password, "the secret of the instance": strings.TrimSpace(string(shared)), "the secret of the application": ofApplication} {
		if text == "" || strings.Contains(printed+m.journal(), text) {
			m.Errorf("%s (%d bytes) is missing, or was printed or logged", name, len(text))
		}
	}
}

// ServeHTTP does what a command stands in for. The body has the working folder, the command and its arguments, a line each.
func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	words := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if err == nil && len(words) > 1 {
		err = m.do(r.Context(), words[0], words[1], words[2:])
	}
	if err == nil {
		return
	}
	http.Error(w, strings.Join(words[1:], " ")+": "+err.Error(), http.StatusInternalServerError)
}

func (m *machine) do(ctx context.Context, folder, command string, args []string) error {
	switch command {
	case "apt":
		return m.apt(ctx, folder, args)
	case "systemctl":
		return m.systemctl(args)
	case "nginx":
		return m.testNginx(ctx, args)
	case "scp":
		return m.scp(folder, args)
	case "person":
		return m.person(ctx)
	}
	return errors.New("the machine of the test has no such command")
}
