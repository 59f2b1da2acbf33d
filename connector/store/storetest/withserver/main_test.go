package main_test

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	// The driver by which the test asks the server.
	_ "github.com/go-sql-driver/mysql"
)

// task names the environment variable that makes this test binary act as the command: "ask" or "exit 7".
const task = "WITHSERVER_TASK"

func TestMain(m *testing.M) {
	switch os.Getenv(task) {
	case "ask":
		os.Exit(ask())
	case "exit 7":
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// ask returns 0 when the server in TEST_MYSQL_DSN answers.
func ask() int {
	pool, err := sql.Open("mysql", os.Getenv("TEST_MYSQL_DSN"))
	if err != nil || pool.Ping() != nil {
		return 3
	}
	return 0
}

func TestRun_StartsMySQL(t *testing.T) {
	program := filepath.Join(t.TempDir(), "withserver")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build = %v: %s", err, output)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("Executable() = _, %v", err)
	}
	run := func(dsn, todo string, args ...string) (code int, output string) {
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), "TEST_MYSQL_DSN="+dsn, task+"="+todo)
		combined, _ := command.CombinedOutput() // the exit code is asserted instead of the error
		return command.ProcessState.ExitCode(), string(combined)
	}
	for name, tc := range map[string]struct {
		dsn, todo string
		args      []string
		code      int
		output    string
	}{
		"a command that asks the server": {"", "ask", []string{"--", self}, 0, "TEST_MYSQL_DSN=root@tcp(127.0.0.1:"},
		"a command that fails":           {"", "exit 7", []string{self}, 7, "TEST_MYSQL_DSN="},
		"a server that is given":         {"nobody@tcp(127.0.0.1:1)/", "ask", []string{self}, 3, ""},
		"no command":                     {"", "", []string{"--"}, 2, "usage:"},
		"a command that does not exist":  {"unused", "", []string{"/nowhere/at/all"}, 1, "withserver:"},
	} {
		code, output := run(tc.dsn, tc.todo, tc.args...)
		if code != tc.code || !strings.Contains(output, tc.output) {
			t.Errorf("withserver with %s = %d, %q, want %d, %q", name, code, output, tc.code, tc.output)
		}
	}
}
