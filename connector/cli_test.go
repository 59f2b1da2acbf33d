package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
)

// binaryVariable is the environment variable in which TestMain passes the path of the program to the tests.
const binaryVariable = "BINARY_UNDER_TEST"

// commandTimeout bounds a command that hangs.
const commandTimeout = 2 * time.Minute

// TestMain builds the program once: the tests run it as a user does. Some need a MariaDB server.
func TestMain(m *testing.M) { os.Exit(withBinary(func() int { return storetest.Main(m) })) }

func withBinary(run func() int) int {
	folder, err := os.MkdirTemp("", "connector-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil { // other accounts run the program, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary := filepath.Join(folder, "connector")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=test-version", "-o", binary, ".")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := errors.Join(build.Run(), os.Setenv(binaryVariable, binary)); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	return run()
}

// A terminal runs the program in its own folder and checks that no output shows one of its secrets.
type terminal struct {
	*testing.T
	folder  string
	environ []string
	secrets []string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	return &terminal{T: t, folder: t.TempDir(), environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}}
}

// An output is the result of a command.
type output struct {
	code           int
	stdout, stderr string
}

func (o output) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
}

func (c *terminal) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), commandTimeout)
	c.Cleanup(cancel)
	command := exec.CommandContext(ctx, os.Getenv(binaryVariable), args...)
	command.Dir, command.Env = c.folder, c.environ
	return command
}

// run runs a command until it exits.
func (c *terminal) run(args ...string) output {
	c.Helper()
	return c.runWith(func(*exec.Cmd) {}, args...)
}

// runWith is run after a change of the command.
func (c *terminal) runWith(change func(*exec.Cmd), args ...string) output {
	c.Helper()
	command := c.command(args...)
	change(command)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.Fatalf("connector %s: %v", strings.Join(args, " "), err)
	}
	c.checkSecrets(stdout.String() + stderr.String())
	return output{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (c *terminal) checkSecrets(text string) {
	c.Helper()
	for _, hidden := range c.secrets {
		if strings.Contains(text, hidden) {
			c.Errorf("the output contains a secret of %d characters, want none", len(hidden))
		}
	}
}

// hide returns a new secret that no output may show.
func (c *terminal) hide() string {
	hidden := "canary-" + random.Token()
	c.secrets = append(c.secrets, hidden)
	return hidden
}

func (c *terminal) write(name, content string) string {
	c.Helper()
	c.must(os.WriteFile(filepath.Join(c.folder, name), []byte(content), 0o600))
	return name
}

func (c *terminal) read(name string) string {
	c.Helper()
	content, err := os.ReadFile(filepath.Join(c.folder, name))
	c.must(err)
	return string(content)
}

func (c *terminal) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// check asserts the exit code of a command and that its output contains all parts.
func (c *terminal) check(command string, got output, code int, parts ...string) {
	c.Helper()
	if got.code != code {
		c.Errorf("connector %s = %v, want exit code %d", command, got, code)
	}
	for _, part := range parts {
		if !strings.Contains(got.stdout+got.stderr, part) {
			c.Errorf("connector %s = %v, want %q in it", command, got, part)
		}
	}
}

func TestRun_RefusesUnknownArguments(t *testing.T) {
	c := newTerminal(t)
	for _, args := range [][]string{{}, {"sing"}, {"serve", "--loud"}, {"keys", "create"}, {"package", "check", "missing.zip"}} {
		got := c.run(args...)
		c.check(strings.Join(args, " "), got, 1, "connector: ")
		if strings.Contains(got.stdout+got.stderr, "goroutine") {
			t.Errorf("connector %v panicked:\n%v", args, got)
		}
	}
}

func TestRun_HelpAndVersion(t *testing.T) {
	c := newTerminal(t)
	c.check("version", c.run("version"), 0, "test-version\n")
	help := c.run("--help")
	c.check("--help", help, 0, "serve", "config check", "keys create", "package build", "package check", "doctor", "register", "unregister", "version")
	c.check("doctor --help", c.run("doctor", "--help"), 0, "--tenant", "--json", "--config")
	c.check("help", c.run("help"), 0, help.stdout)
	c.check("help doctor", c.run("help", "doctor"), 0, "--tenant", "--json", "--config")
}

// faulty writes a configuration with several problems, one of them in a secret.
func (c *terminal) faulty() string {
	c.Helper()
	hidden := "0k4canary8" // too short
	c.secrets = append(c.secrets, hidden)
	return c.write("faulty.yaml", `
hooks: {publicURL: "http://connector.example.com/aps", colour: red}
onboarding: {linkLife: 1s}
database: {driver: oracle}
instances: [{key: key-1, secret: `+hidden+`}]
renewal: {every: 2400h}
log: {format: poem}
`)
}

func TestConfigCheck_ReportsAllProblemsAtOnce(t *testing.T) {
	c := newTerminal(t)
	file := c.faulty()
	for _, command := range []string{"serve", "config check", "doctor"} {
		got := c.run(append(strings.Fields(command), "--config", file)...)
		c.check(command, got, 1,
			"hooks.publicURL", "hooks.colour", "onboarding.publicURL", "onboarding.linkLife", "database.driver", "keys.file",
			"instances[0].secret", "renewal.every", "log.format")
	}
	for _, command := range []string{"serve", "config check", "doctor"} {
		c.check(command+" of a missing file", c.run(append(strings.Fields(command), "--config", "nowhere.yaml")...), 1, "nowhere.yaml")
		if command != "doctor" { // which lists problems as findings
			c.check(command+" of no file", c.run(strings.Fields(command)...), 1, "neither --config nor CONNECTOR_CONFIG names one", "hooks.publicURL: missing")
		}
	}
}

func TestConfigExample_IsValidOnceThePlaceholderIsReplaced(t *testing.T) {
	c := newTerminal(t)
	example := c.run("config", "example")
	c.check("config example", example, 0)
	file := c.write("connector.yaml", example.stdout)
	c.check("config check", c.run("config", "check", "--config", file), 1, "placeholder")
	c.write("connector.yaml", strings.ReplaceAll(example.stdout, "PUT_HERE", c.hide()))
	c.check("config check without keys", c.run("config", "check", "--config", file), 1, "keys.file")
	c.check("keys create", c.run("keys", "create", "connector.keys"), 0)
	c.environ = append(c.environ, "CONNECTOR_KEYS__FILE=connector.keys")
	c.check("config check", c.run("config", "check", "--config", file), 0, "the configuration is valid")

	c.environ = append(c.environ, "CONNECTOR_CONFIG="+file, "CONNECTOR_LOG__FORMAT=poem")
	c.check("config check", c.run("config", "check"), 1, "log.format")
}

func TestKeysCreate_NeverOverwrites(t *testing.T) {
	c := newTerminal(t)
	c.check("keys create", c.run("keys", "create", "connector.keys"), 0, "connector.keys")
	first := c.read("connector.keys")
	info, err := os.Stat(filepath.Join(c.folder, "connector.keys"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has the mode %v, %v, want it for its owner only", info.Mode(), err)
	}
	c.check("keys create", c.run("keys", "create", "connector.keys"), 1, "the key file already exists")
	if c.read("connector.keys") != first {
		t.Error("keys create changed an existing key file, want it unchanged")
	}
	c.check("keys create", c.run("keys", "create", "nowhere/connector.keys"), 1)
}
