package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervise tells systemd that the service is ready, answers the watchdog of its unit, and says when the service begins to stop,
// which is when ctx ends. The returned function ends it. Without systemd, it does nothing.
func supervise(ctx context.Context, log *slog.Logger) (end func()) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("notifying the service manager failed", "state", state, "err", err)
		}
	}
	tell(daemon.SdNotifyReady)
	unhook := context.AfterFunc(ctx, func() { tell(daemon.SdNotifyStopping) })
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return func() { unhook() }
	}
	done := make(chan struct{})
	var answering sync.WaitGroup
	answering.Go(func() {
		ticker := time.NewTicker(interval / 3)
		defer ticker.Stop()
		for {
			select {
			case <-done: // also while the process stops, which may take longer than the watchdog waits
				return
			case <-ticker.C:
				tell(daemon.SdNotifyWatchdog)
			}
		}
	})
	return func() {
		unhook()
		close(done)
		answering.Wait()
	}
}
