//go:build !unix

package app

// descriptors returns how many file descriptors the process may have; 0 where that is unknown.
func descriptors() int { return 0 }
