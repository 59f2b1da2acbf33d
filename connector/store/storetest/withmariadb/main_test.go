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

// task names the environment variable by which this test binary is told to be the command that is run.
const task = "WITHMARIADB_TASK"

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

func TestWithMariaDB(t *testing.T) {
	program := filepath.Join(t.TempDir(), "withmariadb")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build = %v: %s", err, said)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("Executable() = _, %v", err)
	}
	run := func(dsn, todo string, args ...string) (code int, said string) {
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), "TEST_MYSQL_DSN="+dsn, task+"="+todo)
		output, _ := command.CombinedOutput() // the code tells
		return command.ProcessState.ExitCode(), string(output)
	}
	for name, tc := range map[string]struct {
		dsn, todo string
		args      []string
		code      int
		said      string
	}{
		"a command that asks the server": {"", "ask", []string{"--", self}, 0, "TEST_MYSQL_DSN=root@tcp(127.0.0.1:"},
		"a command that fails":           {"", "exit 7", []string{self}, 7, "TEST_MYSQL_DSN="},
		"a server that is given":         {"nobody@tcp(127.0.0.1:1)/", "ask", []string{self}, 3, ""},
		"no command":                     {"", "", []string{"--"}, 2, "usage:"},
		"a command that is not there":    {"unused", "", []string{"/nowhere/at/all"}, 1, "withmariadb:"},
	} {
		code, said := run(tc.dsn, tc.todo, tc.args...)
		if code != tc.code || !strings.Contains(said, tc.said) {
			t.Errorf("withmariadb with %s = %d, %q, want %d, %q", name, code, said, tc.code, tc.said)
		}
	}
}
