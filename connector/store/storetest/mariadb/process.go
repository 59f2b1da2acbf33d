package mariadb

import (
	"fmt"
	"os/exec"
	"runtime"
)

// launch starts the server from a locked thread that waits for its end. The kernel sends the server its death signal when
// the thread that started it ends, and Go may end a thread that is not locked.
func (s *Server) launch(arguments []string) error {
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		server := exec.Command(s.daemon, arguments...)
		server.Dir = s.folder
		server.Env = s.environment()
		server.SysProcAttr = attributes(s.as)
		if err := server.Start(); err != nil {
			started <- fmt.Errorf("starting MariaDB: %w", err)
			return
		}
		s.process, s.done = server.Process, done
		started <- nil
		_ = server.Wait() // how it ended does not matter: the caller asked for it, or sees it in the log
		close(done)
	}()
	return <-started
}
