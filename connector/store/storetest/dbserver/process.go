package dbserver

import (
	"fmt"
	"os/exec"
	"runtime"
)

// launch starts the server from a locked thread, which waits until the server has ended. The kernel sends the server its
// death signal when the thread that started it ends, and Go may end a thread that is not locked.
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
			started <- fmt.Errorf("starting %s: %w", s.name(), err)
			return
		}
		s.process, s.done = server.Process, done
		started <- nil
		_ = server.Wait() // the error does not matter: the caller ended the server, or reports its log
		close(done)
	}()
	return <-started
}
