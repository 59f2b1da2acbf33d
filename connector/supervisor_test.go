package main_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestServe_TellsTheServiceManager plays systemd: a datagram socket that the service is told about.
func TestServe_TellsTheServiceManager(t *testing.T) {
	c := newTerminal(t)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(c.folder, "notify"), Net: "unixgram"})
	c.must(err)
	defer socket.Close()
	c.environ = append(c.environ, "NOTIFY_SOCKET="+socket.LocalAddr().String(), "WATCHDOG_USEC=30000")
	s := c.serve("--config", c.configured())
	told := func(want string) {
		t.Helper()
		for buffer := make([]byte, 256); ; {
			n, err := socket.Read(buffer)
			c.must(err)
			switch got := string(buffer[:n]); {
			case strings.Contains(got, want):
				return
			case !strings.Contains(got, "WATCHDOG=1"):
				t.Fatalf("the service manager is told %q, want %q", got, want)
			}
		}
	}
	told("READY=1")
	told("WATCHDOG=1")
	go func() { _ = s.end(syscall.SIGTERM) }()
	told("STOPPING=1")
}
