package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tutorialBudget is a guard against a command that hangs; nothing is judged by time.
const tutorialBudget = 15 * time.Minute

var block = regexp.MustCompile("(?s)\n```(sh|text)\n(.*?)```")

// A step is a block of commands with the lines that the tutorial says they print.
type step struct {
	commands string
	prints   []string
}

// tutorial returns the steps of a tutorial in their order.
func tutorial(t *testing.T, name string) []step {
	t.Helper()
	var steps []step
	for _, m := range block.FindAllStringSubmatch(read(t, name), -1) {
		switch kind, text := m[1], m[2]; {
		case kind == "sh":
			steps = append(steps, step{commands: text})
		case len(steps) == 0:
			t.Fatalf("the tutorial shows what a command prints before any command:\n%s", text)
		default:
			for line := range strings.Lines(text) {
				steps[len(steps)-1].prints = append(steps[len(steps)-1].prints, strings.TrimSpace(line))
			}
		}
	}
	return steps
}

// TestTutorial_CommandsWork runs the tutorial's commands in their order, in one shell, and looks for what it says that
// they print. Only the ports differ, and the home folder. The sandbox, which the reader ends, is ended when it has
// printed that.
func TestTutorial_CommandsWork(t *testing.T) {
	steps := tutorial(t, "tutorial/first-run.md")
	if len(steps) < 5 || steps[0].commands != "go run ./sandbox\n" {
		t.Fatalf("the tutorial has %d blocks of commands, of which the first is not the sandbox", len(steps))
	}
	ctx, cancel := context.WithTimeout(t.Context(), tutorialBudget)
	defer cancel()
	home := t.TempDir()
	ports := strings.NewReplacer(":8080", freePort(t), ":9090", freePort(t))
	hooks, private := ports.Replace(":8080"), ports.Replace(":9090")
	environment := append(os.Environ(), "HOME="+home, "GOCACHE="+goVariable(t, "GOCACHE"), "GOMODCACHE="+goVariable(t, "GOMODCACHE"),
		"CONNECTOR_HOOKS__LISTEN=127.0.0.1"+hooks, "CONNECTOR_ONBOARDING__LISTEN=127.0.0.1:0", "CONNECTOR_PRIVATE__LISTEN=127.0.0.1"+private)

	runSandbox(ctx, t, environment, steps[0])
	var script strings.Builder
	script.WriteString("set -euo pipefail\nstart=$PWD\n")
	for _, s := range steps[1:] {
		script.WriteString("cd \"$start\"\n" + ports.Replace(s.commands))
	}
	command := exec.CommandContext(ctx, "bash", "-c", script.String())
	command.Dir, command.Env = root, environment
	command.WaitDelay = time.Minute
	output, err := command.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(home, "connector-trial", "connector.log"))
		t.Fatalf("the tutorial's commands: %v\n%s\n%s", err, output, log)
	}
	for _, s := range steps[1:] {
		for _, want := range s.prints {
			if !strings.Contains(string(output), want) {
				t.Errorf("the tutorial's commands do not print %q, but\n%s", want, output)
			}
		}
	}
	log, err := os.ReadFile(filepath.Join(home, "connector-trial", "connector.log"))
	if err != nil || !bytes.Contains(log, []byte(`"listening"`)) {
		t.Errorf("the connector of the tutorial did not listen: %v\n%s", err, log)
	}
}

// runSandbox runs the first step until it has printed what it should.
func runSandbox(ctx context.Context, t *testing.T, environment []string, s step) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", "exec "+strings.TrimSpace(s.commands)+" --listen 127.0.0.1:0")
	command.Dir, command.Env = root, environment
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run does not pass signals on
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) }
	command.WaitDelay = time.Minute
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	command.Stderr = &complaint
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	missing := func() (lines []string) {
		for _, want := range s.prints {
			if !strings.Contains(printed.String(), want) {
				lines = append(lines, want)
			}
		}
		return lines
	}
	piece := make([]byte, 4096)
	for len(missing()) > 0 {
		n, err := output.Read(piece)
		printed.Write(piece[:n])
		if err != nil {
			break
		}
	}
	for _, want := range missing() {
		t.Errorf("the sandbox does not print %q, but\n%s%s", want, printed.String(), complaint.String())
	}
	cancel()
	command.Wait() // it was told to end
}

// freePort returns a port that nobody uses, as ":12345".
func freePort(t *testing.T) string {
	t.Helper()
	for {
		// Below the ports that the system hands out, because the minutes until it is used are enough to hand it out.
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		listener, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
		return strings.TrimPrefix(address, "127.0.0.1")
	}
}

func goVariable(t *testing.T, name string) string {
	t.Helper()
	value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}
