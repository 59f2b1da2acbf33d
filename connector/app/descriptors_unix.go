//go:build unix

package app

import (
	"math"
	"syscall"
)

// descriptors returns how many file descriptors the process may have; 0 where that is unknown.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32))
}
