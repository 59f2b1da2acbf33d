package mariadb

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// launch starts the server from a thread that waits for its end: the death signal comes when the thread that started
// it ends, and Go ends threads as it likes unless they are locked.
func (s *Server) launch(daemon string, as *syscall.Credential) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		server := exec.Command(daemon, s.arguments()...)
		server.Dir = s.folder
		server.Env = s.environment()
		server.SysProcAttr = attributes(as)
		if err := server.Start(); err != nil {
			started <- fmt.Errorf("starting MariaDB: %w", err)
			return
		}
		s.process = server.Process
		started <- nil
		_ = server.Wait() // how it ended does not matter: who asked for it knows
		close(s.done)
	}()
	return <-started
}
