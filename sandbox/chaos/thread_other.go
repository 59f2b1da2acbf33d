//go:build !linux

package chaos

import "errors"

// stopThread works on Linux only.
func stopThread(int) (resume func() error, err error) {
	return nil, errors.New("stopping a thread: only Linux can do so")
}
