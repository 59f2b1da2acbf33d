package chaos

import (
	"fmt"
	"runtime"
	"syscall"
)

// stopThread stops one thread of a process that we have started, and returns the function that lets it go on. The other
// threads of the process run meanwhile.
func stopThread(thread int) (resume func() error, err error) {
	stopped, release, resumed := make(chan error), make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // only the thread that has stopped another one may let it go on
		defer runtime.UnlockOSThread()
		if err := syscall.PtraceAttach(thread); err != nil {
			stopped <- fmt.Errorf("stopping a thread: %w", err)
			return
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(thread, &status, syscall.WALL, nil); err != nil {
			stopped <- fmt.Errorf("waiting for a thread to stop: %w", err)
			return
		}
		stopped <- nil
		<-release
		if err := syscall.PtraceDetach(thread); err != nil {
			resumed <- fmt.Errorf("resuming a thread: %w", err)
			return
		}
		resumed <- nil
	}()
	if err := <-stopped; err != nil {
		return nil, err
	}
	return func() error {
		close(release)
		return <-resumed
	}, nil
}
